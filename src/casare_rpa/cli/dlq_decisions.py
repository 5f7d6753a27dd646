"""`casare dlq redrive`, `resolve`, `assign` and `purge`: deciding about dead letters."""

from typing import Annotated

import typer

from casare_rpa.cli.bulk import How, Verb, act_on
from casare_rpa.cli.faults import BadInput
from casare_rpa.cli.options import All, DryRun, JobIds, Json, Yes
from casare_rpa.cli.selection import Selection, selects_dead_letters

_LETTER = "a dead letter"
_REDRIVE = Verb("redrive", "redriven", _LETTER)
_RESOLVE = Verb("resolve", "resolved", _LETTER)
_ASSIGN = Verb("assign", "assigned", "a dead letter, or is so assigned already")
_PURGE = Verb("purge", "purged", _LETTER, for_good=True)
_ALL = {"status": "FAILED"}


@selects_dead_letters
def redrive(
    where: Selection,
    job_ids: JobIds = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Put dead letters back into their queues.

    Those named, or all that match. They keep their ids and start at attempt 1 again. Prints the ids of those that went back.
    Naming one that is no dead letter is an error (exit code 1); the others go back all the same.
    """
    return act_on(
        _REDRIVE,
        job_ids,
        where,
        How(everything, dry_run, yes, as_json),
        lambda producer, chosen, dry: producer.redrive_dead_letters(chosen, dry_run=dry),
        **_ALL,
    )


@selects_dead_letters
def resolve(
    where: Selection,
    comment: Annotated[
        str, typer.Option(metavar="TEXT", help="How it was dealt with; it stays with the job.", show_default=False)
    ],
    job_ids: JobIds = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Close dead letters with a comment.

    Those named, or all that match. They move to the history as FAILED and keep their references until its retention.
    """
    return act_on(
        _RESOLVE,
        job_ids,
        where,
        How(everything, dry_run, yes, as_json),
        lambda producer, chosen, dry: producer.resolve_dead_letters(chosen, comment, dry_run=dry),
        **_ALL,
    )


@selects_dead_letters
def assign(
    where: Selection,
    job_ids: JobIds = None,
    to: Annotated[str | None, typer.Option(metavar="NAME", help="Who looks after them.", show_default=False)] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Nobody looks after them any more.")] = False,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Say who looks after dead letters.

    Those named, or all that match.
    """
    if (to is None) != nobody:
        raise BadInput("say --to NAME, or --nobody")
    return act_on(
        _ASSIGN,
        job_ids,
        where,
        How(everything, dry_run, yes, as_json),
        lambda producer, chosen, dry: producer.assign_dead_letters(chosen, to, dry_run=dry),
        **_ALL,
    )


@selects_dead_letters
def purge(
    where: Selection,
    job_ids: JobIds = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Remove dead letters without a trace.

    Those named, or all that match, with their references, attempts and comments. Asks before; a script says --yes.
    """
    return act_on(
        _PURGE,
        job_ids,
        where,
        How(everything, dry_run, yes, as_json),
        lambda producer, chosen, dry: producer.purge_dead_letters(chosen, dry_run=dry),
        **_ALL,
    )
