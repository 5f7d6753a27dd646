"""Options that several commands have."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Literal

import typer

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.", show_default=False)]
JobIds = Annotated[list[str] | None, typer.Argument(metavar="ID", help="The jobs.", show_default=False)]
QueueName = Annotated[
    str | None,
    typer.Argument(metavar="[QUEUE]", help="The queue; PGQUEUER_QUEUE_NAME by default.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout: stable keys, ISO 8601 times.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Print this many at most.")]
After = Annotated[
    str | None,
    typer.Option(metavar="CURSOR", help="Go on where a list with the same filter ended.", show_default=False),
]
AllPages = Annotated[bool, typer.Option("--all", help="Print all of them, page after page.")]
All = Annotated[bool, typer.Option("--all", help="All that there are, or all that match.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Comment = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it stays with the job.", show_default=False)]


class Status(StrEnum):
    """`JobStatus` once more: help must not wait for the queue. Typer repeats an option of an enumeration only."""

    PENDING = "PENDING"
    CLAIMED = "CLAIMED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


REASONS = ("exhausted", "business", "crashed", "in-doubt", "quarantined")
"""Why a job is a dead letter, as it is typed: a shell would complete a value with a space to two words."""
PRIORITIES = ("low", "normal", "high", "urgent", "critical")


def completes(words: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what typer asks for the words that an option takes."""
    known = tuple(words)

    def begin_so(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete.lower())]

    return begin_so


Priority = Annotated[
    str | None,
    typer.Option(
        metavar="0-20|NAME", help="Or low, normal (5), high, urgent, critical.", autocompletion=completes(PRIORITIES)
    ),
]
OnCrash = Literal["retry", "hold", "fail"]
