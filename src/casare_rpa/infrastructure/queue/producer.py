"""`PgQueuerProducer`: the orchestrator's side of the queue."""

from __future__ import annotations

import asyncio
import time

from casare_rpa.infrastructure.postgres.faults import describe, translate
from casare_rpa.infrastructure.queue.models import QueueHealth
from casare_rpa.infrastructure.queue.producing.dead_letters import DeadLetters
from casare_rpa.infrastructure.queue.producing.enqueuing import Enqueuing
from casare_rpa.infrastructure.queue.producing.queues import Queues
from casare_rpa.infrastructure.queue.producing.waiting import Waiting
from casare_rpa.infrastructure.queue.schema import check_version

HEALTH_TIMEOUT = 5.0
"""Seconds that a health check takes at most."""


class PgQueuerProducer(Enqueuing, DeadLetters, Queues, Waiting):
    """Puts jobs into queues, looks them up, cancels and redrives them.

    Use it as ``async with PgQueuerProducer(config) as producer``. Calls survive dropped connections and restarts of the server:
    they are sent again for up to `outage_patience` seconds, an enqueue in such a way that no job is doubled.

    Args:
        config: the queue and its settings.
        metrics: what `enable_metrics` returned; None counts nothing.

    Raises:
        ConfigError: `config` is no `QueueConfig`.

    """

    async def health_check(self) -> QueueHealth:
        """Return whether the queue can be used, and what was found; never raises, and takes 5 seconds at most."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                connection = await self._backend.connect("casare health check")
                try:
                    connected = time.monotonic()
                    info = await self._calls.schema_info(connection)
                    latency = (time.monotonic() - connected) * 1000
                    version = self._backend.server_version(connection)
                finally:
                    connection.terminate()
            check_version(info["version"], info["oldest_program"])
        except TimeoutError:
            return QueueHealth(ok=False, error=f"no answer within {time.monotonic() - began:.0f} s")
        except Exception as error:  # noqa: BLE001 - a health check reports, it never raises
            return QueueHealth(ok=False, error=describe(translate(error)))
        return QueueHealth(
            ok=True,
            latency_ms=latency,
            server_version=version,
            schema_version=info["version"],
        )
