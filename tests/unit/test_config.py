"""`QueueConfig`: defaults, environment, and refusals that name the variable."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from casare_rpa.infrastructure.queue import CasareError, ConfigError, PgQueuerConsumer, QueueConfig
from casare_rpa.infrastructure.queue.config import VARIABLES

URL = "postgresql://robot:s3cret@db.example/queue"


def refusal(**environment: str) -> str:
    """Return what is said when the environment is `environment`."""
    with pytest.raises(ConfigError) as caught:
        QueueConfig.from_env({"PGQUEUER_DATABASE_URL": URL, **environment})
    return str(caught.value)


def test_the_defaults_are_those_of_the_specification() -> None:
    config = QueueConfig()
    assert config.database_url is None
    assert config.queue_name == "casare_rpa_jobs"
    assert config.max_concurrent_jobs == 3
    assert config.visibility_timeout == 30
    assert config.poll_interval == 1.0
    assert config.max_retries == 3
    assert config.enable_dlq is True
    assert config.batch_size == 10
    assert config.connection_pool_size == 10
    assert config.schema_name == "pgqueuer"


def test_the_variables_are_those_of_the_specification() -> None:
    expected = {
        "database_url": "PGQUEUER_DATABASE_URL",
        "queue_name": "PGQUEUER_QUEUE_NAME",
        "max_concurrent_jobs": "PGQUEUER_MAX_CONCURRENT",
        "visibility_timeout": "PGQUEUER_VISIBILITY_TIMEOUT",
        "poll_interval": "PGQUEUER_POLL_INTERVAL",
        "max_retries": "PGQUEUER_MAX_RETRIES",
        "enable_dlq": "PGQUEUER_ENABLE_DLQ",
        "batch_size": "PGQUEUER_BATCH_SIZE",
        "connection_pool_size": "PGQUEUER_POOL_SIZE",
    }
    assert {field: VARIABLES[field] for field in expected} == expected
    assert set(VARIABLES) == set(QueueConfig.model_fields)


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("PGQUEUER_MAX_CONCURRENT", "many", "valid integer"),
        ("PGQUEUER_MAX_CONCURRENT", "0", "greater than or equal to 1"),
        ("PGQUEUER_MAX_CONCURRENT", "-3", "greater than or equal to 1"),
        ("PGQUEUER_MAX_CONCURRENT", "2.5", "valid integer"),
        ("PGQUEUER_VISIBILITY_TIMEOUT", "half a minute", "valid number"),
        ("PGQUEUER_VISIBILITY_TIMEOUT", "0", "greater than or equal to 0.1"),
        ("PGQUEUER_VISIBILITY_TIMEOUT", "-30", "greater than or equal to 0.1"),
        ("PGQUEUER_VISIBILITY_TIMEOUT", "nan", "finite number"),
        ("PGQUEUER_VISIBILITY_TIMEOUT", "inf", "finite number"),
        ("PGQUEUER_POLL_INTERVAL", "0", "greater than or equal to 0.01"),
        ("PGQUEUER_POLL_INTERVAL", "often", "valid number"),
        ("PGQUEUER_MAX_RETRIES", "0", "greater than or equal to 1"),
        ("PGQUEUER_MAX_RETRIES", "three", "valid integer"),
        ("PGQUEUER_ENABLE_DLQ", "perhaps", "valid boolean"),
        ("PGQUEUER_BATCH_SIZE", "0", "greater than or equal to 1"),
        ("PGQUEUER_BATCH_SIZE", "100000", "less than or equal to 10000"),
        ("PGQUEUER_POOL_SIZE", "0", "greater than or equal to 1"),
        ("PGQUEUER_POOL_SIZE", "-1", "greater than or equal to 1"),
        ("PGQUEUER_POOL_SIZE", "1e9", "valid integer"),
        ("PGQUEUER_QUEUE_NAME", "q" * 201, "at most 200 characters"),
        ("PGQUEUER_SCHEMA", "Robots; DROP TABLE jobs", "match pattern"),
        ("PGQUEUER_SCHEMA", "x" * 41, "match pattern"),
        ("PGQUEUER_SHUTDOWN_GRACE", "-1", "greater than or equal to 0"),
        ("PGQUEUER_OUTAGE_PATIENCE", "-1", "greater than or equal to 0"),
    ],
)
def test_nonsense_in_a_variable_is_refused_by_the_variables_name(variable: str, value: str, right: str) -> None:
    said = refusal(**{variable: value})
    assert said.startswith(f"{variable}={value!r}: ")
    assert right in said
    assert "s3cret" not in said


def test_every_wrong_variable_is_named_at_once() -> None:
    said = refusal(PGQUEUER_MAX_CONCURRENT="many", PGQUEUER_POOL_SIZE="0")
    assert "PGQUEUER_MAX_CONCURRENT" in said
    assert "PGQUEUER_POOL_SIZE" in said


@pytest.mark.parametrize("variable", ["PGQUEUER_DATABASE_URL", "PGQUEUER_DIRECT_URL"])
@pytest.mark.parametrize(
    "url",
    ["s3cret", "mysql://robot:s3cret@db/queue", "postgresql://robot:s3cret/x@db/queue", "robot:s3cret@db", "5432"],
)
def test_a_url_that_is_none_is_refused_by_the_variables_name_and_without_the_secret(url: str, variable: str) -> None:
    said = refusal(**{variable: url})
    assert said.startswith(f"{variable}: ")
    assert "postgresql://" in said
    assert "s3cret" not in said


def test_a_direct_url_that_is_none_is_refused_also_when_it_was_not_in_the_environment() -> None:
    with pytest.raises(ConfigError, match=r"^PGQUEUER_DIRECT_URL: ") as caught:
        QueueConfig(database_url=URL, direct_url="mysql://robot:s3cret@db/queue").require_url()
    assert "s3cret" not in str(caught.value)


def test_the_same_url_twice_says_that_it_gives_sessions_of_their_own() -> None:
    assert not QueueConfig(database_url=URL).has_own_sessions
    assert not QueueConfig(database_url=URL, direct_url=f"{URL}2").has_own_sessions
    assert QueueConfig(database_url=URL, direct_url=URL).has_own_sessions
    assert not QueueConfig().has_own_sessions


def test_without_a_url_the_variable_is_asked_for() -> None:
    for config in (QueueConfig(), QueueConfig.from_env({}), QueueConfig(database_url="")):
        with pytest.raises(ConfigError, match="set PGQUEUER_DATABASE_URL, for example postgresql://"):
            config.require_url()


def test_an_empty_variable_counts_as_not_set() -> None:
    assert QueueConfig.from_env({"PGQUEUER_MAX_CONCURRENT": "", "PGQUEUER_QUEUE_NAME": "  "}) == QueueConfig()


def test_overrides_win_over_the_environment() -> None:
    config = QueueConfig.from_env({"PGQUEUER_QUEUE_NAME": "a", "PGQUEUER_MAX_RETRIES": "7"}, queue_name="b")
    assert (config.queue_name, config.max_retries) == ("b", 7)


def test_a_wrong_override_is_not_blamed_on_the_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        QueueConfig.from_env({"PGQUEUER_MAX_RETRIES": "7"}, max_retries=0)
    assert str(caught.value).startswith("max_retries: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_concurrent_jobs", 0),
        ("max_concurrent_jobs", -1),
        ("max_concurrent_jobs", 2.5),
        ("visibility_timeout", 0),
        ("visibility_timeout", -1),
        ("poll_interval", 0),
        ("poll_interval", -1.0),
        ("max_retries", 0),
        ("max_retries", -3),
        ("batch_size", 0),
        ("batch_size", -10),
        ("connection_pool_size", 0),
        ("connection_pool_size", -1),
        ("queue_name", ""),
        ("queue_name", "a\x00b"),
        ("schema_name", ""),
        ("schema_name", "1st"),
        ("shutdown_grace", -0.1),
        ("outage_patience", -1),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field) as caught:
        QueueConfig(**{"database_url": URL, field: value})
    assert "s3cret" not in str(caught.value)
    config = QueueConfig(database_url=URL)
    with pytest.raises(ValidationError, match=field):
        setattr(config, field, value)
    assert config == QueueConfig(database_url=URL)


def test_an_unexpected_keyword_is_refused_by_name_and_without_the_secret() -> None:
    for make in (
        lambda: QueueConfig(database_url=URL, pool_size=3),  # type: ignore[call-arg]  # that is what is refused
        lambda: QueueConfig.from_env({"PGQUEUER_DATABASE_URL": URL}, pool_size=3),
        lambda: QueueConfig.local(password="s3cret", pool_size=3),
    ):
        with pytest.raises(ValueError, match=r"pool_size[\s\S]*Extra inputs are not permitted") as caught:
            make()
        assert "s3cret" not in str(caught.value)


def test_the_url_shows_in_no_repr() -> None:
    config = QueueConfig(database_url=URL, direct_url=URL)
    assert "s3cret" not in repr(config) + str(config)


POOLER = "aws-0-eu-central-1.pooler.supabase.com"


def test_supabase_without_a_region_is_connected_to_directly() -> None:
    config = QueueConfig.from_supabase("abcdefgh", "p@ss/w:rd", max_concurrent_jobs=7)
    url = "postgresql://postgres:p%40ss%2Fw%3Ard@db.abcdefgh.supabase.co:5432/postgres?sslmode=require"
    assert (config.database_url, config.direct_url, config.max_concurrent_jobs) == (url, None, 7)


@pytest.mark.parametrize("pooler", [None, "session"])
def test_supabases_session_pooler_gives_sessions_of_their_own(pooler: Any) -> None:
    config = QueueConfig.from_supabase("abcdefgh", "secret", "eu-central-1", pooler)
    assert config.database_url == f"postgresql://postgres.abcdefgh:secret@{POOLER}:5432/postgres?sslmode=require"
    assert config.has_own_sessions


def test_with_supabases_transaction_pooler_the_session_pooler_is_what_robots_listen_through() -> None:
    config = QueueConfig.from_supabase("abcdefgh", "secret", region="eu-central-1", pooler="transaction")
    assert config.database_url == f"postgresql://postgres.abcdefgh:secret@{POOLER}:6543/postgres?sslmode=require"
    assert config.direct_url == f"postgresql://postgres.abcdefgh:secret@{POOLER}:5432/postgres?sslmode=require"


def test_supabase_takes_the_pooler_that_the_project_was_given_and_a_login_of_its_own() -> None:
    config = QueueConfig.from_supabase("abcdefgh", "secret", "aws-1-eu-central-1", user="robot_berlin")
    assert config.database_url is not None
    assert config.database_url.startswith(
        "postgresql://robot_berlin.abcdefgh:secret@aws-1-eu-central-1.pooler.supabase.com:5432/"
    )


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("project_ref", ""),
        ("project_ref", "https://abcdefgh.supabase.co"),
        ("project_ref", "abc@evil"),
        ("project_ref", None),
        ("password", ""),
        ("region", ""),
        ("region", "Europe"),
        ("region", "eu-central-1.evil.example/"),
        ("region", None),
        ("pooler", "statement"),
        ("user", "postgres.abcdefgh"),
        ("user", ""),
    ],
)
def test_a_wrong_argument_for_supabase_is_refused_by_name_and_without_the_secret(argument: str, value: Any) -> None:
    right: dict[str, Any] = {
        "project_ref": "abcdefgh",
        "password": "s3cret",
        "region": "eu-central-1",
        "pooler": "transaction",
    }
    with pytest.raises(ConfigError) as caught:
        QueueConfig.from_supabase(**{**right, argument: value})
    assert str(caught.value).startswith(f"{argument}: ")
    assert "s3cret" not in str(caught.value)


def test_a_pool_of_one_connection_is_valid() -> None:
    assert QueueConfig(connection_pool_size=1).connection_pool_size == 1


@pytest.mark.parametrize("robot_id", ["", "r" * 201, "a\nb", "a\x00b", None, 7])
def test_a_robot_needs_a_printable_name(robot_id: Any) -> None:
    with pytest.raises(ConfigError, match="robot_id must be a name of 1 to 200 printable characters"):
        PgQueuerConsumer(QueueConfig(database_url=URL), robot_id=robot_id)


def test_what_a_robot_offers_is_checked() -> None:
    with pytest.raises(ConfigError, match="what the robot offers is wrong: capabilities must be a list of words"):
        PgQueuerConsumer(QueueConfig(database_url=URL), robot_id="r", capabilities="sap")


def test_config_errors_are_casare_errors_and_value_errors() -> None:
    assert issubclass(ConfigError, CasareError)
    assert issubclass(ConfigError, ValueError)
