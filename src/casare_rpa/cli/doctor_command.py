"""`casare doctor`."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from casare_rpa.cli.faults import FAILED
from casare_rpa.cli.options import Json
from casare_rpa.cli.output import note, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casare_rpa.infrastructure.queue.doctor import Finding

_WORST_FIRST = ("problem", "warning", "note", "ok")


def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for a warning too.")] = False,
    as_json: Json = False,
) -> int:
    """Look at the server, the schema and the queues.

    Says of everything that is wrong what to do about it. Changes nothing, and ends within 15 seconds whatever happens.

    Exit codes: 0 all is well, notes and warnings included; 1 there is a problem, or with --strict a warning.
    """
    from casare_rpa.infrastructure.queue import QueueConfig  # noqa: PLC0415 - help must not wait for it
    from casare_rpa.infrastructure.queue.doctor import examine  # noqa: PLC0415 - as above
    from casare_rpa.orchestrator import uses_postgres  # noqa: PLC0415 - as above

    if not uses_postgres() and not as_json:
        note("USE_PGQUEUER is false: programs keep their queue in memory here; what follows is about the database")
    findings = asyncio.run(examine(QueueConfig.from_env()))
    worst = min((finding.state for finding in findings), key=_WORST_FIRST.index)
    if as_json:
        print_json({"worst": worst, "findings": [finding.model_dump(mode="json") for finding in findings]})
    else:
        _show(findings)
    return FAILED if worst == "problem" or (strict and worst == "warning") else 0


def _show(findings: "Sequence[Finding]") -> None:
    from casare_rpa.cli.tables import Column, print_table  # noqa: PLC0415 - only people need tables

    rows: list[tuple[str, str, str]] = []
    for finding in findings:
        rows.append((finding.state, finding.check, finding.found))
        if finding.advice:
            rows.append(("", "", f"-> {finding.advice}"))
    print_table([Column("STATE"), Column("CHECK"), Column("FOUND", breaks=True)], rows)
    counts = Counter[str](finding.state for finding in findings)
    note(", ".join(f"{counts[state]} {state}" for state in _WORST_FIRST if counts[state]))
