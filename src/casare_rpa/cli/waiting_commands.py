"""`casare jobs wait` and `follow`: until a job has ended."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from casare_rpa.cli import arguments
from casare_rpa.cli.faults import JOB_CANCELLED, JOB_FAILED
from casare_rpa.cli.options import JobId, Json
from casare_rpa.cli.output import as_document, note, print_json, print_json_line, say
from casare_rpa.cli.reader import while_read
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.infrastructure.queue import JobEvent, JobModel, JobStatus, PgQueuerProducer


def wait(
    job_id: JobId,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Give up after so long; the job goes on.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> int:
    """Wait until a job has ended; print its result.

    As JSON; with --json the whole job. Exit codes: 0 COMPLETED, 5 FAILED, 6 CANCELLED, 7 not ended within --timeout.
    """
    key = arguments.job_id(job_id)
    arguments.wait_time(timeout)
    job = ask(lambda producer: producer.wait_for(key, timeout=timeout))
    code = _code(job.status)
    if as_json:
        print_json(as_document(job))
    elif code == 0:
        print_json(job.result)
    else:
        note(_how_it_ended(job))
    return code


def follow(job_id: JobId, as_json: Json = False) -> int:
    """Print what becomes of a job until it ends.

    A line an event; the first is what it is now. With --json an object a line. Exit codes as for wait.
    """
    key = arguments.job_id(job_id)
    return _code(ask(lambda producer: while_read(_follow(producer, key, as_json=as_json))))


async def _follow(producer: "PgQueuerProducer", job_id: "UUID", *, as_json: bool) -> "JobStatus | None":
    """Print the events of a job and return what it is at the end."""
    status = None
    async with aclosing(producer.follow(job_id=job_id)) as events:
        async for event in events:
            print_event(event, as_json=as_json)
            status = event.status or status
    return status


def print_event(event: "JobEvent", *, as_json: bool) -> None:
    """Print an event at once: somebody is watching."""
    if as_json:
        print_json_line(event.model_dump(mode="json"))
        return
    from casare_rpa.cli.views import event_words  # noqa: PLC0415 - only people need words

    say(event_words(event), at_once=True)


def _code(status: "JobStatus | None") -> int:
    return {"FAILED": JOB_FAILED, "CANCELLED": JOB_CANCELLED}.get(status.value if status else "", 0)


def _how_it_ended(job: "JobModel") -> str:
    reason = f" ({job.dead_letter_reason})" if job.dead_letter_reason else ""
    error = f": {job.error}" if job.error else ""
    return f"job {job.id} is {job.status.value}{reason}{error}"
