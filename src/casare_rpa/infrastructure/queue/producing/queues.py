"""Looking at queues, and an administrator's calls on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.producing.session import Session
from casare_rpa.infrastructure.queue.rows import queue_info

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.queue_info import QueueInfo


class Queues(Session):
    """Looks at queues, pauses, resumes and purges them."""

    async def list_queues(self) -> list[QueueInfo]:
        """Return how each queue is doing that this login may see, in the order of their names.

        A queue exists from its first job on, and stays when it is empty. Among more than some 25,000 jobs those of large queues
        are estimated, so the call takes hundredths of a second however many there are.
        """
        rows = await self._call(lambda c: self._calls.list_queues(c, None))
        return sorted((queue_info(row) for row in rows), key=lambda queue: queue.queue_name)

    async def get_queue(self, queue_name: str | None = None) -> QueueInfo:
        """Return how a queue (the configured one by default) is doing; see `list_queues`.

        Raises:
            QueueNotFound: there has never been a job in it that this login may see.
            NotPermitted: this login is bound to other queues.

        """
        [row] = await self._call(lambda c: self._calls.list_queues(c, queue_name or self.config.queue_name))
        return queue_info(row)

    async def get_queue_depth(self, queue_name: str | None = None) -> int:
        """Return how many jobs of a queue (the configured one by default) are PENDING and due, paused or not.

        They are counted, which takes about a tenth of a second for each million; `get_queue` estimates so many.
        """
        return await self._call(lambda c: self._calls.queue_depth(c, queue_name or self.config.queue_name))

    async def purge_queue(self, queue_name: str | None = None) -> int:
        """Remove the PENDING jobs of one queue (the configured one by default) and return how many; an administrator's call.

        Jobs that are put in meanwhile stay, and so does what a robot holds or is claiming. A large queue is purged in steps, each
        of which counts at once: one that is interrupted has removed a part.

        Raises:
            QueueNotFound: there has never been a job in it.
            NotPermitted: this login is no administrator.

        """
        return await self._call(lambda c: self._calls.purge(c, queue_name or self.config.queue_name))

    async def pause_queue(self, queue_name: str | None = None) -> None:
        """Let no job of a queue (the configured one by default) be claimed until `resume_queue`; an administrator's call.

        What runs goes on. A queue that is paused already stays so, with the time and the login of the first pause.

        Raises:
            QueueNotFound: there has never been a job in it.
            NotPermitted: this login is no administrator.

        """
        await self._call(lambda c: self._calls.pause(c, queue_name or self.config.queue_name))

    async def resume_queue(self, queue_name: str | None = None) -> None:
        """Let the jobs of a paused queue (the configured one by default) be claimed again; an administrator's call.

        Robots that wait are told. A queue that is not paused stays as it is.

        Raises:
            QueueNotFound: there has never been a job in it.
            NotPermitted: this login is no administrator.

        """
        await self._call(lambda c: self._calls.resume(c, queue_name or self.config.queue_name))
