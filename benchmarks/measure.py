"""One measurement: a database, a system installed in it, a client with its order, and the counts that must agree afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.client import Client, ask
from benchmarks.order import Answer, Order
from benchmarks.systems import install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.server import Server, Spent
    from benchmarks.systems import Counting, System

ENQUEUE_LIMIT = 180.0
SATURATE_LIMIT = 150.0
"""Seconds beside those of the order: to start, to warm up and to drain."""
DRAIN_LIMIT = 300.0


class Refused(Exception):
    """A run does not count; the text says why."""


class Measured(NamedTuple):
    """What a client answered, and what the server used in its window."""

    answer: Answer
    spent: Spent


@contextmanager
def installed(server: Server, system: System) -> Iterator[tuple[str, Counting]]:
    """Yield the URL of a database of its own in which a system is installed, and how its ended jobs are counted.

    A system is installed once on a server; its databases are copies of that one.

    Raises:
        ClientFailed: it cannot be installed.

    """
    if system.name not in server.templates:
        empty = server.create(f"{system.name}_template")
        server.templates[system.name] = empty, install(system, server.url_of(empty))
    template, counting = server.templates[system.name]
    with server.database(system.name, template) as url:
        yield url, counting


def saturate(server: Server, system: System, **fields: Any) -> Measured:
    """Run an order `saturate` in a database of its own.

    Raises:
        ClientFailed, ClientCannot: as `Client.answer`.
        Refused: the run had errors, or its counts differ.

    """
    with installed(server, system) as (url, counting):
        return saturate_in(server, system, url, counting, **fields)


def saturate_in(server: Server, system: System, url: str, counting: Counting, **fields: Any) -> Measured:
    """Run an order `saturate` in a database where the system is installed and nothing has ended yet. Raises as `saturate`."""
    order = system.order(Order(do="saturate", url=url, **fields))
    with Client(system.argv, order, (order.seconds or 0) + SATURATE_LIMIT) as client:
        client.wait_for("window")
        before = server.spent()
        client.wait_for("closed")
        spent = server.spent().since(before)
        answer = client.answer()
    check(answer, answer.sent, counting.terminal(url), counting.left(url))
    return Measured(answer, spent)


def enqueue(system: System, url: str, jobs: int, **fields: Any) -> Answer:
    """Let a system enqueue jobs. Raises as `saturate`."""
    answer = ask(system.argv, system.order(Order(do="enqueue", url=url, jobs=jobs, **fields)), ENQUEUE_LIMIT)
    if answer.jobs != jobs:
        raise Refused(f"{answer.jobs} of {jobs} jobs were enqueued")
    return answer


def drain(server: Server, system: System, url: str, counting: Counting, jobs: int, **fields: Any) -> Measured:
    """Let a system empty a queue in which `jobs` wait. Raises as `saturate`."""
    order = system.order(Order(do="drain", url=url, jobs=jobs, **fields))
    with Client(system.argv, order, DRAIN_LIMIT) as client:
        client.wait_for("window")
        before = server.spent()
        answer = client.answer()
        spent = server.spent().since(before)
    check(answer, jobs, counting.terminal(url), counting.left(url))
    return Measured(answer, spent)


def check(answer: Answer, sent: int | None, terminal: int | None, left: int | None) -> None:
    """Raise Refused unless every job that was sent ended once, was committed, and nothing went wrong.

    `terminal` is what the database says of jobs that ended, `left` of jobs that did not, of a system that deletes the others;
    either may be None, not both.
    """
    faults = []
    if answer.errors != 0:
        faults.append(f"{answer.errors} errors")
    if sent is None or sent <= 0:
        faults.append("nothing was sent")
    if answer.ended != sent:
        faults.append(f"{sent} jobs were sent and {answer.ended} ended")
    if terminal is None and left is None:
        faults.append("nothing in the database says what ended")
    if terminal is not None and terminal != sent:
        faults.append(f"{sent} jobs were sent and the database has {terminal} that ended")
    if left:
        faults.append(f"the database still has {left} jobs")
    if faults:
        raise Refused("; ".join(faults))
