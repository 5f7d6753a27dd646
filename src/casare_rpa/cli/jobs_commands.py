"""`casare jobs list`, `show` and `cancel`."""

from typing import TYPE_CHECKING, Annotated

import typer

from casare_rpa.cli import arguments
from casare_rpa.cli.faults import CommandFailed
from casare_rpa.cli.options import JobId, Json, Limit, Queue, Status
from casare_rpa.cli.output import as_document, note, print_json, print_json_array, say
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.infrastructure.queue import JobAttempt, JobModel, JobStatus, PgQueuerProducer

app = typer.Typer(help="Submit jobs, look at them, cancel them.")


@app.command("list")
def list_(
    queue: Queue = None,
    status: Annotated[
        Status | None, typer.Option(case_sensitive=False, help="Only with this status.", show_default=False)
    ] = None,
    workflow: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only of this workflow.", show_default=False)
    ] = None,
    tenant: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this tenant.", show_default=False)] = None,
    limit: Limit = 100,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on after the page that said so.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """List jobs, newest first.

    Of all queues, unless --queue says otherwise, and wherever they are in their lives.
    """
    from casare_rpa.infrastructure.queue import JobFilter  # noqa: PLC0415 - help must not wait for it

    words = arguments.filters(queue_name=queue, workflow=workflow, tenant_id=tenant)
    where = JobFilter.of(**words, status=status)
    jobs = ask(lambda producer: producer.list_jobs(where, limit=limit, after=after))
    if as_json:
        print_json_array(as_document(job) for job in jobs)
    elif not jobs:
        note("no jobs")
    else:
        from casare_rpa.cli.views import show_jobs  # noqa: PLC0415 - only people need tables

        show_jobs(jobs)
    if jobs.next and not as_json:
        note(f"there may be more: --after {jobs.next}")


@app.command()
def show(job_id: JobId, as_json: Json = False) -> None:
    """Show a job and its attempts.

    With payload, result and error, and every attempt that has ended.
    """
    key = arguments.job_id(job_id)
    job, attempts = ask(lambda producer: _look(producer, key))
    if as_json:
        ended = [as_document(attempt) for attempt in attempts]
        print_json({**as_document(job), "attempts": ended})
    else:
        from casare_rpa.cli.views import show_job  # noqa: PLC0415 - only people need tables

        show_job(job, attempts)


@app.command()
def cancel(job_id: JobId) -> None:
    """Cancel a job.

    At once while it waits; by asking its robot while it runs. One that has ended already is an error (exit code 1).
    """
    key = arguments.job_id(job_id)
    accepted, status = ask(lambda producer: _cancel(producer, key))
    if not accepted:
        raise CommandFailed(f"job {key} has ended already: it is {status.value}")
    if status.is_final:
        say(f"job {key} is {status.value}")
    else:
        say(f"job {key} is {status.value}: its robot has been asked to stop it")


async def _look(producer: "PgQueuerProducer", job_id: "UUID") -> "tuple[JobModel, list[JobAttempt]]":
    return await producer.get_job(job_id), await producer.get_attempts(job_id)


async def _cancel(producer: "PgQueuerProducer", job_id: "UUID") -> "tuple[bool, JobStatus]":
    return await producer.cancel_job(job_id), await producer.get_job_status(job_id)
