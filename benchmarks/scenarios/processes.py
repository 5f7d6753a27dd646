"""(j) Several client processes on one queue: each feeds it and takes from it, whoever put a job in."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.client import Client
from benchmarks.measure import Refused, check, installed
from benchmarks.order import Answer, Order
from benchmarks.plan import SHAPES

if TYPE_CHECKING:
    from benchmarks.run import Run
    from benchmarks.systems import Counting, System

LIMIT = 150.0
QUIET = 1.0
"""Seconds without one more job that has ended, after which none is left."""


def measure(run: Run) -> None:
    """Run every number of processes, systems in turn."""
    plan = run.plan
    systems = run.systems(plan.process_systems)
    for number in plan.processes:
        scenario = f"processes {number}"
        for system in systems:
            with run.attempt(scenario, system):
                rate = _rate_of(run, system, number)
                run.report.add(scenario, system.name, "rate", rate, "jobs/s")
                run.say(f"{scenario}, {system.name}: {rate:,.0f} jobs/s")
        run.report.compare(f"processes_{number}_vs_floor", scenario, "floor")


def _rate_of(run: Run, system: System, number: int) -> float:
    """Return what all the processes end together per second, in windows that begin at the same word."""
    shape, plan = SHAPES["claim10"], run.plan
    with installed(run.server, system) as (url, counting), ExitStack() as stack:
        order = Order(
            do="saturate",
            url=url,
            **shape._asdict(),
            seconds=plan.process_seconds,
            warmup=plan.warmup,
            shared=True,
        )
        started = [Client(system.argv, system.order(order), plan.process_seconds + LIMIT) for _ in range(number)]
        clients = [stack.enter_context(client) for client in started]
        for client in clients:
            client.wait_for("ready")
        for client in clients:
            client.say("go")
        for client in clients:
            client.wait_for("closed")
        _wait_until_quiet(counting, url)
        for client in clients:
            client.say("stop")
        answers = [client.answer() for client in clients]
        check(sum_of(answers), sum(answer.sent or 0 for answer in answers), counting.terminal(url), counting.left(url))
        return sum(answer.rate or 0.0 for answer in answers)


def sum_of(answers: list[Answer]) -> Answer:
    """Return what several processes sent, ended and did wrong together."""
    return Answer(
        sent=sum(each.sent or 0 for each in answers),
        ended=sum(each.ended or 0 for each in answers),
        errors=sum(each.errors or 0 for each in answers),
    )


def _wait_until_quiet(counting: Counting, url: str) -> None:
    """Wait until nothing more ends: the processes do not know of each other what is left."""
    found, since, give_up = counting.terminal(url), time.monotonic(), time.monotonic() + LIMIT
    while time.monotonic() - since < QUIET:
        if time.monotonic() > give_up:
            raise Refused(f"jobs still ended {LIMIT:.0f} s after the last was sent")
        time.sleep(0.1)
        if (now := counting.terminal(url)) != found:
            found, since = now, time.monotonic()
