"""The vocabulary of the log: every line that CasareRPA writes is one of these."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """What a line of the log says; its fields say the rest."""

    ROBOT_OPENED = "robot_opened"
    ROBOT_STOPPING = "robot_stopping"
    ROBOT_STOPPED = "robot_stopped"
    DATABASE_LOST = "database_lost"
    DATABASE_BACK = "database_back"
    HEARTBEAT_LATE = "heartbeat_late"
    CLAIM_GIVEN_UP = "claim_given_up"
    LEASE_LOST = "lease_lost"
    JOB_FAILED = "job_failed"
    JOB_DEAD = "job_dead"
    SETTLEMENT_GIVEN_UP = "settlement_given_up"
    TRACING_FAILED = "tracing_failed"
    JOBS_ENQUEUED = "jobs_enqueued"
    JOB_CLAIMED = "job_claimed"
    JOB_STARTED = "job_started"
    JOB_SETTLED = "job_settled"
