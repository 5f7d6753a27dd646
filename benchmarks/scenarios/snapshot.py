"""(f) A load while another session holds a snapshot, as a report or a backup does, against the same load without one.

Vacuum may remove nothing that was settled since. In the full run it is also measured how soon it has done so afterwards.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from benchmarks.measure import installed, saturate_in
from benchmarks.plan import SHAPES
from benchmarks.report import Key
from benchmarks.scenarios.cost import note
from benchmarks.server import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.run import Run
    from benchmarks.systems import System

FREE, HELD = "snapshot free", "snapshot held"
DEAD = "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables"
WORKERS = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND datname = current_database()"""
PATIENCE = 240.0


def measure(run: Run) -> None:
    """Measure without and with a snapshot."""
    for system in run.systems(["casare"]):
        for scenario in (FREE, HELD):
            _measure_one(run, system, scenario)
    run.report.set_ratio("snapshot_held_vs_free", Key(HELD, "casare", "rate"), Key(FREE, "casare", "rate"))


def _measure_one(run: Run, system: System, scenario: str) -> None:
    shape, plan = SHAPES["batch100"], run.plan
    with run.attempt(scenario, system), installed(run.server, system) as (url, counting):
        with _held_snapshot(url if scenario == HELD else None):
            measured = saturate_in(
                run.server,
                system,
                url,
                counting,
                **shape._asdict(),
                seconds=plan.snapshot_seconds,
                warmup=plan.warmup,
            )
        released = time.monotonic()
        note(run, scenario, system.name, measured, 0)
        if scenario == HELD and plan.snapshot_recovery:
            _watch_recovery(run, system.name, url, released)


@contextmanager
def _held_snapshot(url: str | None) -> Iterator[None]:
    if url is None:
        yield
        return
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT 1")
        yield


def _watch_recovery(run: Run, system: str, url: str, released: float) -> None:
    """Note how many rows were dead, when autovacuum came next, and how soon nine tenths of them were gone then."""
    at_first, started = int(query(url, DEAD)[0][0]), None
    run.report.add(HELD, system, "dead rows at the end", at_first, "rows")
    while (waited := time.monotonic() - released) < PATIENCE:
        if started is None and int(query(url, WORKERS)[0][0]):
            started = waited
            run.report.add(HELD, system, "until autovacuum came", started, "s")
        if int(query(url, DEAD)[0][0]) < at_first / 10:
            run.report.add(HELD, system, "until dead rows were gone, from then", waited - (started or waited), "s")
            return
        time.sleep(0.2)
    run.report.refuse(
        HELD, system, f"after {PATIENCE:.0f} s there were still {query(url, DEAD)[0][0]} dead rows of {at_first}"
    )
