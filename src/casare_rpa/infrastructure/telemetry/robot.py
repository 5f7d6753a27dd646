"""What a robot's consumer tells: one method for everything that can happen to it and its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.telemetry.attempt import Attempt
from casare_rpa.infrastructure.telemetry.database_watch import DatabaseWatch
from casare_rpa.infrastructure.telemetry.events import Event
from casare_rpa.infrastructure.telemetry.log import Log, first_line
from casare_rpa.infrastructure.telemetry.names import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.telemetry.job import Job
    from casare_rpa.infrastructure.telemetry.metrics import Metrics, Slots


class RobotTelemetry:
    """The log lines and numbers of one robot. Without `metrics`, no numbers."""

    def __init__(self, robot_id: str, queue: str, metrics: Metrics | None) -> None:
        self._robot_id = robot_id
        self._queue = queue
        self._metrics = metrics
        self._log = Log("robot", robot_id=robot_id, queue=queue)
        self._shows_jobs = False
        """Whether lines are wanted that are written for every job; asked once for each claim."""
        self.database = DatabaseWatch(self._log, "calls", queue, metrics)
        self._heartbeats = DatabaseWatch(self._log, "heartbeats", queue, metrics)
        self._direct = DatabaseWatch(self._log, "direct", queue, None)

    def opened(self, slots: Callable[[], Slots]) -> None:
        """The robot is connected; `slots` returns how many slots it has and how many of them are busy."""
        if self._metrics is not None:
            self._metrics.watch_slots(self, self._queue, slots)
        self._log.info(Event.ROBOT_OPENED, slots=slots()[0])

    def stopping(self, held: int, grace: float) -> None:
        """The robot claims no more."""
        self._log.info(Event.ROBOT_STOPPING, held=held, grace=grace)

    def stopped(self) -> None:
        """The robot has disconnected."""
        if self._metrics is not None:
            self._metrics.forget_slots(self)
        self._log.info(Event.ROBOT_STOPPED)

    def claimed(self, jobs: Sequence[Job]) -> None:
        """A claim came back."""
        if self._metrics is not None:
            self._metrics.claimed(self._queue, jobs)
        self._shows_jobs = self._log.shows_jobs()
        if self._shows_jobs:
            for job in jobs:
                self._log.debug(Event.JOB_CLAIMED, **self.attempt(job).fields())

    def claim_failed(self, error: str, *, given_up: bool) -> None:
        """A claim failed, or its answer was waited for no longer: what it brought goes back by itself."""
        if self._metrics is not None:
            self._metrics.claim_failed(self._queue)
        if given_up:
            self._log.warning(Event.CLAIM_GIVEN_UP, error=error)

    @property
    def tells_of_ends(self) -> bool:
        """Whether anybody wants to know of jobs that completed."""
        return self._metrics is not None or self._shows_jobs

    def attempt(self, job: Job) -> Attempt:
        """Return what there is to tell of a claimed job."""
        return Attempt(self._robot_id, self._queue, job)

    def begun(self, attempts: Iterable[Attempt]) -> None:
        """Handlers are called."""
        if self._shows_jobs:
            for attempt in attempts:
                self._log.debug(Event.JOB_STARTED, **attempt.fields())

    def lease_lost(self, attempt: Attempt) -> None:
        """An attempt's lease is lost."""
        if self._metrics is not None:
            self._metrics.lease_lost(self._queue)
        self._log.warning(Event.LEASE_LOST, **attempt.fields())

    def settled(self, attempt: Attempt, outcome: str, status: str, error: str | None) -> None:
        """The database has settled an attempt; `status` is the job's now."""
        if outcome == "completed" and not self.tells_of_ends:
            return
        ending = _ending(outcome, status)
        if self._metrics is not None:
            self._metrics.settled(self._queue, attempt.workflow, ending, attempt.seconds)
        if ending == "retried":
            self._log.warning(Event.JOB_FAILED, **attempt.fields(), error=first_line(error))
        elif ending == "failed":
            self._log.error(Event.JOB_DEAD, **attempt.fields(), outcome=outcome, error=first_line(error))
        elif self._shows_jobs:
            self._log.debug(Event.JOB_SETTLED, **attempt.fields(), outcome=ending)

    def unreadable(self, job_id: UUID, workflow: str, attempt: int, error: str, status: str) -> None:
        """A job that was claimed could not be read, and is settled so."""
        if self._metrics is not None:
            self._metrics.settled(self._queue, workflow, _ending("business", status))
        fields = {"job_id": str(job_id), "workflow": workflow, "attempt": attempt}
        self._log.error(Event.JOB_DEAD, **fields, outcome="business", error=first_line(error))

    def released(self, attempts: int) -> None:
        """Attempts were released of which nothing more is known here."""
        if self._metrics is not None and attempts:
            self._metrics.settled(self._queue, OTHER, "released", attempts=attempts)

    def settlement_given_up(self, attempt: Attempt, outcome: str, error: str) -> None:
        """The robot stops before the database could be told how an attempt ended: its lease will run out."""
        self._log.warning(Event.SETTLEMENT_GIVEN_UP, **attempt.fields(), outcome=outcome, error=first_line(error))

    def heartbeat_answered(self, late_by: float) -> None:
        """The database has answered a heartbeat, so many seconds after a lease could have run out; 0 or less is in time."""
        if self._metrics is not None:
            self._metrics.heartbeat(self._queue, answered=True)
        self._heartbeats.back()
        if late_by > 0:
            self._log.warning(Event.HEARTBEAT_LATE, seconds=round(late_by, 3))

    def link_lost(self, error: str) -> None:
        """The link that heartbeats go over broke, or cannot be made."""
        if self._metrics is not None:
            self._metrics.heartbeat(self._queue, answered=False)
        self._heartbeats.lost(error)

    def direct_way(self, fault: str | None) -> None:
        """The way past a pooler is closed, for this fault, or open: None. While it is closed the robot hears nothing and polls."""
        if fault is None:
            self._direct.back()
        else:
            self._direct.lost(fault)


def _ending(outcome: str, status: str) -> str:
    if status == "PENDING":
        return "released" if outcome == "released" else "retried"
    return status.lower()
