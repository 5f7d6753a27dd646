"""How far the server's clock and this machine's are apart. The queue itself goes by the server's alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, warning
from casare_rpa.infrastructure.queue.doctor.words import duration

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_TRIES = 3


async def check(visit: Visit) -> list[Finding]:
    """Ask a few times and take the quickest answer: half its way is how wrong the difference can be."""
    tries = [await _difference(visit) for _ in range(_TRIES)]
    way, ahead = min(tries)
    facts = {"seconds_ahead": round(ahead, 4), "round_trip_ms": round(way * 1000, 3)}
    if abs(ahead) - way / 2 <= visit.limits.clock_skew:
        return [ok("clock", f"the server's and this machine's agree; a round trip takes {way * 1000:.1f} ms", **facts)]
    word = "ahead of" if ahead > 0 else "behind"
    return [
        warning(
            "clock",
            f"the server is {duration(abs(ahead))} {word} this machine: --run-in, --since and --until with times from now, "
            "and a run_at that a program here reckons, are off by that",
            "let both machines follow a time server (timedatectl set-ntp true)",
            **facts,
        )
    ]


async def _difference(visit: Visit) -> tuple[float, float]:
    """Return the seconds of the round trip, and by how many the server is ahead."""
    before = datetime.now(UTC)
    there = await visit.connection.fetchval("SELECT clock_timestamp()")
    way = (datetime.now(UTC) - before).total_seconds()
    return way, (there - before).total_seconds() - way / 2
