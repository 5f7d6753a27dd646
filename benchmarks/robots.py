"""A fleet of robots in several client processes: started, listened to, stopped, and what they all answered in one."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.client import Client
from benchmarks.order import Answer, Order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.systems import System

PROCESSES = 4
ROBOTS = 25
"""In each process."""
SLOTS = 3

_START_LIMIT = 120.0
"""Seconds beside those that the fleet works, to start and to stop."""

Pair = tuple[float, float]
"""When a job was submitted, in unix time, and milliseconds."""


@dataclass(frozen=True)
class Fleet:
    """Robots that work, until `stop`."""

    clients: Sequence[Client]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes so far."""
        return sum(client.cpu_seconds() for client in self.clients)

    def ended(self) -> int:
        """Return how many jobs have ended so far. Raises as `Client.wait_for`."""
        for client in self.clients:
            client.say("count")
        return sum(int(client.wait_for("count")["ended"]) for client in self.clients)

    def stop(self) -> Answer:
        """Let all robots stop, and return their answers as one. Raises as `Client.answer`."""
        for client in self.clients:
            client.say("stop")
        return merged([client.answer() for client in self.clients])


@contextmanager
def working(system: System, url: str, seconds: float) -> Iterator[Fleet]:
    """Start the fleet and yield it when every robot listens; it works `seconds` at most, and leaving the block kills it.

    Raises:
        ClientFailed, ClientCannot: as `Client.wait_for`.

    """
    order = system.order(Order(do="work", url=url, robots=ROBOTS, slots=SLOTS))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(system.argv, order, seconds + _START_LIMIT)) for _ in range(PROCESSES)]
        for client in clients:
            client.wait_for("ready")
        yield Fleet(clients)


def merged(answers: Sequence[Answer]) -> Answer:
    """Return the answers of several processes as one: numbers added, pairs together; what one cannot tell, all cannot."""
    claims, dones = [each.claim_ms for each in answers], [each.done_ms for each in answers]
    return Answer(
        ended=sum(each.ended or 0 for each in answers),
        errors=sum(each.errors or 0 for each in answers),
        claim_ms=_together(claims),
        done_ms=_together(dones),
        note=next((each.note for each in answers if each.note), None),
    )


def _together(lists: Sequence[list[Pair] | None]) -> list[Pair] | None:
    known = [each for each in lists if each is not None]
    return [pair for each in known for pair in each] if len(known) == len(lists) else None
