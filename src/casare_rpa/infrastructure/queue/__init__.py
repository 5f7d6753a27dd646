"""The durable, distributed job queue on PostgreSQL: its public names.

The names `PgQueuer…` come from the project that asked for this queue. The engine is CasareRPA's own and has nothing in common
with the library of that name.
"""

from casare_rpa.foundation.errors import (
    BusinessError,
    CasareError,
    ConfigError,
    DatabaseReadOnly,
    DatabaseUnavailable,
    DuplicateReference,
    InvalidFilter,
    InvalidJob,
    JobFailed,
    JobNotFound,
    LeaseLost,
    MigrationFailed,
    NotADeadLetter,
    NotPermitted,
    QueueNotFound,
    SchemaMissing,
    SchemaTooNew,
    ServerTooOld,
    WaitTimedOut,
)
from casare_rpa.infrastructure.queue.config import QueueConfig
from casare_rpa.infrastructure.queue.consumer import PgQueuerConsumer
from casare_rpa.infrastructure.queue.events import JobEvent
from casare_rpa.infrastructure.queue.filters import JobFilter
from casare_rpa.infrastructure.queue.models import (
    DeadLetterGroup,
    EnqueueResult,
    JobAction,
    JobAttempt,
    JobModel,
    JobPriority,
    JobStatus,
    QueueHealth,
)
from casare_rpa.infrastructure.queue.pages import BulkResult, GroupList, JobCount, JobPage
from casare_rpa.infrastructure.queue.producer import PgQueuerProducer
from casare_rpa.infrastructure.queue.producing.waiting import JobHandle
from casare_rpa.infrastructure.queue.queue_info import QueueInfo
from casare_rpa.infrastructure.queue.schema import migrate
from casare_rpa.infrastructure.queue.sync import PgQueuerSyncProducer

__all__ = [
    "BulkResult",
    "BusinessError",
    "CasareError",
    "ConfigError",
    "DatabaseReadOnly",
    "DatabaseUnavailable",
    "DeadLetterGroup",
    "DuplicateReference",
    "EnqueueResult",
    "GroupList",
    "InvalidFilter",
    "InvalidJob",
    "JobAction",
    "JobAttempt",
    "JobCount",
    "JobEvent",
    "JobFailed",
    "JobFilter",
    "JobHandle",
    "JobModel",
    "JobNotFound",
    "JobPage",
    "JobPriority",
    "JobStatus",
    "LeaseLost",
    "MigrationFailed",
    "NotADeadLetter",
    "NotPermitted",
    "PgQueuerConsumer",
    "PgQueuerProducer",
    "PgQueuerSyncProducer",
    "QueueConfig",
    "QueueHealth",
    "QueueInfo",
    "QueueNotFound",
    "SchemaMissing",
    "SchemaTooNew",
    "ServerTooOld",
    "WaitTimedOut",
    "migrate",
]
