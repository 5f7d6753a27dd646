"""Whatever uses a queue says at once when it gets no settings of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    PgQueuerConsumer,
    PgQueuerProducer,
    PgQueuerSyncProducer,
    QueueConfig,
)
from casare_rpa.orchestrator import JobQueue, PostgresQueue, open_queue

if TYPE_CHECKING:
    from collections.abc import Callable

MAKERS: dict[str, Callable[[Any], Any]] = {
    "producer": PgQueuerProducer,
    "sync producer": PgQueuerSyncProducer,
    "consumer": lambda config: PgQueuerConsumer(config, "robot"),
    "queue in memory": JobQueue,
    "queue": PostgresQueue,
    "chosen queue": lambda config: open_queue(config, {"USE_PGQUEUER": "true"}),
    "producer in memory": lambda config: JobQueue().producer(config),
    "sync producer in memory": lambda config: JobQueue().sync_producer(config),
    "consumer in memory": lambda config: JobQueue().consumer("robot", config=config),
    "producer of a queue": lambda config: PostgresQueue(QueueConfig()).producer(config),
}


@pytest.mark.parametrize("made", MAKERS)
@pytest.mark.parametrize(
    ("config", "kind"),
    [({"queue_name": "q"}, "dict"), ({}, "dict"), ("postgresql://h/d", "str"), (QueueConfig, "ModelMetaclass")],
)
def test_something_else_than_settings_is_refused(made: str, config: Any, kind: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"config must be a QueueConfig, as of QueueConfig\.from_env\(\), not {kind}$"
    ):
        MAKERS[made](config)


@pytest.mark.parametrize("made", MAKERS)
def test_settings_are_taken(made: str) -> None:
    config = QueueConfig(queue_name="q")
    assert MAKERS[made](config).config is config
