"""The application `casare` and its commands. Nothing here may be slow to import: `casare --help` waits for it."""

from typing import Annotated

import typer

from casare_rpa import __version__
from casare_rpa.cli import (
    demo_command,
    dlq_commands,
    dlq_decisions,
    doctor_command,
    edit_command,
    jobs_commands,
    migrate_command,
    queue_commands,
    steering_commands,
    submit_command,
    waiting_commands,
    work_command,
)
from casare_rpa.cli.output import say

# The \b keeps the lines of the paragraph that it begins.
_EPILOG = """
\b
Settings come from the environment, since everybody can read arguments:
  PGQUEUER_DATABASE_URL        postgresql://user:password@host:port/database
  PGQUEUER_DIRECT_URL          the same without a pooler, to listen on
  PGQUEUER_QUEUE_NAME          the queue (casare_rpa_jobs)
  PGQUEUER_SCHEMA              the schema in the database (pgqueuer)
  PGQUEUER_MAX_RETRIES         submit: attempts of a job in all (3)
  PGQUEUER_ENABLE_DLQ          submit, work: keep what failed for good (true)
  PGQUEUER_MAX_CONCURRENT      work: jobs at once (3)
  PGQUEUER_VISIBILITY_TIMEOUT  work: seconds a claim lasts unextended (30)
  PGQUEUER_POLL_INTERVAL       work: seconds between looks for jobs (1)
  PGQUEUER_BATCH_SIZE          work: jobs in one claim (10)
  PGQUEUER_SHUTDOWN_GRACE      work: seconds to end when stopped (30)
  PGQUEUER_OUTAGE_PATIENCE     seconds to wait for a lost database (60)
  PGQUEUER_POOL_SIZE           connections at most (10)
  CASARE_DEBUG                 1 shows the traceback of an error

\b
Exit codes:
  0    done
  1    failed: no such job, it has ended already, the reference is taken;
       doctor: there is a problem
  2    usage or input that cannot be right, settings included
  3    the database cannot be reached or used: away, not migrated, too old,
       read-only, newer than this program, or a migration failed
  4    the database login may not do this
  5    jobs wait, jobs follow: the job is FAILED
  6    jobs wait, jobs follow: the job is CANCELLED
  7    jobs wait: the job has not ended within --timeout
  130  interrupted with Ctrl-C
  141  whoever read the output went away
"""

app = typer.Typer(
    name="casare",
    rich_markup_mode=None,  # Rich's help takes twice as long, and leaves the program when its reader goes away
    help="Fleets of software robots on a durable, distributed job queue in PostgreSQL.",
    epilog=_EPILOG,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"casare {__version__}")
        raise typer.Exit


@app.callback()
def _casare(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


_jobs, _dlq = jobs_commands.app, dlq_commands.app
_jobs.command("submit")(submit_command.submit)
_jobs.command("cancel")(steering_commands.cancel)
_jobs.command("retry")(steering_commands.retry)
_jobs.command("priority")(steering_commands.priority)
_jobs.command("wait")(waiting_commands.wait)
_jobs.command("follow")(waiting_commands.follow)
_dlq.command("edit")(edit_command.edit)
_dlq.command("redrive")(dlq_decisions.redrive)
_dlq.command("resolve")(dlq_decisions.resolve)
_dlq.command("assign")(dlq_decisions.assign)
_dlq.command("comment")(jobs_commands.comment)
_dlq.command("purge")(dlq_decisions.purge)

app.command("migrate")(migrate_command.migrate)
app.add_typer(queue_commands.app, name="queue")
app.add_typer(_jobs, name="jobs")
app.add_typer(_dlq, name="dlq")
app.command("doctor")(doctor_command.doctor)
app.command("work")(work_command.work)
app.command("demo")(demo_command.demo)
