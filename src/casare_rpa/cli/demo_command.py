"""`casare demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder that the demo writes its results into.")
    ] = Path("demo-output"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Print plain lines without the progress.")] = False,
) -> int:
    """See the queue at work. Needs no database.

    Starts a PostgreSQL of its own and robots, lets one of them crash, and shows that nothing is lost.

    Exit codes of the demo: 0 every promise was kept, 1 one was not, 2 it could not be carried out.
    """
    from casare_rpa.demo import main  # noqa: PLC0415 - help must not wait for it

    return main(output, quiet)
