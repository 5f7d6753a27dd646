"""A hundred robots that have nothing to do: what they cost the server and the machines they are on.

The server of this scenario is one of its own, for it counts statements (pg_stat_statements must be there from its start). Where
PostgreSQL comes without that, transactions are counted, and the row says so.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measure import Refused
from benchmarks.robots import working
from benchmarks.server import Server, query
from benchmarks.systems import install
from casare_rpa.embedded import EmbeddedPostgresError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.robots import Fleet
    from benchmarks.run import Run
    from benchmarks.systems import System

SCENARIO = "idle"
COUNT_STATEMENTS = {"shared_preload_libraries": "pg_stat_statements"}
STATEMENTS = """
SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = %s)"""
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"


def measure(run: Run) -> None:
    """Measure the idle fleets of the plan's systems, one after another."""
    systems = run.systems(run.plan.idle_systems)
    with ExitStack() as stack:
        try:
            server, counter = stack.enter_context(Server(COUNT_STATEMENTS)), Counter("statements", STATEMENTS)
        except EmbeddedPostgresError:
            server, counter = run.server, Counter("transactions", TRANSACTIONS)
        else:
            query(server.url, "CREATE EXTENSION pg_stat_statements")
        _measure_all(run, server, systems, counter)


@dataclass(frozen=True)
class Counter:
    """What is counted, and the statement that says how many there were in a database, asked for in another."""

    what: str
    sql: str

    def read(self, server: Server, database: str) -> int:
        return int(query(server.url, self.sql, (database,))[0][0])


def _measure_all(run: Run, server: Server, systems: Sequence[System], counter: Counter) -> None:
    for system in systems:
        watch = run.plan.idle if system.name == "casare" else run.plan.idle_peers
        with run.attempt(SCENARIO, system), server.database(f"idle_{system.name}") as url:
            install(system, url)
            with working(system, url, watch.settle + watch.seconds) as fleet:
                time.sleep(watch.settle)
                figures = _watch(server, fleet, url.rsplit("/", 1)[1], watch.seconds, counter)
                answer = fleet.stop()
            if answer.errors:
                raise Refused(f"{answer.errors} errors while there was nothing to do")
            for metric, value, unit in figures:
                run.report.add(SCENARIO, system.name, metric, value, unit)
            run.say(
                f"idle, {system.name}: " + ", ".join(f"{metric} {value:,.1f} {unit}" for metric, value, unit in figures)
            )


def _watch(
    server: Server, fleet: Fleet, database: str, seconds: float, counter: Counter
) -> list[tuple[str, float, str]]:
    # What is counted is read first and last, CPU time between: reading costs a connection each time.
    counted = counter.read(server, database)
    began, used, clients = time.monotonic(), server.cpu_seconds(), fleet.cpu_seconds()
    time.sleep(seconds)
    used, clients = server.cpu_seconds() - used, fleet.cpu_seconds() - clients
    took = time.monotonic() - began
    counted = counter.read(server, database) - counted
    return [
        (counter.what, counted / took, "1/s"),
        ("server cpu", 100 * used / took, "% of a core"),
        ("client cpu", 100 * clients / took, "% of a core"),
        ("connections", int(query(server.url, CONNECTIONS, (database,))[0][0]), "connections"),
    ]
