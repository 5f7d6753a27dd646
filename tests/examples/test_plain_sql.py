"""Enqueuing with one SELECT, as programs in other languages do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import PgQueuerProducer

ALL_OPTIONS = """{"tenant_id": "berlin", "tags": ["t"], "metadata": {"a": 1}, "requirements": {"pool": "p"}, "max_retries": 2,
"retry_delay": 1, "visibility_timeout": 9, "time_limit": 8, "on_crash": "hold", "enable_dlq": false}"""


async def test_every_option_arrives(producer: PgQueuerProducer, connection: asyncpg.Connection) -> None:
    job_id = await connection.fetchval(
        "SELECT pgqueuer.enqueue_job('w', '{\"n\": 1}', p_queue => 'q', p_priority => 20, p_reference => 'r', p_options => $1)",
        ALL_OPTIONS,
    )
    job = await producer.get_job(job_id)
    assert (job.workflow, job.payload, job.queue_name, job.priority, job.reference) == ("w", {"n": 1}, "q", 20, "r")
    assert (job.tenant_id, job.tags, job.metadata, job.requirements) == ("berlin", ["t"], {"a": 1}, {"pool": "p"})
    assert (job.max_retries, job.retry_delay, job.visibility_timeout, job.time_limit) == (2, 1, 9, 8)
    assert job.on_crash == "hold"


async def test_a_misspelt_option_is_refused_by_name(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.PostgresError, match='there is no field "max_retry"'):
        await connection.execute("SELECT pgqueuer.enqueue_job('w', p_options => '{\"max_retry\": 5}')")
