"""`QueueConfig`: how a producer, a consumer or the command line finds and uses the queue."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from casare_rpa.foundation.errors import ConfigError
from casare_rpa.infrastructure.postgres.connection import check_url
from casare_rpa.infrastructure.queue.supabase import supabase_urls

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES: dict[str, str] = {
    "database_url": "PGQUEUER_DATABASE_URL",
    "direct_url": "PGQUEUER_DIRECT_URL",
    "queue_name": "PGQUEUER_QUEUE_NAME",
    "max_concurrent_jobs": "PGQUEUER_MAX_CONCURRENT",
    "visibility_timeout": "PGQUEUER_VISIBILITY_TIMEOUT",
    "poll_interval": "PGQUEUER_POLL_INTERVAL",
    "max_retries": "PGQUEUER_MAX_RETRIES",
    "enable_dlq": "PGQUEUER_ENABLE_DLQ",
    "batch_size": "PGQUEUER_BATCH_SIZE",
    "connection_pool_size": "PGQUEUER_POOL_SIZE",
    "schema_name": "PGQUEUER_SCHEMA",
    "shutdown_grace": "PGQUEUER_SHUTDOWN_GRACE",
    "outage_patience": "PGQUEUER_OUTAGE_PATIENCE",
}
"""The environment variable of every field."""

Seconds = Annotated[float, Field(allow_inf_nan=False, le=1e6)]


class QueueConfig(BaseModel):
    """Settings of one queue.

    Attributes:
        database_url: ``postgresql://user:password@host:port/database``. It is shown in no repr.
        direct_url: a URL that gives every connection a session of its own, for LISTEN, when `database_url` goes through a pooler
            in transaction mode; robots without one poll. The same as `database_url` says that this one does so, for example
            a pooler in session mode. Shown in no repr.
        queue_name: the queue to produce into and consume from, 1 to 200 characters.
        max_concurrent_jobs: jobs one robot holds at once, 1 to 10,000.
        visibility_timeout: seconds a claim lasts without a heartbeat, at least 0.1.
        poll_interval: seconds between looks for work when no notification wakes the robot, at least 0.01, in effect 5 at most.
        max_retries: attempts a job has in all, 1 to 9999, unless the job says otherwise.
        enable_dlq: whether jobs that failed for good go to the dead letter queue; if not, they end FAILED in history.
        batch_size: jobs claimed in one call, 1 to 10,000; never more than the free slots.
        connection_pool_size: connections of a producer or consumer beside the one that listens, 1 to 500.
        schema_name: the schema in the database.
        shutdown_grace: seconds that running handlers get to end when a consumer stops.
        outage_patience: seconds that a call goes on trying while the database is away.

    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    database_url: str | None = Field(default=None, repr=False)
    direct_url: str | None = Field(default=None, repr=False)
    queue_name: str = Field(default="casare_rpa_jobs", min_length=1, max_length=200, pattern=r"^[^\x00]+$")
    max_concurrent_jobs: int = Field(default=3, ge=1, le=10_000)
    visibility_timeout: Seconds = Field(default=30.0, ge=0.1)
    poll_interval: Seconds = Field(default=1.0, ge=0.01)
    max_retries: int = Field(default=3, ge=1, le=9999)
    enable_dlq: bool = True
    batch_size: int = Field(default=10, ge=1, le=10_000)
    connection_pool_size: int = Field(default=10, ge=1, le=500)
    schema_name: str = Field(default="pgqueuer", pattern=r"^[a-z_][a-z0-9_]{0,39}$")
    shutdown_grace: Seconds = Field(default=30.0, ge=0)
    outage_patience: Seconds = Field(default=60.0, ge=0)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Read the ``PGQUEUER_*`` variables; what is not set keeps its default, `overrides` win.

        Raises:
            ConfigError: a variable holds nonsense; the message names it and says what it may hold.

        """
        environ = os.environ if environ is None else environ
        values = {
            field: environ[variable]
            for field, variable in VARIABLES.items()
            if field not in overrides and environ.get(variable, "").strip()
        }
        try:
            config = cls.model_validate({**values, **overrides})
        except ValidationError as error:
            raise ConfigError("; ".join(_explain(problem, values) for problem in error.errors())) from None
        for field in ("database_url", "direct_url"):
            _check_url(field, getattr(config, field))
        return config

    @classmethod
    def from_supabase(
        cls,
        project_ref: str,
        password: str,
        region: str | None = None,
        pooler: Literal["session", "transaction"] | None = None,
        *,
        user: str = "postgres",
        **overrides: Any,
    ) -> Self:
        """Return the settings for a Supabase project.

        Args:
            project_ref: the project's reference, as in its address.
            password: the login's password, as it is.
            region: for example ``eu-central-1``, or the first part of the pooler's host, ``aws-1-eu-central-1``. A pooler needs it.
            pooler: ``session``, the default with a region, or ``transaction``, then `direct_url` is that of the session pooler.
                Both have IPv4. Without a region the project is connected to directly, which takes IPv6.
            user: the login.
            overrides: other fields.

        Raises:
            ConfigError: an argument is wrong; the message names it.

        """
        return cls(**{**supabase_urls(project_ref, password, region, pooler, user), **overrides})

    @classmethod
    def local(
        cls,
        database: str = "casare_rpa",
        host: str = "localhost",
        port: int = 5432,
        user: str = "postgres",
        password: str = "",
        **overrides: Any,
    ) -> Self:
        """Return the settings for a PostgreSQL on this machine; user and password are taken as they are."""
        secret = f":{quote(password, safe='')}" if password else ""
        url = f"postgresql://{quote(user, safe='')}{secret}@{host}:{port}/{quote(database, safe='')}"
        return cls(database_url=url, **overrides)

    @property
    def has_own_sessions(self) -> bool:
        """Whether `database_url` is known to give each connection a session of its own; if not, it is found out."""
        return self.direct_url is not None and self.direct_url == self.database_url

    def require_url(self) -> str:
        """Return the database URL.

        Raises:
            ConfigError: there is none, or it is none of PostgreSQL's.

        """
        if not self.database_url:
            raise ConfigError(
                f"no database: set {VARIABLES['database_url']}, for example postgresql://user:password@host/database"
            )
        check_url(self.database_url)
        _check_url("direct_url", self.direct_url)
        return self.database_url


def _check_url(field: str, url: str | None) -> None:
    if url is not None:
        try:
            check_url(url)
        except ConfigError as error:
            raise ConfigError(f"{VARIABLES[field]}: {error}") from None


def _explain(problem: Any, from_environment: Mapping[str, str]) -> str:
    field = str(problem["loc"][0]) if problem["loc"] else ""
    if field not in from_environment:
        return f"{field}: {problem['msg']}"
    shown = "" if field in {"database_url", "direct_url"} else f"={from_environment[field]!r}"
    return f"{VARIABLES[field]}{shown}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def check_config(config: object) -> QueueConfig:
    """Return the settings, which must be a `QueueConfig`.

    Raises:
        ConfigError: they are something else.

    """
    if not isinstance(config, QueueConfig):
        raise ConfigError(f"config must be a QueueConfig, as of QueueConfig.from_env(), not {type(config).__name__}")
    return config
