"""What a client program is told and what it answers: one line of JSON each, so that it may be written in any language."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

Do = Literal["install", "enqueue", "saturate", "drain", "work", "submit"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """One task for a client program; what is None is left out of the JSON, and the program's default holds.

    Attributes:
        do: what to do; benchmarks/README.md says what each means.
        url: the database.
        payload_bytes: size of a job's payload in JSON, 150 by default.
        jobs: how many are enqueued or drained.
        batch: jobs in one call of the bulk API, 1000 by default.
        enqueue: jobs in one call of a feeder.
        consumers: workers.
        claim: jobs that a worker takes at a time.
        seconds: length of the window, or how long is submitted.
        warmup: seconds before the window, 1.5 by default.
        feeders: tasks that enqueue, 2 by default.
        backlog: jobs that wait before the feeders pause, max(2000, 10 * enqueue) by default.
        robots: workers in this process.
        slots: jobs that each of them runs at once.
        rate: jobs submitted in a second, by default as many as go.
        local_queue: fetch many jobs ahead into the process, for systems that can.
        mixed: priorities 0 to 20 at random, and a tenth of the jobs deferred by 1 to 3 seconds.
        unfit: jobs that no worker can do, with the highest priority.
        shared: several processes feed and empty the same queue: begin at the line ``go``, work until the line ``stop``.

    """

    do: Do
    url: str
    payload_bytes: int | None = None
    jobs: int | None = None
    batch: int | None = None
    enqueue: int | None = None
    consumers: int | None = None
    claim: int | None = None
    seconds: float | None = None
    warmup: float | None = None
    feeders: int | None = None
    backlog: int | None = None
    robots: int | None = None
    slots: int | None = None
    rate: float | None = None
    local_queue: bool | None = None
    mixed: bool | None = None
    unfit: bool | None = None
    shared: bool | None = None

    def to_json(self) -> str:
        """Return the line for the program's stdin, without the line end."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return json.dumps({name: value for name, value in values.items() if value is not None})

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read such a line. Raises TypeError for a field that no order has."""
        return cls(**json.loads(line))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a client program found; which fields are there depends on the order.

    Attributes:
        jobs: enqueued.
        seconds: that it took.
        rate: jobs ended per second of the window.
        window_jobs: jobs ended in the window.
        window_seconds: its length as it was.
        sent: jobs enqueued in all.
        ended: jobs whose handler ran to its end, in all.
        errors: anything that went wrong, also where the library recovered.
        late: jobs that could not be submitted in time.
        cpu_seconds: CPU time of the client in the window.
        claim_ms: pairs of when a job was submitted (unix time) and the milliseconds until its handler was entered.
        done_ms: the same until the settlement was confirmed; None where the system cannot tell.
        note: what the figures must be read with.
        terminal_sql: counts jobs that have ended, in the system's tables.
        left_sql: counts jobs that have not, for a system that deletes those that have.

    """

    jobs: int | None = None
    seconds: float | None = None
    rate: float | None = None
    window_jobs: int | None = None
    window_seconds: float | None = None
    sent: int | None = None
    ended: int | None = None
    errors: int | None = None
    late: int | None = None
    cpu_seconds: float | None = None
    claim_ms: list[tuple[float, float]] | None = None
    done_ms: list[tuple[float, float]] | None = None
    note: str | None = None
    terminal_sql: str | None = None
    left_sql: str | None = None

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> Self:
        """Read the event ``answer``; what is not a field of an answer is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in event.items() if name in known})
