"""How many bytes of write-ahead log a job costs from its enqueue to its end, in tables that have been in use for a while."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from casare_rpa.foundation.ids import new_job_ids
from tests.plans.measure import ENQUEUE, ROBOT

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

SETTLE_AND_CLAIM = (
    "SELECT * FROM pgqueuer.settle_and_claim($1, $2, 'robot', $3, 1, '{}', 30, true, true, '{}', '{}', $4, $5)"
)
WRITTEN = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
TEMPLATE = json.dumps([{"workflow": "measured", "queue_name": "letters"}])
JOBS = 100
PAYLOAD = 150
"""Bytes of each payload."""
WARM_ROUNDS, ROUNDS = 20, 20
MOST = {"enqueue_jobs(100)": 530, "settle_and_claim(100)": 1115, "a whole life": 1640}
"""Bytes a job: a tenth more than what was measured, which is the same on PostgreSQL 15 and 18, and from run to run."""


class Written:
    """What this session lets the server write; nobody else is at work in it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._before = 0

    async def since(self) -> int:
        """Return the bytes since the last call, with the commits and the heads of pages."""
        before, self._before = self._before, await self._connection.fetchval(WRITTEN)
        return self._before - before


def _payload(job_id: bytes) -> str:
    """Return one that does not compress."""
    text = job_id.hex() + "".join(uuid4().hex for _ in range(4))
    return json.dumps({"text": text[: PAYLOAD - len('{"text": ""}')]})


async def test_a_whole_life(warm: asyncpg.Connection, record_log: Callable[[str, int], int]) -> None:
    """Each round enqueues 100 jobs, then claims them and settles those of the round before."""
    assert await warm.fetchval("SHOW full_page_writes") == "off", "images of pages depend on when a checkpoint was"
    written = Written(warm)
    costs: dict[str, list[int]] = {name: [] for name in MOST}
    held: tuple[list[UUID], list[UUID]] = ([], [])
    for _ in range(WARM_ROUNDS + ROUNDS):
        ids = new_job_ids(JOBS)
        await written.since()
        await warm.fetch(
            ENQUEUE, TEMPLATE, [UUID(bytes=each) for each in ids], [_payload(each) for each in ids], None, None
        )
        enqueued = await written.since()
        rows = await warm.fetch(SETTLE_AND_CLAIM, "letters", JOBS, ROBOT, held[0] or None, held[1] or None)
        moved = await written.since()
        claimed = [row for row in rows if row["id"] is not None]
        assert len(claimed) == JOBS
        assert [row["status"] for row in rows if row["ordinal"] is not None] == []
        held = ([row["id"] for row in claimed], [row["lease_token"] for row in claimed])
        for name, cost in zip(MOST, (enqueued, moved, enqueued + moved), strict=True):
            costs[name].append(cost)

    assert await warm.fetchval("SELECT count(*) FROM pgqueuer.job_history") >= JOBS * ROUNDS
    for name, most in MOST.items():
        usual = round(statistics.median(costs[name][WARM_ROUNDS:]) / JOBS)
        assert PAYLOAD < record_log(name, usual) <= most
