"""The whole flow of the integration tests, through PgBouncer."""

from __future__ import annotations

import pytest

from tests.infrastructure.test_pgqueuer_integration import *  # noqa: F403 - every test that is there
from tests.poolers.conftest import database_of

del test_a_closed_producer_and_a_stopped_consumer_leave_no_connection  # noqa: F821 - the pooler keeps its own


@pytest.fixture
def config(config, pooler):
    return config.model_copy(update={"database_url": pooler.url(database_of(config))})
