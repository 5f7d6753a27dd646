"""A robot of the demo, as a program: ``python -m casare_rpa.demo.worker ROBOT``.

The queue's settings come from the environment. It works until its standard input is closed: that way robots end with the
demo, however the demo ends, on every system.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading

from casare_rpa.demo.audit import audit_distribution
from casare_rpa.infrastructure.queue import CasareError, PgQueuerConsumer, QueueConfig


def main() -> int:
    """Work as the robot that the command line names; return the exit code."""
    try:
        asyncio.run(work(sys.argv[1]))
    except CasareError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def work(robot_id: str) -> None:
    """Audit distributions until standard input is closed, then stop in order."""
    async with PgQueuerConsumer(QueueConfig.from_env(), robot_id) as consumer:
        working = asyncio.create_task(consumer.run(audit_distribution))
        closed = asyncio.create_task(_input_closed())
        await asyncio.wait({working, closed}, return_when=asyncio.FIRST_COMPLETED)
        closed.cancel()
        await consumer.stop()
        await working


async def _input_closed() -> None:
    loop, closed = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        # Not sys.stdin: Python could not shut down while a thread waits in it.
        while os.read(0, 1024):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has just ended
            loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=read, daemon=True, name="input").start()
    await closed.wait()


if __name__ == "__main__":
    sys.exit(main())
