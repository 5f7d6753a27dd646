"""A login that may only look opens a producer to look with."""

from __future__ import annotations

from casare_rpa.infrastructure.queue import JobModel
from tests.waiting import eventually


async def test_a_viewers_producer_does_no_upkeep_and_keeps_its_connection(logins, producer):
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    viewer = await logins.make("viewer")
    looking = await viewer.producer()
    announcer = looking._announcer
    assert (await looking.get_job(job_id)).workflow == "w"
    await eventually(lambda: announcer._upkeep_due == float("inf"), why="it has tried once and given it up")
    assert not announcer._task.done()
