"""`casare jobs list`, `show` and `comment`."""

from typing import TYPE_CHECKING, Annotated

import typer

from casare_rpa.cli import arguments
from casare_rpa.cli.listing import DEFAULT_LIMIT, print_pages
from casare_rpa.cli.options import After, AllPages, JobId, Json, Limit
from casare_rpa.cli.output import as_document, note, print_json, say
from casare_rpa.cli.selection import Selection, selects_jobs
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.queue import JobAction, JobAttempt, JobModel, PgQueuerProducer

app = typer.Typer(help="Submit jobs, look at them, wait for them, steer them.")


@app.command("list")
@selects_jobs
def list_(
    where: Selection,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    everything: AllPages = False,
    as_json: Json = False,
) -> None:
    """List jobs, newest first.

    Of all queues, unless --queue says otherwise, and wherever they are in their lives. A page looks at 20,000 rows of each
    table at most: a filter that few jobs match may need several. Where there may be more, the cursor to go on is on stderr.
    """
    wanted = where.job_filter()
    arguments.filters(after=after)
    print_pages(
        lambda producer, size, cursor: producer.list_jobs(wanted, limit=size, after=cursor),
        _show_jobs,
        where,
        limit=limit,
        after=after,
        everything=everything,
        as_json=as_json,
        none="no jobs",
    )


@app.command()
@selects_jobs
def count(where: Selection, as_json: Json = False) -> None:
    """Count jobs.

    Of all queues, unless --queue says otherwise. After 1,000,000 rows the count stops, and says so.
    """
    wanted = where.job_filter()
    counted = ask(lambda producer: producer.count_jobs(wanted))
    if as_json:
        print_json(counted.model_dump(mode="json"))
        return
    say(str(counted.count))
    if not counted.complete:
        note("there are more: the count stopped after 1,000,000 rows")


@app.command()
def show(job_id: JobId, as_json: Json = False) -> None:
    """Show a job, its attempts, and what was done to it.

    With payload, result and error, every attempt that has ended, and every comment, edit, redrive and the like.
    """
    key = arguments.job_id(job_id)
    show_whole_job(*ask(lambda producer: look(producer, key)), as_json=as_json)


@app.command()
def comment(
    job_id: JobId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="1 to 10,000 characters.", show_default=False)],
) -> None:
    """Write a comment on a job, which `show` shows."""
    key = arguments.job_id(job_id)
    ask(lambda producer: producer.comment_job(key, text))


async def look(producer: "PgQueuerProducer", job_id: "UUID") -> "tuple[JobModel, list[JobAttempt], list[JobAction]]":
    """Return a job, its ended attempts, and what was done to it."""
    job = await producer.get_job(job_id)
    return job, await producer.get_attempts(job_id), await producer.get_actions(job_id)


def show_whole_job(
    job: "JobModel", attempts: "Sequence[JobAttempt]", actions: "Sequence[JobAction]", *, as_json: bool
) -> None:
    """Print what `look` found."""
    if as_json:
        parts = {"attempts": [as_document(a) for a in attempts], "actions": [as_document(a) for a in actions]}
        print_json({**as_document(job), **parts})
    else:
        from casare_rpa.cli.views import show_job  # noqa: PLC0415 - only people need tables

        show_job(job, attempts, actions)


def _show_jobs(jobs: "Sequence[JobModel]", titles: bool) -> None:
    from casare_rpa.cli.views import show_jobs  # noqa: PLC0415 - only people need tables

    show_jobs(jobs, titles=titles)
