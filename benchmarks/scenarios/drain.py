"""(b) How fast a queue is emptied in which jobs wait, each system in the shape that suits it.

50,000 jobs for the pair that is compared round after round, 10,000 for those that are measured once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import drain, enqueue, installed
from benchmarks.server import query

if TYPE_CHECKING:
    from benchmarks.run import Run
    from benchmarks.systems import System

IN_BATCHES = (2, 500)
BEST = {
    **dict.fromkeys(("casare", "floor", "pgqueuer", "pg-boss"), IN_BATCHES),
    **dict.fromkeys(("graphile-worker", "graphile-worker-local"), (1, 24)),
    "procrastinate": (1, 20),
}
"""Consumers and claim: large batches where jobs are fetched so, else what the system's guide has. The others take 100, twice."""
BY_HUNDREDS = (2, 100)


def measure(run: Run) -> None:
    """Let every system of the plan empty its queue, some in turn, round after round."""
    plan = run.plan
    often, once = run.systems(plan.drain_often), run.systems(plan.drain_once)
    for turn in range(plan.rounds):
        for system in often:
            _measure_one(run, system, turn, plan.drain_jobs)
        for system in once if turn == 0 else []:
            _measure_one(run, system, turn, plan.drain_once_jobs)
    for other in (*plan.drain_often, *plan.drain_once):
        if other != "casare":
            name = "graphile_local_queue" if other == "graphile-worker-local" else other.replace("-", "_")
            run.report.compare(f"drain_vs_{name}", "drain", other)


def _measure_one(run: Run, system: System, turn: int, jobs: int) -> None:
    consumers, claim = BEST.get(system.name, BY_HUNDREDS)
    with run.attempt("drain", system), installed(run.server, system) as (url, counting):
        put = enqueue(system, url, jobs)
        query(url, "VACUUM ANALYZE")  # what autovacuum would have done before so many jobs had gathered
        answer = drain(run.server, system, url, counting, jobs, consumers=consumers, claim=claim).answer
        rate = jobs / (answer.seconds or float("inf"))
        run.report.add("drain", system.name, "rate", rate, "jobs/s", turn)
        run.report.add("drain", system.name, "enqueue rate", jobs / (put.seconds or float("inf")), "jobs/s", turn)
        run.report.add("drain", system.name, "waiting", jobs, "jobs", turn)
        run.say(f"drain, {system.name}: {rate:,.0f} jobs/s")
