"""Enqueuing on a connection whose owner has set it up in his own way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import DuplicateReference, JobModel

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue import PgQueuerProducer


@pytest.fixture
async def with_codecs(connection: asyncpg.Connection) -> asyncpg.Connection:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    await connection.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog")
    return connection


async def test_a_connection_may_have_codecs_of_its_own(
    producer: PgQueuerProducer, with_codecs: asyncpg.Connection
) -> None:
    async with with_codecs.transaction():
        job_id = await producer.enqueue_job(
            JobModel(workflow="a", payload={"text": 'a "b"', "n": [1]}, tags=["t"], reference="7"),
            connection=with_codecs,
        )
    job = await producer.get_job(job_id)
    assert (job.payload, job.tags, job.reference) == ({"text": 'a "b"', "n": [1]}, ["t"], "7")
    with pytest.raises(DuplicateReference) as caught:
        await producer.enqueue_job(JobModel(workflow="a", reference="7"), connection=with_codecs)
    assert caught.value.job_id == job_id
    [row] = await producer.enqueue_batch([JobModel(workflow="a", reference="7")], mode="each", connection=with_codecs)
    assert row.error.job_id == job_id
