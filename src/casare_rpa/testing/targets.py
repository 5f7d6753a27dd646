"""Opens a producer and a consumer on whatever a test has: settings, an open producer, or an in-memory queue."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from casare_rpa.infrastructure.queue import PgQueuerConsumer, PgQueuerProducer, QueueConfig
from casare_rpa.orchestrator.job_queue import JobQueue, JobQueueConsumer, JobQueueProducer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

Target: TypeAlias = QueueConfig | PgQueuerProducer | JobQueue
ROBOT = "casare drain"
_ONE_AT_A_TIME = {"max_concurrent_jobs": 1, "connection_pool_size": 1}


@asynccontextmanager
async def open_target(
    target: Target, queue_name: str | None, offers: Mapping[str, Any]
) -> AsyncIterator[tuple[PgQueuerProducer, PgQueuerConsumer]]:
    """Yield an open producer and an open consumer of one queue.

    Raises:
        TypeError: the target is something else.

    """
    if not isinstance(target, Target):
        raise TypeError(f"a queue is a QueueConfig, a producer or a JobQueue, not {target!r}")
    config = target if isinstance(target, QueueConfig) else target.config
    config = config.model_copy(update=_ONE_AT_A_TIME | ({"queue_name": queue_name} if queue_name else {}))
    async with _producer(target, config) as producer, _consumer(target, config, offers) as consumer:
        yield producer, consumer


def _producer(target: Target, config: QueueConfig) -> PgQueuerProducer:
    match target:
        case JobQueue():
            return target.producer(config)
        case JobQueueProducer():
            return JobQueueProducer(_memory_of(target), config)
        case _:
            return PgQueuerProducer(config)


def _consumer(target: Target, config: QueueConfig, offers: Mapping[str, Any]) -> PgQueuerConsumer:
    match target:
        case JobQueue():
            return target.consumer(ROBOT, config=config, **offers)
        case JobQueueProducer():
            return JobQueueConsumer(_memory_of(target), config, ROBOT, **offers)
        case _:
            return PgQueuerConsumer(config, ROBOT, **offers)


def _memory_of(producer: JobQueueProducer) -> Any:
    return producer._memory  # noqa: SLF001 - the one thing that tells its queue from another
