"""Options that several commands have."""

from typing import Annotated, Literal

import typer

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout: stable keys, ISO 8601 times.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Print this many at most.")]
Queue = Annotated[str | None, typer.Option(metavar="QUEUE", help="Only of this queue.", show_default=False)]

Status = Literal["PENDING", "CLAIMED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
Reason = Literal["exhausted", "business", "crashed", "in doubt", "quarantined"]
OnCrash = Literal["retry", "hold", "fail"]

OnlyReason = Annotated[
    Reason | None, typer.Option(case_sensitive=False, help="Only with this reason.", show_default=False)
]
