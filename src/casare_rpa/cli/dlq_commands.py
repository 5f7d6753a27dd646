"""`casare dlq list`, `groups` and `show`: looking at dead letters."""

from typing import TYPE_CHECKING

import typer

from casare_rpa.cli import arguments
from casare_rpa.cli.jobs_commands import look, show_whole_job
from casare_rpa.cli.listing import DEFAULT_LIMIT, print_pages
from casare_rpa.cli.options import After, AllPages, JobId, Json, Limit
from casare_rpa.cli.output import as_document, note, print_json_array
from casare_rpa.cli.selection import Selection, selects_dead_letters
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.queue import JobAction, JobAttempt, JobModel, PgQueuerProducer

app = typer.Typer(help="Look at dead letters, mend them, redrive them, close them.")


@app.command("list")
@selects_dead_letters
def list_(
    where: Selection,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    everything: AllPages = False,
    as_json: Json = False,
) -> None:
    """List jobs that failed for good, the latest first.

    Of all queues, unless --queue says otherwise.
    """
    wanted = where.job_filter()
    arguments.filters(after=after)
    print_pages(
        lambda producer, size, cursor: producer.list_dead_letters(wanted, limit=size, after=cursor),
        _show_dead_letters,
        where,
        limit=limit,
        after=after,
        everything=everything,
        as_json=as_json,
        none="no dead letters",
    )


@app.command()
@selects_dead_letters
def groups(where: Selection, limit: Limit = DEFAULT_LIMIT, as_json: Json = False) -> None:
    """Group dead letters that failed alike, the biggest group first.

    Alike are those of one queue, workflow and reason whose errors have the same shape: the first line, in which numbers, ids,
    times and paths are folded. --shape then lists or redrives such a group.
    """
    wanted = where.job_filter()
    found = ask(lambda producer: producer.group_dead_letters(wanted, limit=limit))
    if as_json:
        print_json_array(as_document(group) for group in found)
    elif found:
        from casare_rpa.cli.dlq_views import show_groups  # noqa: PLC0415 - only people need tables

        show_groups(found)
    else:
        note("no dead letters")
    if not found.complete:
        shown = "1 group is shown" if len(found) == 1 else f"{len(found)} groups are shown"
        note(f"there are more: the newest {found.looked_at} letters were looked at, and {shown}")


@app.command()
def show(job_id: JobId, as_json: Json = False) -> None:
    """Show a dead letter and its attempts.

    Why it is one, every attempt, and every comment, edit and the like.
    """
    key = arguments.job_id(job_id)
    letter, attempts, actions = ask(lambda producer: _look(producer, key))
    show_whole_job(letter, attempts, actions, as_json=as_json)


async def _look(producer: "PgQueuerProducer", job_id: "UUID") -> "tuple[JobModel, list[JobAttempt], list[JobAction]]":
    from casare_rpa.infrastructure.queue import JobFilter, NotADeadLetter  # noqa: PLC0415 - help must not wait for it

    job, attempts, actions = await look(producer, job_id)
    letters = await producer.list_dead_letters(
        JobFilter(ids=[job_id]), limit=1
    )  # with its shape and who looks after it
    if not letters:
        raise NotADeadLetter(f"job {job_id} is {job.status.value}, not a dead letter: see `casare jobs show`")
    return letters[0], attempts, actions


def _show_dead_letters(jobs: "Sequence[JobModel]", titles: bool) -> None:
    from casare_rpa.cli.dlq_views import show_dead_letters  # noqa: PLC0415 - only people need tables

    show_dead_letters(jobs, titles=titles)
