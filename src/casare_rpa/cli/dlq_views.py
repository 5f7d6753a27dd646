"""How dead letters look to people. Times are UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.cli.tables import Column, print_table
from casare_rpa.cli.views import at, short, tries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from casare_rpa.infrastructure.queue import DeadLetterGroup, JobModel


def show_dead_letters(jobs: Sequence[JobModel], *, titles: bool = True) -> None:
    """Print dead letters, one a line, with the beginning of their errors."""
    print_table(
        [
            Column("ID"),
            Column("REASON"),
            Column("WORKFLOW", breaks=True),
            Column("QUEUE", breaks=True, keeps=16, goes=1),
            Column("ATTEMPT", "right", goes=3),
            Column("SINCE", breaks=True, goes=2),
            Column("ASSIGNED", breaks=True, goes=4),
            Column("ERROR", breaks=True, cut=True, keeps=16),
        ],
        (
            (
                job.id,
                job.dead_letter_reason,
                job.workflow,
                job.queue_name,
                tries(job),
                at(job.finished_at),
                job.assigned_to,
                short(job.error),
            )
            for job in jobs
        ),
        titles=titles,
    )


def show_groups(groups: Iterable[DeadLetterGroup]) -> None:
    """Print groups of dead letters, one a line, with the shape of their errors."""
    print_table(
        [
            Column("COUNT", "right"),
            Column("REASON"),
            Column("WORKFLOW", breaks=True),
            Column("QUEUE", breaks=True, keeps=16, goes=1),
            Column("FIRST", breaks=True, goes=5),
            Column("LAST", breaks=True, goes=3),
            Column("EXAMPLE", goes=2),
            Column("ASSIGNED", breaks=True, goes=4),
            Column("SHAPE", breaks=True, keeps=20),
        ],
        (
            (
                group.count,
                group.reason,
                group.workflow,
                group.queue_name,
                at(group.first_at),
                at(group.last_at),
                group.example_id,
                ", ".join(group.assigned_to) or None,
                group.shape,
            )
            for group in groups
        ),
    )
