"""What every Python client shares: reading its order, answering it, feeding, counting, and uvloop where it is installed.

A client gives a `System` and calls `main`; how an order is served is the same for all of them, so that no system gets a kinder
loop than another. Standard output carries JSON lines alone: what a library prints goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import string
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import asyncpg

from benchmarks.order import Order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

Payload = dict[str, Any]
Answer = dict[str, Any]
_T = TypeVar("_T")

STALLED_AFTER = 60  # seconds without one more job ended
UNDER_WAY = 64  # single submits at once
LONG = 1024  # bytes of a payload from which PostgreSQL compresses it: to nothing, if it were one letter
LATE_AFTER = 0.1  # seconds behind its due time at which a submit is no longer begun
_NAME = f"client-{os.getpid()}"


class Cannot(Exception):
    """The system has no way to do this order; the text says why, in one sentence."""


class Producer(Protocol):
    def bulk(self, payload: Payload, jobs: int) -> Callable[[], Awaitable[object]]:
        """Return a function that enqueues `jobs` no-op jobs with this payload through the bulk API, each time it is called."""

    async def submit(self, payload: Payload) -> object:
        """Enqueue one job through the single enqueue API."""


class System(Protocol):
    """One queue as its users use it.

    `terminal_sql` counts its committed terminal rows where handlers count jobs before their end is committed; None where a job
    is only counted (`Tally.settled`) once its end is.
    """

    @property
    def terminal_sql(self) -> str | None: ...

    async def install(self, url: str) -> object: ...

    def producer(self, order: Order, calls: int) -> AbstractAsyncContextManager[Producer]:
        """Open a producer that has `calls` calls under way at once at most."""

    def workers(self, order: Order, workers: int, each: int, tally: Tally) -> AbstractAsyncContextManager[str | None]:
        """Run `workers` workers of `each` jobs at a time; entered when all of them work, left when all have stopped in order.

        Yields the answer's note where they are not what was ordered.
        """


@dataclass
class Tally:
    """What ended in this process, and how long after it was sent. Safe to use from one thread at a time only.

    Whatever a library logs as an error is one: also a failure that it recovered from.
    """

    ended: int = 0
    errors: int = 0
    claim_ms: list[tuple[float, float]] = field(default_factory=list)
    done_ms: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        logging.getLogger().addHandler(_Errors(self))

    def entered(self, payload: Payload) -> None:
        """A handler has its job."""
        if "sent" in payload:
            self.claim_ms.append(_since(payload["sent"]))

    def settled(self, payload: Payload) -> None:
        """The job's end is confirmed to the client."""
        self.ended += 1
        if "sent" in payload:
            self.done_ms.append(_since(payload["sent"]))

    def handled(self, payload: Payload) -> None:
        """A handler did its job, in a system that does not tell when its end is committed."""
        self.entered(payload)
        self.ended += 1


class _Errors(logging.StreamHandler[Any]):
    def __init__(self, tally: Tally) -> None:
        super().__init__(sys.stderr)
        self._tally = tally
        self.setLevel(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        self._tally.errors += 1
        super().emit(record)


def main(system: System) -> None:
    """Read one order from standard input, do it, print the answer, and exit."""
    lines, sys.stdout = sys.stdout, sys.stderr
    talk = Talk(lambda line: print(line, file=lines, flush=True))
    try:
        order = Order.from_json(talk.read_line())
        answer = _run(_serve(system, order, talk))
    except Cannot as why:
        talk.say("cannot", why=str(why))
    except ModuleNotFoundError as missing:
        talk.say("cannot", why=f"the package {missing.name} is not installed")
    except Exception as error:  # noqa: BLE001 - the harness must hear of it, whatever a driver raises
        traceback.print_exc()
        talk.say("error", error=_text_of(error))
        sys.exit(1)
    else:
        talk.say("answer", **answer)


def _text_of(error: Exception) -> str:
    """Name what went wrong first, not the group of tasks that it went wrong in."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def payload_of(order: Order) -> Payload:
    """Return a payload that is `payload_bytes` bytes of JSON; a long one of letters at random, the same every time."""
    size = max(0, given(order.payload_bytes, 150) - len(json.dumps({"text": ""})))
    if size < LONG:
        return {"text": "x" * size}
    return {"text": "".join(random.Random(size).choices(string.ascii_letters, k=size))}


def given(value: _T | None, default: _T | None = None) -> _T:
    """Return what an order says, else the default. Raises ValueError when there is neither."""
    if value is not None:
        return value
    if default is None:
        raise ValueError("the order lacks a field that it needs: see benchmarks/order.py")
    return default


class Talk:
    """The lines between this client and the harness."""

    def __init__(self, print_line: Callable[[str], None]) -> None:
        self._print_line = print_line
        self._input = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - unbuffered: a thread waits in it until exit

    def say(self, event: str, **fields: object) -> None:
        self._print_line(json.dumps({"event": event, **fields}))

    def read_line(self) -> str:
        return self._input.readline().decode()

    async def told(self) -> str:
        """Wait for the next line and return it; an empty one is the end of standard input."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[str] = loop.create_future()

        def tell(line: str) -> None:
            if not told.done():
                told.set_result(line)

        def wait() -> None:
            line = self.read_line().strip()
            with suppress(RuntimeError):  # the loop is closed: an error came first
                loop.call_soon_threadsafe(tell, line)

        # A daemon, and a thread at all because Windows has no loop that waits for a pipe and for sockets.
        threading.Thread(target=wait, daemon=True).start()
        return await told


def _run(work: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ModuleNotFoundError:
        return asyncio.run(work)
    return uvloop.run(work)


async def _serve(system: System, order: Order, talk: Talk) -> Answer:
    match order.do:
        case "install":
            await system.install(order.url)
            return {}
        case "enqueue":
            return await _enqueue(system, order)
        case "saturate":
            return await _saturate(system, order, talk)
        case "drain":
            return await _drain(system, order, talk)
        case "work":
            return await _work(system, order, talk)
        case "submit":
            return await _submit(system, order, talk)
        case other:
            raise Cannot(f"this client knows no order {other!r}")


async def _enqueue(system: System, order: Order) -> Answer:
    jobs, batch = given(order.jobs), given(order.batch, 1000)
    async with system.producer(order, 1) as producer:
        put = producer.bulk(payload_of(order), batch)
        began = time.monotonic()
        for _ in range(jobs // batch):
            await put()
        if rest := jobs % batch:
            await producer.bulk(payload_of(order), rest)()
        return {"jobs": jobs, "seconds": time.monotonic() - began}


async def _saturate(system: System, order: Order, talk: Talk) -> Answer:
    size, feeders = given(order.enqueue), given(order.feeders, 2)
    backlog = given(order.backlog, max(2000, 10 * size))
    tally, sent, feeding = Tally(), 0, True

    async def feed(put: Callable[[], Awaitable[object]]) -> None:
        nonlocal sent
        while feeding:
            if sent - tally.ended < backlog:
                sent += size
                await put()
            else:
                await asyncio.sleep(0.001)

    async with system.producer(order, feeders) as producer:
        puts = [producer.bulk(payload_of(order), size) for _ in range(feeders)]
        for _ in range(backlog // size):
            sent += size
            await puts[0]()
        await _analyze(order.url)
        async with system.workers(order, given(order.consumers), given(order.claim), tally) as note:
            async with asyncio.TaskGroup() as group:
                if order.shared:
                    talk.say("ready")
                    await talk.told()
                for put in puts:
                    group.create_task(feed(put))
                await asyncio.sleep(given(order.warmup, 1.5))
                talk.say("window")
                window = Window(tally)
                await asyncio.sleep(given(order.seconds))
                measured = window.close()
                talk.say("closed")
                feeding = False
            # Of a shared queue other processes end some of these jobs, and this one some of theirs.
            await (talk.told() if order.shared else reach(tally, sent))
    return {**measured, "ended": tally.ended, "sent": sent, "errors": tally.errors, "note": note}


async def _analyze(url: str) -> None:
    """Do what autovacuum would soon do: a plan for an empty table would last for the whole run, in a library that keeps plans."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _drain(system: System, order: Order, talk: Talk) -> Answer:
    jobs, tally = given(order.jobs), Tally()
    await _analyze(order.url)
    connection = await asyncpg.connect(order.url)
    try:
        talk.say("window")
        window = Window(tally)
        async with system.workers(order, given(order.consumers), given(order.claim), tally) as note:
            await reach(tally, jobs)
            if system.terminal_sql is not None:
                await _committed(connection, system.terminal_sql, jobs)
            measured = window.close()
    finally:
        await connection.close()
    answer = {"seconds": measured["window_seconds"], "cpu_seconds": measured["cpu_seconds"]}
    return {**answer, "ended": tally.ended, "errors": tally.errors, "note": note}


async def _work(system: System, order: Order, talk: Talk) -> Answer:
    tally = Tally()
    async with system.workers(order, given(order.robots), given(order.slots), tally) as note:
        window = Window(tally)
        talk.say("ready")
        while await talk.told() == "count":
            talk.say("count", ended=tally.ended)
        measured = window.close()
    counts = {"ended": tally.ended, "errors": tally.errors, "cpu_seconds": measured["cpu_seconds"]}
    return {**counts, "claim_ms": tally.claim_ms, "done_ms": tally.done_ms or None, "note": note}


async def _submit(system: System, order: Order, talk: Talk) -> Answer:
    seconds, submits = given(order.seconds), Submits(payload_of(order))
    async with system.producer(order, UNDER_WAY) as producer, asyncio.TaskGroup() as group:
        talk.say("window")
        began = time.monotonic()
        if order.rate is None:
            await submits.flood(producer, began + seconds)
        else:
            await submits.offer(producer, group, began, order.rate, round(order.rate * seconds))
        took = time.monotonic() - began
    return {"sent": submits.sent, "late": submits.late, "errors": submits.errors, "seconds": took}


class Submits:
    """Jobs submitted one a call, `UNDER_WAY` calls at once at most."""

    def __init__(self, text: Payload) -> None:
        self.sent = self.late = self.errors = 0
        self._text = text

    async def flood(self, producer: Producer, until: float) -> None:
        """Submit as fast as calls return: each that has returned makes place for the next."""

        async def one_after_another() -> None:
            while time.monotonic() < until:
                await self._call(producer)

        await asyncio.gather(*(one_after_another() for _ in range(UNDER_WAY)))

    async def offer(self, producer: Producer, group: asyncio.TaskGroup, began: float, rate: float, calls: int) -> None:
        """Offer calls evenly: each has its due time, and is late, and left out, when it cannot be begun then."""
        places = asyncio.Semaphore(UNDER_WAY)

        async def call() -> None:
            try:
                await self._call(producer)
            finally:
                places.release()

        for number in range(calls):
            due = began + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            elif number % UNDER_WAY == 0:
                await asyncio.sleep(0)  # far behind, there would be no other chance for the calls under way
            if places.locked() or time.monotonic() - due > LATE_AFTER:
                self.late += 1
                continue
            await places.acquire()
            group.create_task(call())
        for _ in range(UNDER_WAY):
            await places.acquire()

    async def _call(self, producer: Producer) -> None:
        try:
            await producer.submit({**self._text, "sent": time.time()})
            self.sent += 1
        except Exception:  # noqa: BLE001 - whatever a driver raises: it is counted and shown
            self.errors += 1
            traceback.print_exc()


class Window:
    """A span of time in which ended jobs and this process's CPU time are counted, children that it waited for aside."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._ended, self._cpu, self._began = tally.ended, time.process_time(), time.monotonic()

    def close(self) -> Answer:
        seconds, jobs = time.monotonic() - self._began, self._tally.ended - self._ended
        cpu = time.process_time() - self._cpu
        return {"rate": jobs / seconds, "window_jobs": jobs, "window_seconds": seconds, "cpu_seconds": cpu}


async def reach(tally: Tally, jobs: int) -> None:
    """Wait until so many jobs have ended, and raise TimeoutError when none ends for a minute."""
    last, moved = tally.ended, time.monotonic()
    while tally.ended < jobs:  # an event for each job would be measured too
        await asyncio.sleep(0.002)
        if tally.ended != last:
            last, moved = tally.ended, time.monotonic()
        elif time.monotonic() - moved > STALLED_AFTER:
            raise TimeoutError(f"{tally.ended} of {jobs} jobs ended, and none for {STALLED_AFTER} s")


def named(url: str) -> str:
    """Return the URL for libpq with this process's name on every session, so that `listening` tells them from others."""
    return f"{url}{'&' if '?' in url else '?'}application_name={_NAME}"


async def listening(url: str, sessions: int) -> None:
    """Wait until so many sessions of this process listen, for libraries that do not tell when they do."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND query ILIKE 'LISTEN %' AND state = 'idle'"
    give_up = time.monotonic() + STALLED_AFTER
    connection = await asyncpg.connect(url)
    try:
        while (found := await connection.fetchval(sql, _NAME)) < sessions:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{found} of {sessions} workers listen, {STALLED_AFTER} s after their start")
            await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def _committed(connection: asyncpg.Connection, sql: str, jobs: int) -> None:
    give_up = time.monotonic() + STALLED_AFTER
    while (found := await connection.fetchval(sql)) < jobs:
        if time.monotonic() > give_up:
            raise TimeoutError(f"{jobs} jobs ended, but {found} ends are committed {STALLED_AFTER} s later")
        await asyncio.sleep(0.005)


def _since(sent: float) -> tuple[float, float]:
    return sent, (time.time() - sent) * 1000
