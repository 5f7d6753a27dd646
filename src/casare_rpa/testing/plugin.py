"""Fixtures for pytest: ``pytest_plugins = ["casare_rpa.testing.plugin"]`` in the topmost `conftest.py`.

None of them is async, so that they serve async tests (whatever the mode of pytest-asyncio) and others alike. They need the extra
`embedded`, or the variable `CASARE_PG_BIN`; a project with a server of its own overrides `casare_server`.
"""

from __future__ import annotations

import itertools
import logging
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from casare_rpa.embedded import EmbeddedPostgresError
from casare_rpa.infrastructure.queue import QueueConfig
from casare_rpa.orchestrator.job_queue import JobQueue
from casare_rpa.testing.databases import database, migrated_database, throw_away_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casare_rpa.embedded import EmbeddedPostgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def casare_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL for the session, in memory where Linux has room there, and without durability.

    Override it to use another server: all that the other fixtures ask of it is `url`, of a login that may create databases and
    roles.
    """
    with ExitStack() as stack:
        try:
            server = stack.enter_context(throw_away_server())
        except EmbeddedPostgresError as error:
            pytest.fail(f"casare_server: {error}", pytrace=False)
        yield server


@pytest.fixture(scope="session")
def casare_template_database(casare_server: EmbeddedPostgres) -> Iterator[str]:
    """The name of a migrated database, to copy."""
    with migrated_database(casare_server.url, _name("template")) as name:
        yield name


@pytest.fixture
def casare_database_url(casare_server: EmbeddedPostgres, casare_template_database: str) -> Iterator[str]:
    """The URL of a database of this test's own that has the queue's schema, for the login of `casare_server`."""
    with database(casare_server.url, _name("test"), casare_template_database) as url:
        yield url


@pytest.fixture
def casare_config(casare_database_url: str) -> QueueConfig:
    """Settings for this database: few connections, and short patience, so that a test that fails does so soon."""
    return QueueConfig(database_url=casare_database_url, connection_pool_size=3, outage_patience=10, shutdown_grace=5)


@pytest.fixture
def casare_queue() -> JobQueue:
    """A queue in memory, for tests that need no PostgreSQL."""
    logger = logging.getLogger("casare_rpa")
    level = logger.level
    logger.setLevel(logging.ERROR)  # that it forgets everything is what a test wants
    try:
        return JobQueue(QueueConfig(outage_patience=10, shutdown_grace=5))
    finally:
        logger.setLevel(level)


def _name(kind: str) -> str:
    return f"casare_{kind}_{os.getpid()}_{next(_numbers)}"
