"""The command line `casare`: migrate, queue, jobs, dlq, doctor, work, demo.

Settings come from the environment (`QueueConfig.from_env`), never from arguments: everybody on a machine can read those.
Results go to stdout; an error goes to stderr as one line that begins with ``casare:``. A refusal that holds SQL for an
administrator keeps that on lines of its own. No traceback is shown unless ``CASARE_DEBUG=1`` asks for it.

Exit codes:

====  ==========================================================================================================
0     done
1     the operation failed: no such job, a job that has ended cannot be cancelled, the reference is taken; or the doctor
      found a problem
2     usage or input that cannot be right, settings in the environment included
3     the database cannot be reached or used: away, not migrated, too old, read-only, migrated by a newer program
4     the database login may not do this
5     the job that was waited for, or followed, is FAILED
6     the job that was waited for, or followed, is CANCELLED
7     the job that was waited for has not ended in time
130   interrupted with Ctrl-C
141   whoever read the output went away (``casare jobs list | head -1``)
====  ==========================================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `casare` and return its exit code.

    Args:
        arguments: what follows the program's name; None is what the process was started with.

    """
    try:
        from casare_rpa.cli.app import app  # noqa: PLC0415 - Ctrl-C during the imports must not show a traceback
        from casare_rpa.cli.guard import run  # noqa: PLC0415 - as above

        return run(app, arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
