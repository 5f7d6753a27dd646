"""The robot's lifeline: a thread with a connection of its own that sends heartbeats, listens for wake-ups and does upkeep.

It runs apart from the robot's event loop because a handler may block that loop for longer than a visibility timeout. Heartbeats
and notifications share the connection, so that every heartbeat proves that the listener still hears. Through a pooler that
shares sessions there is nothing to listen with: the robot polls, and hears of cancellations with its heartbeats.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.infrastructure.postgres.faults import describe
from casare_rpa.infrastructure.queue.consuming.lines import Line, Lines
from casare_rpa.infrastructure.queue.consuming.wakeups import wakes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from casare_rpa.infrastructure.queue.calls import Calls
    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.consuming.leases import Leases

SHORTEST_PATIENCE = 0.5
"""Seconds that an answer is waited for, at least; else half the time between heartbeats."""
LAST_BEATS = (0.0, 0.1, 0.3)
"""Seconds before each of the last heartbeats of a robot that stops after it has given up a claim."""
LONGEST_STOP = 5.0
"""Seconds that a lifeline gets to end: a link that says nothing must not hold up a robot that stops."""
JOBS_ARE_READY = "jobs"
"""What a robot is told when it is one of those that are to look for jobs, see `wake_robots` in the schema."""
RETRY_WAITING = 0.2
"""Seconds until a robot asks again to hear of jobs when that was refused; it polls meanwhile."""


class Listener(Protocol):
    """Who is told what the lifeline hears; every call comes from the lifeline's thread."""

    def jobs_announced(self) -> None: ...

    def verdict(self, lost: Sequence[UUID], cancelled: Sequence[UUID]) -> None: ...  # lease tokens

    def heartbeat_answered(self, late_by: float) -> None: ...  # seconds; 0 is in time

    def link_lost(self, error: str) -> None: ...

    def direct_way(self, fault: str | None) -> None: ...  # that closes it; None is open


class Lifeline:
    """Keeps the leases of one robot alive from `start` to `stop`."""

    def __init__(
        self, config: QueueConfig, calls: Calls, robot_id: str, incarnation: UUID, leases: Leases, listener: Listener
    ) -> None:
        self._config = config
        self._calls = calls
        self._robot_id = robot_id
        self._incarnation = incarnation
        self._leases = leases
        self._listener = listener
        self._lines = Lines(config, f"casare lifeline {robot_id}", listener.direct_way)
        self._thread = threading.Thread(target=self._run, name=f"casare-lifeline-{robot_id}", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poked: asyncio.Event | None = None
        self._living: asyncio.Task[None] | None = None
        self._stopping = False
        self._proof = ""
        self._fleet = 1
        self._interval = 0.0
        self._beat_due = 0.0
        self._beat_deadline = float("inf")
        self._wants_jobs = False
        self._listens = False
        self._waits = False
        self._heard_proof = False
        self.beats = 0
        """Heartbeats that the database has answered."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """End the thread; stopping twice is safe."""
        self._stopping = True
        self._poke()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, LONGEST_STOP)
            if self._loop is not None and self._living is not None:
                with contextlib.suppress(RuntimeError):  # it has ended
                    self._loop.call_soon_threadsafe(self._living.cancel)
            await asyncio.to_thread(self._thread.join)

    def beat_now(self) -> None:
        """Send a heartbeat at once."""
        self._beat_due = 0.0
        self._poke()

    @property
    def hears_of_jobs(self) -> bool:
        """Whether new jobs are announced to this robot: it waits for them, and notifications are proven to arrive."""
        return self._waits and self._heard_proof

    def want_jobs(self, wanted: bool) -> None:
        """Let jobs be announced to this robot, or not: one without a free slot needs to hear of none."""
        if wanted != self._wants_jobs:
            self._wants_jobs = wanted
            self._poke()

    def leases_added(self) -> None:
        """Come round sooner when a lease was added that is shorter than those before."""
        if self._leases.heartbeat_interval() < self._interval:
            self._poke()

    def _poke(self) -> None:
        loop, poked = self._loop, self._poked
        if loop is not None and poked is not None:
            with contextlib.suppress(RuntimeError):  # the thread has just ended
                loop.call_soon_threadsafe(poked.set)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop, self._poked, self._living = asyncio.get_running_loop(), asyncio.Event(), asyncio.current_task()
        backoff = Backoff(first=0.05, longest=2.0)
        better: Line | None = None
        while not self._stopping:
            line, better = better, None
            fault = "the connection was closed"
            try:
                if line is None:
                    line = await self._lines.open(self._patience_seconds())
                backoff.reset()
                better = await self._serve(line)
            except Exception as error:  # noqa: BLE001 - whatever ended the connection, the answer is a new one
                fault = describe(error)
            finally:
                self._doubt()
                if line is not None:
                    line.close()
            if better is None:
                if not self._stopping:
                    self._listener.link_lost(fault)
                self._lines.broke(line)
                await self._pause(backoff.next())
        if better is not None:
            better.close()
        if self._leases.abandoned:  # the last line broke just before the stop
            with contextlib.suppress(Exception):
                line = await self._lines.open(self._patience_seconds())
                try:
                    await self._give_back(line.connection)
                finally:
                    line.close()

    async def _serve(self, line: Line) -> Line | None:
        """Serve until the line is closed or the lifeline stops, or return a better line as soon as there is one."""
        connection = line.connection
        self._beat_due = upkeep_due = 0.0
        connection.add_termination_listener(lambda _: self._poke())
        while not self._stopping and not connection.is_closed():
            now = time.monotonic()
            if now >= self._beat_due:
                async with self._patience():
                    await self._beat(connection)
            if line.listens and not self._listens:
                await self._listen(connection)
            if line.listens and self._wants_jobs != self._waits:
                async with self._patience():
                    await self._wait_or_not(connection)
            if now >= upkeep_due:
                async with self._patience():
                    upkeep_due = now + await self._calls.upkeep(connection)
            if not line.direct and self._lines.better_is_due():
                better = await self._lines.better(self._patience_seconds())
                if better is not None:
                    return better
            self._interval = self._leases.heartbeat_interval()
            self._beat_due = min(self._beat_due, time.monotonic() + self._interval)
            self._beat_deadline = min(self._beat_deadline, time.monotonic() + 2 * self._interval)  # at most a lease
            pause = min(self._beat_due, upkeep_due) - time.monotonic()
            refused = line.listens and self._wants_jobs != self._waits
            await self._pause(min(pause, RETRY_WAITING) if refused else pause)
        if self._stopping and self._leases.abandoned and not connection.is_closed():
            await self._give_back(connection)
        return None

    async def _give_back(self, connection: asyncpg.Connection) -> None:
        """Give back what came for a request that was given up; the database may still have been working on it a moment ago."""
        for pause in LAST_BEATS:
            await asyncio.sleep(pause)
            async with self._patience():
                await self._beat(connection)
        self._leases.abandoned = False

    def _patience(self) -> asyncio.Timeout:
        """Give up on a silent link in time: the leases must outlast a heartbeat that was lost on it and the next one."""
        return asyncio.timeout(self._patience_seconds())

    def _patience_seconds(self) -> float:
        soonest_beat = min(self._leases.heartbeat_interval(), self._config.visibility_timeout / 2)  # the next claim's
        return max(SHORTEST_PATIENCE, soonest_beat / 2)

    async def _beat(self, connection: asyncpg.Connection) -> None:
        self._interval = self._leases.heartbeat_interval()
        self._beat_due = time.monotonic() + self._interval
        holding = self._leases.holding()
        row = await self._calls.heartbeat(
            connection,
            self._robot_id,
            self._incarnation,
            self._config.queue_name,
            holding.tokens,
            holding.ceiling,
            holding.in_flight,
        )
        self._fleet = row["fleet"]
        self.beats += 1
        answered = time.monotonic()
        self._listener.heartbeat_answered(max(0.0, answered - self._beat_deadline) if holding.tokens else 0.0)
        self._beat_deadline = float("inf")
        if row["lost"] or row["cancelled"]:
            tokens = holding.tokens
            self._listener.verdict([tokens[lost] for lost in row["lost"]], [tokens[job] for job in row["cancelled"]])

    async def _wait_or_not(self, connection: asyncpg.Connection) -> None:
        if self._waits:
            self._waits = False
            await self._calls.stop_waiting_for_jobs(connection, self._config.queue_name)
        elif await self._calls.wait_for_jobs(connection, self._config.queue_name):
            self._waits = True
            self._listener.jobs_announced()  # what was committed before was announced to those who waited then

    async def _listen(self, connection: asyncpg.Connection) -> None:
        async with self._patience():
            queue, robot = await self._calls.channels(connection, self._config.queue_name, self._incarnation)
        async with self._patience():
            await connection.add_listener(queue, self._heard_of_jobs)
        async with self._patience():
            await connection.add_listener(robot, self._heard_of_me)
        self._listens = True
        self._proof = secrets.token_hex(8)
        async with self._patience():
            await connection.execute("SELECT pg_notify($1, $2)", robot, self._proof)

    def _heard_of_jobs(self, _connection: Any, _pid: int, _channel: str, message: str) -> None:
        if wakes(message, self._incarnation, self._fleet):
            self._listener.jobs_announced()

    def _heard_of_me(self, _connection: Any, _pid: int, _channel: str, message: str) -> None:
        if message == self._proof:
            self._heard_proof = True
        elif message == JOBS_ARE_READY:
            self._listener.jobs_announced()
        else:
            self._beat_due = 0.0
            if self._poked is not None:
                self._poked.set()

    def _doubt(self) -> None:
        self._heard_proof = self._waits = self._listens = False
        self._listener.jobs_announced()

    async def _pause(self, seconds: float) -> None:
        if self._poked is None or seconds <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._poked.wait()
        self._poked.clear()
