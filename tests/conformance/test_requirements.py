"""A job goes to a robot that has what it requires, and costs the others nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue import JobModel, PgQueuerProducer, QueueConfig
from tests.conformance.helpers import jobs, numbers

if TYPE_CHECKING:
    from tests.conformance.queues import Queue

NOTHING: dict[str, Any] = {}
EVERYTHING: dict[str, Any] = {
    "capabilities": ["excel", "sap", "outlook"],
    "labels": {"site": "Wien", "floor": "3"},
    "environment": "production",
    "pool": "night",
}


CASES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    (NOTHING, NOTHING, True),
    (NOTHING, EVERYTHING, True),
    ({"capabilities": ["sap"]}, NOTHING, False),
    ({"capabilities": ["sap"]}, {"capabilities": ["excel"]}, False),
    ({"capabilities": ["sap"]}, {"capabilities": ["sap"]}, True),
    ({"capabilities": ["sap", "excel"]}, {"capabilities": ["sap"]}, False),
    ({"capabilities": ["sap", "excel"]}, EVERYTHING, True),
    ({"labels": {"site": "Wien"}}, {"labels": {"site": "Graz"}}, False),
    ({"labels": {"site": "Wien"}}, EVERYTHING, True),
    ({"labels": {"site": "Wien", "room": "1"}}, EVERYTHING, False),
    ({"environment": "production"}, {"environment": "test"}, False),
    ({"environment": "production"}, EVERYTHING, True),
    ({"pool": "night"}, {"pool": "day"}, False),
    ({"pool": "night"}, {"environment": "night"}, False),
    ({"pool": "night"}, EVERYTHING, True),
    (EVERYTHING, EVERYTHING, True),
    (EVERYTHING, {**EVERYTHING, "pool": "day"}, False),
]


async def test_a_job_is_claimed_by_a_robot_that_has_all_it_requires(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    for number, (requirements, offer, fits) in enumerate(CASES):
        name = f"case {number}"
        await producer.enqueue_job(JobModel(workflow="w", queue_name=name, requirements=requirements))
        async with queue.consumer(config.model_copy(update={"queue_name": name}), robot_id="r", **offer) as consumer:
            assert (await consumer.claim_job() is not None) is fits, (requirements, offer)
        assert await producer.get_queue_depth(name) == 1


async def test_jobs_for_others_do_not_hold_up_a_robots_own(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_batch(
        [*jobs(*range(100, 200), priority=20, requirements={"capabilities": ["sap"]}), *jobs(0, 1, 2)]
    )
    async with queue.consumer(config, robot_id="r") as consumer:
        assert await numbers(consumer) == [0, 1, 2]


async def test_each_robot_gets_what_fits_it(queue: Queue, config: QueueConfig, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch(
        [
            *jobs(0, requirements={"capabilities": ["sap"]}),
            *jobs(1, requirements={"capabilities": ["excel"]}),
            *jobs(2, requirements={"capabilities": ["sap", "excel"]}),
            *jobs(3),
        ]
    )
    async with (
        queue.consumer(config, robot_id="sap", capabilities=["sap"]) as sap,
        queue.consumer(config, robot_id="excel", capabilities=["excel"]) as excel,
        queue.consumer(config, robot_id="both", capabilities=["sap", "excel"]) as both,
    ):
        assert await numbers(sap) == [0, 3]
        assert await numbers(excel) == [1]
        assert await numbers(both) == [2]
