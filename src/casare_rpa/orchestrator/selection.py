"""The composition root's choice of the queue: PostgreSQL, unless ``USE_PGQUEUER`` says otherwise."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from casare_rpa.foundation.errors import ConfigError
from casare_rpa.infrastructure.queue import PgQueuerConsumer, PgQueuerProducer, PgQueuerSyncProducer, QueueConfig
from casare_rpa.infrastructure.queue.config import check_config
from casare_rpa.orchestrator.job_queue import JobQueue

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "USE_PGQUEUER"
_WORDS = {
    "": True,
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


class Queue(Protocol):
    """Where producers and consumers come from."""

    config: QueueConfig

    def producer(self, config: QueueConfig | None = None, **options: Any) -> PgQueuerProducer: ...

    def sync_producer(self, config: QueueConfig | None = None) -> PgQueuerSyncProducer: ...

    def consumer(self, robot_id: str, *, config: QueueConfig | None = None, **options: Any) -> PgQueuerConsumer: ...


class PostgresQueue:
    """The queue in PostgreSQL; `JobQueue` has the same methods."""

    def __init__(self, config: QueueConfig) -> None:
        self.config = check_config(config)

    def producer(self, config: QueueConfig | None = None, **options: Any) -> PgQueuerProducer:
        """Return a producer, to be opened with ``async with``; `options` are those of `PgQueuerProducer`."""
        return PgQueuerProducer(self.config if config is None else config, **options)

    def sync_producer(self, config: QueueConfig | None = None) -> PgQueuerSyncProducer:
        """Return a producer for programs that are not async, to be opened with ``with``."""
        return PgQueuerSyncProducer(self.config if config is None else config)

    def consumer(self, robot_id: str, *, config: QueueConfig | None = None, **options: Any) -> PgQueuerConsumer:
        """Return a consumer, to be opened with ``async with``; `options` are those of `PgQueuerConsumer`."""
        return PgQueuerConsumer(self.config if config is None else config, robot_id, **options)


def uses_postgres(environ: Mapping[str, str] | None = None) -> bool:
    """Return what ``USE_PGQUEUER`` says: true, 1, yes or on (and nothing at all), or false, 0, no or off, in any case.

    Raises:
        ConfigError: it says something else.

    """
    said = (os.environ if environ is None else environ).get(VARIABLE, "")
    word = said.strip().lower()
    if word not in _WORDS:
        raise ConfigError(f"{VARIABLE}={said!r}: it may be true, 1, yes or on, or false, 0, no or off")
    return _WORDS[word]


def open_queue(config: QueueConfig | None = None, environ: Mapping[str, str] | None = None) -> Queue:
    """Return the queue that the environment selects. Nothing but ``USE_PGQUEUER=false`` selects the one in memory.

    Args:
        config: its settings; None reads them from the environment.
        environ: the environment; None is that of the process.

    Raises:
        ConfigError: a variable holds nonsense; the message names it.

    """
    durable = uses_postgres(environ)
    settings = QueueConfig.from_env(environ) if config is None else config
    return PostgresQueue(settings) if durable else JobQueue(settings)


def require_shared_queue(environ: Mapping[str, str] | None = None) -> None:
    """Refuse to go on where other processes could not see the queue.

    Raises:
        ConfigError: ``USE_PGQUEUER`` selects the in-memory queue, or says nothing that can be understood.

    """
    if not uses_postgres(environ):
        raise ConfigError(
            f"{VARIABLE} selects the in-memory queue, which no other process sees, and this needs one that is shared: "
            f"unset {VARIABLE} or set it to true"
        )
