"""`casare queue list`, `show`, `depth`, `pause`, `resume` and `purge`."""

from typing import TYPE_CHECKING, Annotated

import typer

from casare_rpa.cli.arguments import filters
from casare_rpa.cli.confirm import can_ask, confirmed
from casare_rpa.cli.faults import BadInput
from casare_rpa.cli.options import Json, QueueName, Yes
from casare_rpa.cli.output import as_document, note, print_json, print_json_array, say
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import PgQueuerProducer

app = typer.Typer(help="Look at queues, pause, resume and purge them.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List queues with what waits and runs in them.

    A number after ~ is an estimate: large queues are not counted.
    """
    queues = ask(lambda producer: producer.list_queues())
    if as_json:
        print_json_array(as_document(queue) for queue in queues)
    elif not queues:
        note("no queues: a queue exists from its first job on")
    else:
        from casare_rpa.cli.queue_views import show_queues  # noqa: PLC0415 - only people need tables

        show_queues(queues)


@app.command()
def show(queue: QueueName = None, as_json: Json = False) -> None:
    """Show how a queue is doing.

    What waits and runs, since when the oldest waits, throughput, whether it is paused.
    """
    filters(queue=queue)
    found = ask(lambda producer: producer.get_queue(queue))
    if as_json:
        print_json(as_document(found))
    else:
        from casare_rpa.cli.queue_views import show_queue  # noqa: PLC0415 - only people need tables

        show_queue(found)


@app.command()
def depth(queue: QueueName = None, as_json: Json = False) -> None:
    """Print how many jobs wait.

    Those that are PENDING and due, whether the queue is paused or not.
    """
    filters(queue=queue)
    name, count = ask(lambda producer: _depth(producer, queue))
    if as_json:
        print_json({"queue_name": name, "depth": count})
    else:
        say(str(count))


@app.command()
def pause(queue: QueueName = None) -> None:
    """Hand out no more jobs of a queue.

    Until it is resumed. What runs goes on.
    """
    filters(queue=queue)
    ask(lambda producer: producer.pause_queue(queue))


@app.command()
def resume(queue: QueueName = None) -> None:
    """Hand out the jobs of a paused queue again."""
    filters(queue=queue)
    ask(lambda producer: producer.resume_queue(queue))


@app.command()
def purge(
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="The queue; it must be named.", show_default=False)],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove the jobs of a queue that wait, without a trace.

    What runs, what has ended, and dead letters stay. Asks before; a script says --yes.
    """
    filters(queue=queue)
    if not yes:
        found = ask(lambda producer: producer.get_queue(queue))
        count = f"about {found.waiting} (an estimate)" if found.estimated else f"{found.waiting}"
        if not can_ask():
            raise BadInput(f'{count} jobs wait in "{queue}": say --yes to remove them for good')
        if not confirmed(f'Remove the jobs that wait in "{queue}", {count}, for good?'):
            note("nothing was removed")
            return
    removed = ask(lambda producer: producer.purge_queue(queue))
    if as_json:
        print_json({"queue_name": queue, "removed": removed})
    else:
        say(f"{removed} removed")


async def _depth(producer: "PgQueuerProducer", queue: str | None) -> tuple[str, int]:
    name = queue or producer.config.queue_name
    return name, await producer.get_queue_depth(name)
