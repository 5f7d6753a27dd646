"""A robot as a process: works until a signal asks it to stop."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from casare_rpa.cli.output import note, say
from casare_rpa.cli.stop_signals import StopSignals
from casare_rpa.foundation.errors import DatabaseUnavailable, NotPermitted

if TYPE_CHECKING:
    from casare_rpa.cli.handlers import Handler
    from casare_rpa.infrastructure.queue import PgQueuerConsumer, QueueConfig

_MAY_CLAIM = """
    SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = $1 AND p.proname = 'claim_jobs'"""


async def run_robot(
    consumer: PgQueuerConsumer, handler: Handler, metrics_url: str | None = None, *, notes: bool = True
) -> None:
    """Work until the first stop signal, then let the consumer stop; at the second, cancel what still runs.

    Args:
        consumer: the robot, not yet opened.
        handler: what it does with each job.
        metrics_url: where its metrics are served, if they are.
        notes: whether to tell a person on stderr what goes on; not among lines that a machine reads.

    Raises:
        CasareError: the database refuses this robot for good.

    """
    await _require_permission(consumer.config)
    async with consumer:
        with StopSignals() as signals:
            _say_ready(consumer, metrics_url)
            working = asyncio.create_task(consumer.run(handler))
            await _either(working, signals.stop)
            if signals.stop.is_set():
                await _stop(consumer, signals, notes=notes)
            await working


async def _require_permission(config: QueueConfig) -> None:
    """Refuse to begin as a login that may not claim: it must not say first that it works."""
    import asyncpg  # noqa: PLC0415 - help must not wait for it

    from casare_rpa.infrastructure.postgres.connection import connect  # noqa: PLC0415 - as above

    try:
        connection = await connect(config.require_url(), "casare work", own_session=config.has_own_sessions)
    except DatabaseUnavailable:  # the robot has more patience
        return
    try:
        permitted = await connection.fetchval(_MAY_CLAIM, config.schema_name)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # lost: as above
        return
    finally:
        connection.terminate()
    if permitted is False:
        raise NotPermitted("permission denied for function claim_jobs")


async def _stop(consumer: PgQueuerConsumer, signals: StopSignals, *, notes: bool) -> None:
    grace = consumer.config.shutdown_grace
    if notes:
        note(f"stopping: what runs gets {grace:g} s to end, then it is released; a second signal releases it at once")
    stopping = asyncio.create_task(consumer.stop())
    await _either(stopping, signals.stop_now)
    if signals.stop_now.is_set():
        consumer.cancel_handlers()
    await stopping


async def _either(task: asyncio.Task[Any], event: asyncio.Event) -> None:
    """Wait until the task has ended or the event is set."""
    waiter = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()


def _say_ready(consumer: PgQueuerConsumer, metrics_url: str | None) -> None:
    config = consumer.config
    slots = f"{config.max_concurrent_jobs} job{'s' if config.max_concurrent_jobs > 1 else ''} at once"
    say(f"casare: the robot {consumer.robot_id} works on the queue {config.queue_name}, {slots}")
    if metrics_url is not None:
        say(f"casare: its metrics are at {metrics_url}")
    sys.stdout.flush()
