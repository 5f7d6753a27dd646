"""Looking at queues, and an administrator's calls on them, without async."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.blocking.session import BlockingSession

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.queue_info import QueueInfo


class BlockingQueues(BlockingSession):
    """Looks at queues, pauses, resumes and purges them."""

    def list_queues(self) -> list[QueueInfo]:
        """Return how each queue is doing that this login may see, in the order of their names."""
        return self._run(lambda producer: producer.list_queues())

    def get_queue(self, queue_name: str | None = None) -> QueueInfo:
        """Return how a queue (the configured one by default) is doing.

        Raises:
            QueueNotFound: there has never been a job in it that this login may see.
            NotPermitted: this login is bound to other queues.

        """
        return self._run(lambda producer: producer.get_queue(queue_name))

    def get_queue_depth(self, queue_name: str | None = None) -> int:
        """Return how many jobs of a queue (the configured one by default) are PENDING and due, paused or not."""
        return self._run(lambda producer: producer.get_queue_depth(queue_name))

    def purge_queue(self, queue_name: str | None = None) -> int:
        """Remove the PENDING jobs of one queue (the configured one by default) and return how many; an administrator's call.

        Raises:
            QueueNotFound: there has never been a job in it.
            NotPermitted: this login is no administrator.

        """
        return self._run(lambda producer: producer.purge_queue(queue_name))

    def pause_queue(self, queue_name: str | None = None) -> None:
        """Let no job of a queue (the configured one by default) be claimed until `resume_queue`; an administrator's call.

        Raises:
            QueueNotFound: there has never been a job in it.
            NotPermitted: this login is no administrator.

        """
        self._run(lambda producer: producer.pause_queue(queue_name))

    def resume_queue(self, queue_name: str | None = None) -> None:
        """Let the jobs of a paused queue (the configured one by default) be claimed again; an administrator's call.

        Raises:
            QueueNotFound: there has never been a job in it.
            NotPermitted: this login is no administrator.

        """
        self._run(lambda producer: producer.resume_queue(queue_name))
