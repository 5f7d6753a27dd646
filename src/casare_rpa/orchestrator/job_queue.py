"""`JobQueue`: the queue of one process, which forgets everything when that ends; behind ``USE_PGQUEUER=false``."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue import PgQueuerConsumer, PgQueuerProducer, PgQueuerSyncProducer, QueueConfig
from casare_rpa.infrastructure.queue.config import check_config
from casare_rpa.orchestrator.memory.backend import Memory, MemoryBackend

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.backend import Backend
    from casare_rpa.orchestrator.memory.clock import QueueClock

WARNING = (
    "in-memory queue: every job is forgotten when this process ends; it serves this process only "
    "(USE_PGQUEUER=true and PGQUEUER_DATABASE_URL choose PostgreSQL)"
)
RETENTION = timedelta(days=90)
_log = logging.getLogger("casare_rpa")


class JobQueueProducer(PgQueuerProducer):
    """A `PgQueuerProducer` of an in-memory queue."""

    def __init__(self, memory: Memory, config: QueueConfig, **options: Any) -> None:
        self._memory = memory
        super().__init__(config, **options)

    def _make_backend(self) -> Backend:
        return MemoryBackend(self._memory, self.config.queue_name)


class JobQueueConsumer(PgQueuerConsumer):
    """A `PgQueuerConsumer` of an in-memory queue."""

    def __init__(self, memory: Memory, config: QueueConfig, robot_id: str, **options: Any) -> None:
        self._memory = memory
        super().__init__(config, robot_id, **options)

    def _make_backend(self) -> Backend:
        return MemoryBackend(self._memory, self.config.queue_name)


class JobQueueSyncProducer(PgQueuerSyncProducer):
    """A `PgQueuerSyncProducer` of an in-memory queue."""

    def __init__(self, memory: Memory, config: QueueConfig) -> None:
        self._memory = memory
        super().__init__(config)

    def _make_producer(self) -> PgQueuerProducer:
        return JobQueueProducer(self._memory, self.config)


class JobQueue:
    """A queue in the memory of this process: for tests, for trying out, and for programs that need no other process.

    Its producers and consumers run the code of those on PostgreSQL, and one conformance suite tests both. Use it from any
    thread and any event loop of the process. Making one logs a warning, since everything in it ends with the process.

    What is different from PostgreSQL:

    * No transactions: ``connection=`` is refused with `ConfigError`.
    * No logins: whoever has the queue may do everything, and acts under the name of the process's user.
    * Another process is refused with `ConfigError`: a copy that a fork made would be a queue of its own.
    * History is forgotten job by job as soon as `retention` is over, not by weeks. The limits of payloads and results are 1 MiB.
    * Lists, counts and `QueueInfo` go through all jobs each time: they are never cut short or estimated, and `looked_at` says so.
    * Numbers come back as Python wrote them. PostgreSQL's jsonb gives a float from 1e16 on back as a whole number, and counts
      its digits towards the limit.

    Args:
        config: the settings of the queue; None is the defaults. Nothing in it about the database is looked at.
        retention: how long history is kept.

    """

    def __init__(self, config: QueueConfig | None = None, *, retention: timedelta = RETENTION) -> None:
        self.config = QueueConfig() if config is None else check_config(config)
        self._memory = Memory(retention)
        _log.warning(WARNING)

    @property
    def clock(self) -> QueueClock:
        """The clock of the queue: ``freeze()``, ``advance(seconds)``, ``now()``, ``unfreeze()``."""
        return self._memory.clock

    def producer(self, config: QueueConfig | None = None, **options: Any) -> PgQueuerProducer:
        """Return a producer, to be opened with ``async with``.

        Args:
            config: the queue's own unless given.
            options: those of `PgQueuerProducer`.

        """
        return JobQueueProducer(self._memory, self.config if config is None else config, **options)

    def sync_producer(self, config: QueueConfig | None = None) -> PgQueuerSyncProducer:
        """Return a producer for programs that are not async, to be opened with ``with``."""
        return JobQueueSyncProducer(self._memory, self.config if config is None else config)

    def consumer(self, robot_id: str, *, config: QueueConfig | None = None, **options: Any) -> PgQueuerConsumer:
        """Return a consumer, to be opened with ``async with``.

        Args:
            robot_id: the robot's name.
            config: the queue's own unless given.
            options: those of `PgQueuerConsumer`: ``capabilities``, ``labels``, ``environment``, ``pool`` and others.

        Raises:
            ConfigError: an argument is wrong.

        """
        return JobQueueConsumer(self._memory, self.config if config is None else config, robot_id, **options)
