"""The event loop and the producer behind calls that block: what every family of them stands on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from casare_rpa.foundation.errors import ConfigError
from casare_rpa.infrastructure.queue.background import BackgroundLoop
from casare_rpa.infrastructure.queue.config import check_config
from casare_rpa.infrastructure.queue.producer import PgQueuerProducer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.telemetry.metrics import Metrics

T = TypeVar("T")


class BlockingSession:
    """A producer in a thread of its own, from `__enter__` to `close`."""

    def __init__(self, config: QueueConfig, *, metrics: Metrics | None = None) -> None:
        self.config = check_config(config)
        self._metrics = metrics
        self._opening = threading.Lock()
        self._loop: BackgroundLoop | None = None
        self._producer: PgQueuerProducer | None = None

    def _make_producer(self) -> PgQueuerProducer:
        return PgQueuerProducer(self.config, metrics=self._metrics)

    def __enter__(self) -> Self:
        """Connect and check the schema.

        Raises:
            DatabaseUnavailable, ServerTooOld, SchemaMissing, SchemaTooNew, NotPermitted, ConfigError: the queue cannot be used.

        """
        with self._opening:
            if self._loop is not None and self._loop.is_ours:
                raise ConfigError("this producer is open already")
            loop = BackgroundLoop("casare sync producer")
            try:
                producer = self._make_producer()
                loop.run(producer.__aenter__)
            except BaseException:
                loop.stop()
                raise
            self._loop, self._producer = loop, producer
            return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Announce what is left to announce and disconnect; calls of other threads get an error. Closing twice is safe."""
        with self._opening:
            loop, self._loop = self._loop, None
            producer, self._producer = self._producer, None
        if loop is None or producer is None or not loop.is_ours:
            return
        try:
            loop.run(producer.close)
        finally:
            loop.stop()

    def _run(self, call: Callable[[PgQueuerProducer], Coroutine[Any, Any, T]]) -> T:
        loop, producer = self._loop, self._producer
        if loop is None or producer is None:
            raise ConfigError("the producer is not open: use it as `with PgQueuerSyncProducer(...) as producer`")
        return loop.run(lambda: call(producer))
