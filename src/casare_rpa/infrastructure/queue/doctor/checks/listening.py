"""Whether a notification sent on one connection arrives on another, and how fast."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import CasareError
from casare_rpa.infrastructure.queue.doctor.finding import note, ok, problem, warning

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_PATIENCE = 2.0


async def check(visit: Visit) -> list[Finding]:
    if await visit.connection.fetchval("SELECT pg_is_in_recovery()"):
        return [problem("listen", "a standby takes no LISTEN", "name the primary in PGQUEUER_DATABASE_URL")]
    if visit.shares_sessions and visit.config.direct_url is None:  # a LISTEN would stay behind in somebody's session
        return [note("listen", "not tried: sessions are shared, see pooler", milliseconds=None)]
    try:
        listener = await visit.connect_to_listen()
    except CasareError as error:
        which = "PGQUEUER_DIRECT_URL" if visit.config.direct_url else "connections"
        words = f"there is no connection to listen on, robots poll: {error}"
        return [warning("listen", words, f"look at {which}", milliseconds=None)]
    try:
        return [await _listen(visit, listener)]
    finally:
        listener.terminate()


async def _listen(visit: Visit, listener: asyncpg.Connection) -> Finding:
    arrived = asyncio.Event()
    channel = f"casare_doctor_{secrets.token_hex(8)}"
    hear = lambda *_: arrived.set()  # noqa: E731 - it must be the same one when it is taken away
    await listener.add_listener(channel, hear)
    began = time.monotonic()
    await visit.connection.execute(f"SELECT pg_notify('{channel}', '')")
    try:
        async with asyncio.timeout(_PATIENCE):
            await arrived.wait()
    except TimeoutError:
        return warning(
            "listen",
            f"a notification did not arrive within {_PATIENCE:g} s: robots find jobs by polling alone",
            "set PGQUEUER_DIRECT_URL to a URL of the server itself: a pooler in transaction mode swallows LISTEN",
            milliseconds=None,
        )
    seconds = time.monotonic() - began
    await listener.remove_listener(channel, hear)
    return _judge(seconds, visit.limits.slow_notification)


def _judge(seconds: float, slow: float) -> Finding:
    words, milliseconds = f"a notification took {seconds * 1000:.1f} ms", round(seconds * 1000, 3)
    if seconds > slow:
        advice = "look at the network, at the server's load, and at SELECT pg_notification_queue_usage();"
        return warning("listen", words, advice, milliseconds=milliseconds)
    return ok("listen", words, milliseconds=milliseconds)
