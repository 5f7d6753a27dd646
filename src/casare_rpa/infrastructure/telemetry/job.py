"""What telemetry reads of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class Job(Protocol):
    """A claimed job; its payload and its lease are none of telemetry's business."""

    @property
    def id(self) -> UUID | None: ...

    @property
    def workflow(self) -> str: ...

    @property
    def attempt(self) -> int: ...

    @property
    def queue_name(self) -> str | None: ...

    @property
    def metadata(self) -> dict[str, Any]: ...

    @property
    def created_at(self) -> datetime | None: ...

    @property
    def run_at(self) -> datetime | None: ...

    @property
    def claimed_at(self) -> datetime | None: ...
