"""USE_PGQUEUER: which words it may say, and that nothing but a no selects the queue in memory."""

from __future__ import annotations

import os

import pytest

from casare_rpa.cli import main
from casare_rpa.infrastructure.queue import ConfigError, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from casare_rpa.orchestrator import JobQueue, PostgresQueue, open_queue, require_shared_queue
from casare_rpa.orchestrator.job_queue import JobQueueConsumer, JobQueueProducer

URL = "postgresql://u@db.example/casare"


@pytest.mark.parametrize("word", [None, "", " ", "true", "TRUE", "1", "yes", "on", " True "])
def test_postgresql_unless_it_says_no(word: str | None) -> None:
    queue = open_queue(environ={"PGQUEUER_DATABASE_URL": URL} | ({} if word is None else {"USE_PGQUEUER": word}))
    assert isinstance(queue, PostgresQueue)
    assert queue.config.database_url == URL
    producer, consumer = queue.producer(), queue.consumer("r", capabilities=["sap"])
    assert (type(producer), type(consumer)) == (PgQueuerProducer, PgQueuerConsumer)


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "off", " OFF "])
def test_the_queue_in_memory_when_it_says_no(word: str) -> None:
    queue = open_queue(environ={"USE_PGQUEUER": word, "PGQUEUER_QUEUE_NAME": "invoices"})
    assert isinstance(queue, JobQueue)
    assert queue.config.queue_name == "invoices"
    producer, consumer = queue.producer(), queue.consumer("r", capabilities=["sap"])
    assert (type(producer), type(consumer)) == (JobQueueProducer, JobQueueConsumer)


@pytest.mark.parametrize("word", ["maybe", "2", "f", "nein", "true false"])
def test_any_other_word_is_refused_with_those_it_may_say(word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_queue(environ={"USE_PGQUEUER": word})
    for said in ("USE_PGQUEUER", repr(word), "true, 1, yes or on", "false, 0, no or off"):
        assert said in str(caught.value)


async def test_nothing_falls_back_to_it_silently() -> None:
    queue = open_queue(environ={})
    with pytest.raises(ConfigError, match="PGQUEUER_DATABASE_URL"):
        await queue.producer().__aenter__()


def test_settings_may_be_given_and_other_ones_for_one_producer() -> None:
    config = QueueConfig(queue_name="a")
    for environ in ({}, {"USE_PGQUEUER": "no"}):
        queue = open_queue(config, environ)
        assert queue.producer().config is config
        assert queue.consumer("r").config is queue.sync_producer().config is config
        other = config.model_copy(update={"queue_name": "b"})
        assert queue.producer(other).config.queue_name == queue.consumer("r", config=other).config.queue_name == "b"


@pytest.mark.parametrize(
    "arguments",
    [
        ["queue", "depth"],
        ["jobs", "list"],
        ["jobs", "submit", "w"],
        ["dlq", "list"],
        ["work", "json:dumps"],
    ],
    ids=" ".join,
)
def test_commands_that_need_a_shared_queue_refuse_it(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("PGQUEUER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("USE_PGQUEUER", "false")
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("casare: USE_PGQUEUER selects the in-memory queue")
    assert "unset USE_PGQUEUER or set it to true" in said.err


def test_the_refusal_is_for_the_in_memory_queue_alone() -> None:
    require_shared_queue({})
    require_shared_queue({"USE_PGQUEUER": "yes"})
    with pytest.raises(ConfigError, match="in-memory queue"):
        require_shared_queue({"USE_PGQUEUER": "no"})
