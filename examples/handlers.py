"""Functions for `casare work`: run it in this folder, as in `casare work handlers:invoice`."""

import time
from typing import Any

from casare_rpa.infrastructure.queue import BusinessError, JobModel


async def invoice(job: JobModel) -> dict[str, Any]:
    """An async function runs in the robot's event loop, beside the others."""
    amount = job.payload.get("amount")
    if not isinstance(amount, int | float):
        raise BusinessError("the payload has no amount")  # bad data: not retried
    return {"gross": round(amount * 1.19, 2)}


def report(job: JobModel) -> dict[str, Any]:
    """Any other function runs in a thread of its own, so it may block."""
    time.sleep(0.1)
    return {"pages": job.payload.get("pages", 1), "attempt": job.attempt}
