"""How queues look to people. A number after ~ is an estimate; times are UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.cli.tables import Column, print_fields, print_table
from casare_rpa.cli.views import at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casare_rpa.infrastructure.queue.queue_info import QueueInfo


def show_queues(queues: Iterable[QueueInfo]) -> None:
    """Print queues, one a line."""
    print_table(
        [
            Column("QUEUE", breaks=True, keeps=16),
            Column("WAITING", "right"),
            Column("DUE", "right"),
            Column("DEFERRED", "right", goes=2),
            Column("CLAIMED", "right", goes=1),
            Column("RUNNING", "right"),
            Column("DEAD", "right"),
            Column("OLDEST", "right"),
            Column("DONE/MIN", "right", goes=3),
            Column("PAUSED", breaks=True),
        ],
        (
            (
                queue.queue_name,
                *(
                    _count(queue, number)
                    for number in (
                        queue.waiting,
                        queue.due,
                        queue.deferred,
                        queue.claimed,
                        queue.running,
                        queue.dead_letters,
                    )
                ),
                age(queue.oldest_seconds),
                _count(queue, queue.completed_per_minute),
                at(queue.paused_at),
            )
            for queue in queues
        ),
    )


def show_queue(queue: QueueInfo) -> None:
    """Print all that is known of a queue."""
    fields: list[tuple[str, Any]] = [
        ("queue", queue.queue_name),
        ("waiting", _count(queue, queue.waiting)),
        ("due", _count(queue, queue.due)),
        ("deferred", _count(queue, queue.deferred)),
        ("claimed", _count(queue, queue.claimed)),
        ("running", _count(queue, queue.running)),
        ("dead letters", _count(queue, queue.dead_letters)),
        ("oldest due", at(queue.oldest_due_at)),
        ("waits for", age(queue.oldest_seconds)),
        ("completed/min", _count(queue, queue.completed_per_minute)),
        ("failed/min", _count(queue, queue.failed_per_minute)),
        ("paused", at(queue.paused_at)),
        ("paused by", queue.paused_by),
        ("numbers", "estimates: there are too many jobs to count" if queue.estimated else None),
    ]
    print_fields((name, value) for name, value in fields if value is not None)


def age(seconds: float | None) -> str | None:
    """Return seconds as people read them."""
    if seconds is None:
        return None
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _count(queue: QueueInfo, number: int) -> str:
    return f"~{number}" if queue.estimated and number else str(number)
