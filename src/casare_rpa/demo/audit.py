"""The demo's job: verify every file of one distribution and say what it is."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from casare_rpa.demo.description import describe
from casare_rpa.demo.record import read_record, verify_file
from casare_rpa.foundation.errors import BusinessError

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import JobModel


class Order(BaseModel):
    """The payload of an audit.

    Attributes:
        metadata: the distribution's ``.dist-info`` folder; RECORD lists paths relative to the folder it is in.
        root: the folder that no listed file may lie outside of.
        at_least_seconds: spread the reading over so many seconds, to leave the disk to others; 0 is as fast as it goes.

    """

    model_config = ConfigDict(extra="forbid")

    metadata: Path
    root: Path
    at_least_seconds: float = Field(default=0, ge=0, le=3600, allow_inf_nan=False)


async def audit_distribution(job: JobModel) -> dict[str, Any]:
    """Audit the distribution that the job's payload names, in a thread; see `Order` and `audit`.

    Raises:
        BusinessError: the payload is no order, or the distribution does not verify.

    """
    try:
        order = Order.model_validate(job.payload)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"]))
        raise BusinessError(f"the payload is no audit: {field}: {problem['msg']}") from None
    stop = threading.Event()
    try:
        return await asyncio.to_thread(audit, order, stop)
    finally:
        stop.set()  # a cancelled attempt must not go on reading


def audit(order: Order, stop: threading.Event) -> dict[str, Any]:
    """Return ``name``, ``version``, ``licence``, ``files`` and ``bytes`` verified, files ``skipped`` for want of a hash.

    Args:
        order: what to audit.
        stop: set it to end the audit before it is through.

    Raises:
        BusinessError: the distribution does not verify; the message names the file.
        InterruptedError: `stop` was set.

    """
    found = describe(order.metadata)
    record = read_record(order.metadata, order.root)
    began = time.monotonic()
    size = 0
    for number, entry in enumerate(record.entries, start=1):
        size += verify_file(entry)
        due = began + order.at_least_seconds * number / len(record.entries)
        if stop.wait(max(0.0, due - time.monotonic())):
            raise InterruptedError(f"the audit of {found['name']} was stopped")
    return {**found, "files": len(record.entries), "skipped": record.skipped, "bytes": size}
