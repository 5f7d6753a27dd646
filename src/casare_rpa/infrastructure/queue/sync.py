"""`PgQueuerSyncProducer`: the producer for programs that are not async."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.blocking.dead_letters import BlockingDeadLetters
from casare_rpa.infrastructure.queue.blocking.enqueuing import BlockingEnqueuing
from casare_rpa.infrastructure.queue.blocking.jobs import BlockingJobs
from casare_rpa.infrastructure.queue.blocking.queues import BlockingQueues

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.infrastructure.queue.models import JobModel, QueueHealth


class PgQueuerSyncProducer(BlockingEnqueuing, BlockingJobs, BlockingDeadLetters, BlockingQueues):
    """A `PgQueuerProducer` whose calls block instead of being awaited, for scripts, threads and web workers.

    Use it as ``with PgQueuerSyncProducer(config) as producer``. It may be used from many threads at once; its own thread has the
    event loop and the connections. Every call raises what the method of the same name of `PgQueuerProducer` raises, and
    `ConfigError` when the producer is not open, when it is used in another process after a fork, or in a thread that runs an event
    loop. Ctrl-C interrupts any call; whether an enqueue has taken effect is unknown then.
    All calls are here but `handle` and `follow`.

    To enqueue inside a transaction of psycopg, SQLAlchemy or Django, call the SQL function ``enqueue_job`` on its connection.

    Args:
        config: the queue and its settings.
        metrics: what `enable_metrics` returned; None counts nothing.

    Raises:
        ConfigError: `config` is no `QueueConfig`.

    """

    def wait_for(self, job_id: UUID | str, *, timeout: float | None = None) -> JobModel:
        """Return a job as soon as it has ended: COMPLETED, FAILED or CANCELLED; at once when that was long ago.

        Args:
            job_id: the job.
            timeout: seconds to wait, more than 0; None waits for as long as it takes.

        Raises:
            JobNotFound: there is none with this id.
            WaitTimedOut: it has not ended in time. It goes on.

        """
        return self._run(lambda producer: producer.wait_for(job_id, timeout=timeout))

    def health_check(self) -> QueueHealth:
        """Return whether the queue can be used, and what was found; takes 5 seconds at most."""
        return self._run(lambda producer: producer.health_check())
