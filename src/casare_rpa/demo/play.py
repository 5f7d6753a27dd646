"""The demo's course, from the migration to the results."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casare_rpa.demo import events
from casare_rpa.demo.broken import make_broken
from casare_rpa.demo.course import Course
from casare_rpa.demo.errors import PromiseBrokenError
from casare_rpa.demo.fleet import fleet
from casare_rpa.demo.report import broken_promises
from casare_rpa.demo.witness import witness
from casare_rpa.infrastructure.queue import JobModel, PgQueuerProducer, migrate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

    from casare_rpa.demo.installed import Installed
    from casare_rpa.demo.inventory import Item
    from casare_rpa.demo.report import Report
    from casare_rpa.demo.screen import Screen
    from casare_rpa.infrastructure.queue import QueueConfig

ROBOTS = ("robot-1", "robot-2", "robot-3", "robot-4")
"""One of them is killed, three remain."""
OWN_JOBS = 2
"""Jobs that are no audit of something installed: the broken distribution's, and the one to be cancelled."""
LASTS = 4.0
"""Seconds for which the audit lasts whose robot is killed: time enough to find out which one that is."""
LASTS_LONG = 60.0
"""Seconds for which the audit would last that is cancelled."""
TIME_LIMIT = 50.0
"""Seconds until what has not happened yet is not waited for any longer."""


@dataclass(frozen=True)
class Results:
    """The report, the inventory, and in words what was not as promised."""

    report: Report
    items: list[Item]
    broken: list[str]


@dataclass(frozen=True)
class Submitted:
    """The ids of all jobs, and of those that have a part to play."""

    ids: list[UUID]
    lasting: UUID
    unwanted: UUID
    broken: UUID


async def play(config: QueueConfig, installed: Sequence[Installed], folder: Path, screen: Screen) -> Results:
    """Audit what is installed, with a crash, a cancellation and a redrive on the way, and return the results.

    Args:
        config: the queue, in a database without the schema.
        installed: the distributions to audit, at least one.
        folder: an empty folder for what is needed on the way.
        screen: where the course is shown.

    """
    version = await migrate(config)
    screen.step(f"the schema is migrated to version {version}")
    broken = make_broken(folder)
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(PgQueuerProducer(config))
        looking = await stack.enter_async_context(witness(config))
        robots = stack.enter_context(fleet(config, ROBOTS, folder))
        course = Course(producer, looking, robots, screen, time.monotonic() + TIME_LIMIT)
        off: list[str] = []
        try:
            await _happen(course, installed, broken)
        except PromiseBrokenError as error:
            off.append(str(error))
        off += await asyncio.to_thread(robots.stop)
        report = await looking.report(course.ids)
        items = await looking.inventory(course.ids, "installed")
        off += broken_promises(report, expected=len(installed) + OWN_JOBS)
        off += [_obituary(job) for job in await producer.list_dead_letters(limit=1000)]
        if len(items) != len(installed):
            off.append(f"{len(installed)} distributions are installed, but {len(items)} are in the inventory")
        return Results(report, items, off)


async def _happen(course: Course, installed: Sequence[Installed], broken: Installed) -> None:
    await course.until(lambda: _all_listen(course), f"{len(ROBOTS)} robots listen")
    course.screen.step(f"{len(ROBOTS)} robots listen")
    jobs = await _submit(course, installed, broken)
    killed = await events.kill_its_robot(course, jobs.lasting)
    await events.cancel_running(course, jobs.unwanted, killed)
    await events.mend_and_redrive(course, jobs.broken, broken)
    await course.until(lambda: _all_over(course), "every job has ended")
    await events.check_taken_over(course, jobs.lasting, killed)


async def _submit(course: Course, installed: Sequence[Installed], broken: Installed) -> Submitted:
    """Submit one job for each distribution, one for the broken one, and one that repeats an audit, to be cancelled."""
    thickest = max(installed, key=lambda one: _length_of_record(one.metadata))
    models = [_job(one, "installed", LASTS if one is thickest else 0) for one in installed]
    models += [_job(thickest, "repeated", LASTS_LONG), _job(broken, "made", 0)]
    course.ids = await course.producer.enqueue_batch(models)
    course.screen.step(f"{len(course.ids)} jobs are submitted, for {len(installed)} distributions and two of our own")
    return Submitted(course.ids, course.ids[installed.index(thickest)], course.ids[-2], course.ids[-1])


def _job(one: Installed, tag: str, seconds: float) -> JobModel:
    payload = {"metadata": str(one.metadata), "root": str(one.root), "at_least_seconds": seconds}
    return JobModel(workflow="audit", payload=payload, tags=[tag], metadata={"title": one.title})


def _obituary(job: JobModel) -> str:
    reason = (job.error or "").partition("\n")[0]
    return f"{job.metadata['title']} is a dead letter: {reason[:500]}"


def _length_of_record(metadata: Path) -> int:
    record = metadata / "RECORD"
    return record.stat().st_size if record.is_file() else 0


async def _all_listen(course: Course) -> bool:
    return await course.witness.robots() >= set(ROBOTS)


async def _all_over(course: Course) -> bool:
    counts = await course.witness.progress(course.ids)
    course.screen.progress(len(course.ids), counts)
    return counts["waiting"] + counts["running"] == 0
