"""`casare queue depth`."""

from typing import TYPE_CHECKING, Annotated

import typer

from casare_rpa.cli.arguments import filters
from casare_rpa.cli.options import Json
from casare_rpa.cli.output import print_json, say
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import PgQueuerProducer

app = typer.Typer(help="Look at queues.")


@app.callback()
def _queue() -> None:
    pass


@app.command()
def depth(
    queue: Annotated[
        str | None,
        typer.Argument(metavar="[QUEUE]", help="The queue; PGQUEUER_QUEUE_NAME by default.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print how many jobs wait.

    Those that are PENDING and due, whether the queue is paused or not.
    """
    filters(queue=queue)
    name, count = ask(lambda producer: _depth(producer, queue))
    if as_json:
        print_json({"queue_name": name, "depth": count})
    else:
        say(str(count))


async def _depth(producer: "PgQueuerProducer", queue: str | None) -> tuple[str, int]:
    name = queue or producer.config.queue_name
    return name, await producer.get_queue_depth(name)
