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
    InvalidJob,
    JobNotFound,
    LeaseLost,
    MigrationFailed,
    NotPermitted,
    QueueNotFound,
    SchemaMissing,
    SchemaTooNew,
    ServerTooOld,
)
from casare_rpa.infrastructure.queue.config import QueueConfig
from casare_rpa.infrastructure.queue.consumer import PgQueuerConsumer
from casare_rpa.infrastructure.queue.models import (
    EnqueueResult,
    JobAttempt,
    JobModel,
    JobPriority,
    JobStatus,
    QueueHealth,
)
from casare_rpa.infrastructure.queue.producer import PgQueuerProducer
from casare_rpa.infrastructure.queue.schema import migrate

__all__ = [
    "BusinessError",
    "CasareError",
    "ConfigError",
    "DatabaseReadOnly",
    "DatabaseUnavailable",
    "DuplicateReference",
    "EnqueueResult",
    "InvalidJob",
    "JobAttempt",
    "JobModel",
    "JobNotFound",
    "JobPriority",
    "JobStatus",
    "LeaseLost",
    "MigrationFailed",
    "NotPermitted",
    "PgQueuerConsumer",
    "PgQueuerProducer",
    "QueueConfig",
    "QueueHealth",
    "QueueNotFound",
    "SchemaMissing",
    "SchemaTooNew",
    "ServerTooOld",
    "migrate",
]
