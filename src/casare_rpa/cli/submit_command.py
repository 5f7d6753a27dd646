"""`casare jobs submit`."""

from typing import Annotated, Any

import typer

from casare_rpa.cli import arguments
from casare_rpa.cli.options import OnCrash, Priority
from casare_rpa.cli.output import say
from casare_rpa.cli.session import ask


def submit(  # noqa: PLR0913, PLR0917 - the fields of a job are the options of this command
    workflow: Annotated[
        str, typer.Argument(metavar="WORKFLOW", help="The name of what is to be run.", show_default=False)
    ],
    payload: Annotated[str | None, typer.Option(metavar="JSON", help="The job's data, a JSON object.")] = None,
    payload_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read the payload from a UTF-8 file; - is stdin.")
    ] = None,
    priority: Priority = None,
    queue: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="The queue; PGQUEUER_QUEUE_NAME by default.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(metavar="NAME", help="Whose job it is.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="WORD", help="A word to filter by; may be repeated.")] = None,
    metadata: Annotated[str | None, typer.Option(metavar="JSON", help="A JSON object to filter by.")] = None,
    reference: Annotated[str | None, typer.Option(metavar="TEXT", help="Unique per tenant and queue.")] = None,
    run_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before, with zone: 2030-01-31T08:00+01:00.")
    ] = None,
    run_in: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Not before so long from now, by this machine's clock.")
    ] = None,
    max_retries: Annotated[int | None, typer.Option(metavar="N", help="Attempts in all.")] = None,
    time_limit: Annotated[float | None, typer.Option(metavar="SECONDS", help="How long an attempt may run.")] = None,
    on_crash: Annotated[OnCrash, typer.Option(help="What to do when a robot dies while the job runs.")] = "retry",
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="What a robot must have: capabilities=excel,sap or labels=site=berlin or environment=prod or pool=blue; "
            "may be repeated.",
        ),
    ] = None,
) -> None:
    """Put a job into its queue and print its id."""
    fields: dict[str, Any] = {
        "workflow": workflow,
        "payload": arguments.payload(payload, payload_file),
        "priority": None if priority is None else arguments.priority(priority),
        "queue_name": queue,
        "tenant_id": tenant,
        "tags": tag,
        "metadata": None if metadata is None else arguments.json_object(metadata, "metadata"),
        "reference": reference,
        "run_at": arguments.run_at(run_at, run_in),
        "max_retries": max_retries,
        "time_limit": time_limit,
        "on_crash": on_crash,
        "requirements": arguments.requirements(require or []),
    }
    job = arguments.job({name: value for name, value in fields.items() if value is not None})
    say(str(ask(lambda producer: producer.enqueue_job(job))))
