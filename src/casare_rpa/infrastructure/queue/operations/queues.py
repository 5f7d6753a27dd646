"""Looking at queues, and an administrator's calls on them."""

from __future__ import annotations

from casare_rpa.infrastructure.queue.operations.session import Session


class Queues(Session):
    """Looks at queues, pauses, resumes and purges them."""

    async def get_queue_depth(self, queue_name: str | None = None) -> int:
        """Return how many jobs of a queue (the configured one by default) are PENDING and due, paused or not."""
        return await self._call(lambda c: self._calls.queue_depth(c, queue_name or self.config.queue_name))

    async def purge_queue(self, queue_name: str | None = None) -> int:
        """Remove the PENDING jobs of one queue (the configured one by default) and return how many; an administrator's call.

        Raises:
            QueueNotFound: there has never been a job in it.
            NotPermitted: this login is no administrator.

        """
        return await self._call(lambda c: self._calls.purge(c, queue_name or self.config.queue_name))

    async def pause_queue(self, queue_name: str | None = None) -> None:
        """Let no job of a queue be claimed until `resume_queue`; an administrator's call.

        Raises:
            QueueNotFound: there has never been a job in it.

        """
        await self._call(lambda c: self._calls.pause(c, queue_name or self.config.queue_name))

    async def resume_queue(self, queue_name: str | None = None) -> None:
        """Let the jobs of a paused queue be claimed again; an administrator's call."""
        await self._call(lambda c: self._calls.resume(c, queue_name or self.config.queue_name))
