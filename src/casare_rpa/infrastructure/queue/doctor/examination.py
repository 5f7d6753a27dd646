"""Makes all checks within a time that is known beforehand, whatever the server does."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.foundation.errors import CasareError, ConfigError, ServerTooOld
from casare_rpa.infrastructure.postgres.faults import describe, translate
from casare_rpa.infrastructure.queue.doctor.checks import CHECKS
from casare_rpa.infrastructure.queue.doctor.finding import NOT_VISIBLE, RESTORE, note, problem, warning
from casare_rpa.infrastructure.queue.doctor.limits import Limits
from casare_rpa.infrastructure.queue.doctor.resolving import resolves_within
from casare_rpa.infrastructure.queue.doctor.visit import Visit

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.doctor.checks import Check
    from casare_rpa.infrastructure.queue.doctor.finding import Finding

_CONNECTING = 5.0
"""Seconds that the server gets to take a connection."""
_MISSING = ("3F000", "42883", "42P01", "42703")


async def examine(config: QueueConfig, limits: Limits | None = None) -> list[Finding]:
    """Look at the server, the schema and the queues, change nothing, and return what was found.

    Args:
        config: where the queue is.
        limits: which numbers are worth a word; by default those of `Limits`.

    Raises:
        ConfigError: there is no database URL, or it is none of PostgreSQL's.

    """
    config.require_url()
    visit = Visit(config, limits or Limits())
    deadline = time.monotonic() + visit.limits.total
    if (refusal := await _connect(visit, deadline)) is not None:
        return [refusal]
    findings: list[Finding] = []
    try:
        for check in CHECKS:
            if check.of_the_schema and not visit.schema_usable:
                continue
            if time.monotonic() >= deadline:
                findings.append(
                    warning(check.name, "not looked at: the time was up", "ask again when the server is less busy")
                )
                continue
            if visit.connection.is_closed() and (refusal := await _connect(visit, deadline)) is not None:
                return [*findings, refusal]
            findings += await _make(check, visit, deadline)
    finally:
        visit.connection.terminate()
    return findings


async def _connect(visit: Visit, deadline: float) -> Finding | None:
    """Open the visit's connection, or return what is in the way."""
    patience = max(0.1, min(_CONNECTING, deadline - time.monotonic()))
    if not await resolves_within(visit.config.require_url(), patience):
        words = f"the name of the server could not be looked up within {patience:.0f} s"
        return problem("server", words, "look at PGQUEUER_DATABASE_URL, and at this machine's name servers")
    try:
        async with asyncio.timeout(patience):
            visit.connection = await visit.connect()
    except TimeoutError:
        return problem("server", f"no answer within {patience:.0f} s", "is it up, and is the way to it open?")
    except ConfigError:
        raise
    except ServerTooOld as error:
        return problem("server", str(error), "update the server")
    except CasareError as error:
        if "too many" in str(error) or "remaining connection slots" in str(error):
            advice = "end sessions: SELECT pid, usename, application_name, state FROM pg_stat_activity; or raise max_connections"
            return problem("connections", str(error), advice, left=0)
        return problem(
            "server", str(error), "look at PGQUEUER_DATABASE_URL, at pg_hba.conf, and whether the server is up"
        )
    return None


async def _make(check: Check, visit: Visit, deadline: float) -> list[Finding]:
    """Make one check. What it needs and cannot see, or cannot have in time, is a finding too."""
    patience = min(visit.limits.one_check, deadline - time.monotonic())
    task = asyncio.ensure_future(check.make(visit))
    await asyncio.wait({task}, timeout=patience)
    if not task.done():
        visit.connection.terminate()  # first: a cancelled call waits until the server has confirmed that
        task.cancel()
        await asyncio.wait({asyncio.gather(task, return_exceptions=True)}, timeout=1.0)
        return [_late(check, patience)]
    try:
        return task.result()
    except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError):
        return [_late(check, patience)]
    except asyncpg.InsufficientPrivilegeError:
        return [note(check.name, NOT_VISIBLE, f"ask as a member of {visit.role('owner')}")]
    except Exception as error:  # noqa: BLE001 - whatever happens to one check, the others are made
        return [_failed(check, error, visit)]


def _late(check: Check, patience: float) -> Finding:
    advice = (
        "ask again; who is in the way: SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity "
        "WHERE cardinality(pg_blocking_pids(pid)) > 0;"
    )
    return warning(
        check.name, f"no answer within {patience:.1f} s: the server is busy, or a lock is in the way", advice
    )


def _failed(check: Check, error: Exception, visit: Visit) -> Finding:
    if getattr(error, "sqlstate", None) in _MISSING:
        advice = RESTORE if visit.lacks_objects else "casare migrate"
        return problem(check.name, f"cannot be looked at: {describe(error)}", advice)
    return warning(check.name, f"cannot be looked at: {describe(translate(error))}")
