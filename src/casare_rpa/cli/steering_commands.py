"""`casare jobs cancel`, `retry` and `priority`: steering one job, many, or all that match."""

from typing import TYPE_CHECKING, Annotated

import typer

from casare_rpa.cli import arguments
from casare_rpa.cli.bulk import How, Verb, act_on
from casare_rpa.cli.faults import BadInput, CommandFailed
from casare_rpa.cli.options import PRIORITIES, All, DryRun, JobIds, Json, Yes, completes
from casare_rpa.cli.output import say
from casare_rpa.cli.selection import Selection, selects_jobs
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.infrastructure.queue import JobStatus, PgQueuerProducer

_CANCEL = Verb("cancel", "cancelled", "one that waits or runs")
_RETRY = Verb("retry", "retried", "a dead letter or a job that waits for another attempt")
_PRIORITY = Verb("give a priority to", "reprioritised", "PENDING")


@selects_jobs
def cancel(
    where: Selection,
    job_ids: JobIds = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Cancel jobs.

    Those named, or all that match. At once while they wait; by asking their robots while they run. Naming one that has ended
    already is an error (exit code 1).
    """
    named = bool(job_ids) and not where.is_given and not everything and not dry_run and not as_json
    if named and job_ids:
        _cancel_each([arguments.job_id(text) for text in dict.fromkeys(job_ids)])
        return 0
    how = How(everything, dry_run, yes, as_json)
    live = ["PENDING", "CLAIMED", "RUNNING"]
    return act_on(
        _CANCEL,
        job_ids,
        where,
        how,
        lambda producer, chosen, dry: producer.cancel_jobs(chosen, dry_run=dry),
        status=live,
    )


@selects_jobs
def retry(
    where: Selection,
    job_ids: JobIds = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Let jobs be tried again now.

    Those named, or all that match. Dead letters go back to their queues, at attempt 1. Jobs that wait for another attempt do
    not wait any longer.
    """
    return act_on(
        _RETRY,
        job_ids,
        where,
        How(everything, dry_run, yes, as_json),
        lambda producer, chosen, dry: producer.retry_jobs(chosen, dry_run=dry),
        status=["PENDING", "FAILED"],
    )


@selects_jobs
def priority(
    priority: Annotated[
        str,
        typer.Argument(
            metavar="0-20|NAME",
            help="Or low, normal (5), high, urgent, critical.",
            show_default=False,
            autocompletion=completes(PRIORITIES),
        ),
    ],
    where: Selection,
    job_ids: JobIds = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Give PENDING jobs a priority.

    Those named, or all that match. They keep their places among those of equal priority.
    """
    number = arguments.priority(priority)
    if not 0 <= number <= 20:
        raise BadInput(f"priority: must be a whole number from 0 to 20, not {number}")
    return act_on(
        _PRIORITY,
        job_ids,
        where,
        How(everything, dry_run, yes, as_json),
        lambda producer, chosen, dry: producer.set_priority(chosen, number, dry_run=dry),
        status=["PENDING"],
    )


def _cancel_each(keys: "list[UUID]") -> None:
    """Cancel one after the other, and say of each what it is now."""
    outcomes = ask(lambda producer: _cancel(producer, keys))
    for key, status, fault in outcomes:
        if status is not None and fault is None:
            asked = "" if status.is_final else ": its robot has been asked to stop it"
            say(f"job {key} is {status.value}{asked}")
    if faults := [fault for _, _, fault in outcomes if fault is not None]:
        raise CommandFailed("; ".join(faults))


async def _cancel(
    producer: "PgQueuerProducer", keys: "list[UUID]"
) -> "list[tuple[UUID, JobStatus | None, str | None]]":
    """Return what each job is now, and why it was not cancelled."""
    from casare_rpa.infrastructure.queue import JobNotFound  # noqa: PLC0415 - help must not wait for it

    outcomes: list[tuple[UUID, JobStatus | None, str | None]] = []
    for key in keys:
        try:
            accepted, status = await producer.cancel_job(key), await producer.get_job_status(key)
        except JobNotFound as error:
            outcomes.append((key, None, str(error)))
        else:
            ended = None if accepted else f"job {key} has ended already: it is {status.value}"
            outcomes.append((key, status, ended))
    return outcomes
