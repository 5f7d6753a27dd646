"""`casare dlq list` and `redrive`."""

from typing import TYPE_CHECKING, Annotated

import typer

from casare_rpa.cli import arguments
from casare_rpa.cli.faults import BadInput, CommandFailed
from casare_rpa.cli.options import Json, Limit, OnlyReason, Queue
from casare_rpa.cli.output import as_document, note, print_json_array, say
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.queue import PgQueuerProducer

app = typer.Typer(help="Look at dead letters, redrive them.")

_PAGE = 100


@app.command("list")
def list_(queue: Queue = None, reason: OnlyReason = None, limit: Limit = 100, as_json: Json = False) -> None:
    """List jobs that failed for good, the latest first.

    Of all queues, unless --queue says otherwise.
    """
    words = arguments.filters(queue_name=queue)
    from casare_rpa.infrastructure.queue import JobFilter  # noqa: PLC0415 - help must not wait for it

    where = JobFilter.of(**words, reason=reason)
    jobs = ask(lambda producer: producer.list_dead_letters(where, limit=limit))
    if as_json:
        print_json_array(as_document(job) for job in jobs)
    elif not jobs:
        note("no dead letters")
    else:
        from casare_rpa.cli.views import show_dead_letters  # noqa: PLC0415 - only people need tables

        show_dead_letters(jobs)
        if jobs.next:
            note(f"there may be more than --limit {limit}")


@app.command()
def redrive(
    job_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="The jobs.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Redrive all of them, or all that match.")] = False,
    queue: Queue = None,
    reason: OnlyReason = None,
) -> None:
    """Put dead letters back into their queues.

    They keep their ids and start at attempt 1 again.

    Prints the ids of those that went back. An id that is no dead letter is an error (exit code 1); the others go back all the same.
    """
    words = arguments.filters(queue=queue)
    if bool(job_ids) == everything:
        raise BadInput("name the jobs to redrive, or say --all")
    if everything:
        count = ask(lambda producer: _redrive_all(producer, words["queue"], reason))
        note(f"{count} redriven")
        return
    if queue is not None or reason is not None:
        raise BadInput("--queue and --reason go with --all")
    ids = [arguments.job_id(text) for text in dict.fromkeys(job_ids or ())]
    redriven = ask(lambda producer: producer.redrive_jobs(ids))
    _say_ids(redriven)
    if left := [job_id for job_id in ids if job_id not in redriven]:
        raise CommandFailed(f"no dead letter: {', '.join(map(str, left))}")


async def _redrive_all(producer: "PgQueuerProducer", queue: str | None, reason: str | None) -> int:
    """Go through all dead letters once, the latest first: one that dies again meanwhile is not met a second time."""
    from casare_rpa.infrastructure.queue import JobFilter  # noqa: PLC0415 - help must not wait for it

    count, after = 0, None
    where = JobFilter.of(queue_name=queue, reason=reason)
    while True:
        page = await producer.list_dead_letters(where, limit=_PAGE, after=after)
        redriven = await producer.redrive_jobs([job.id for job in page if job.id])
        _say_ids(redriven)
        count, after = count + len(redriven), page.next
        if after is None:
            return count


def _say_ids(ids: "Sequence[UUID]") -> None:
    for job_id in ids:
        say(str(job_id))
