"""The table of events names every event there is."""

from __future__ import annotations

from typing import get_args

from casare_rpa.infrastructure.queue.events import EventName
from casare_rpa.infrastructure.queue.models import JobAttempt
from tests.examples.blocks import ROOT, rows_of

OF_THE_FOLLOWER = {"snapshot", "following", "gap"}


def test_every_event_is_in_the_table_and_named_like_the_outcome_of_an_attempt():
    named = {row[0] for row in rows_of(ROOT / "docs" / "guides" / "waiting-and-events.md", "The events")}
    assert named == set(get_args(EventName))
    assert set(get_args(JobAttempt.model_fields["outcome"].annotation)) <= named


async def test_the_database_tells_of_no_other(connection):
    bodies = await connection.fetch("SELECT prosrc FROM pg_proc WHERE pronamespace = 'pgqueuer'::regnamespace")
    text = " ".join(row["prosrc"] for row in bodies)
    told = {name for name in get_args(EventName) if f"'{name}'" in text}
    assert told == set(get_args(EventName)) - OF_THE_FOLLOWER
