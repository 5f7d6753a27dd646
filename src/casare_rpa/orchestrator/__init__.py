"""What stands between requests and robots: so far the choice of the queue, and the one in memory."""

from casare_rpa.orchestrator.job_queue import JobQueue

__all__ = ["JobQueue"]
