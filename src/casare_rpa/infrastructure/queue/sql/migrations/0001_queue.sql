-- The queue's tables.
--
-- How to think about them: `jobs` holds what is still to be done and nothing else, so that it stays small and hot. A job leaves
-- it exactly once, in the transaction that settles it: to `job_history` (completed, cancelled) or to `dead_letter_queue` (failed
-- for good). `job_attempts` remembers how every other attempt ended. There are no foreign keys on this path and no counters.
--
-- A *route* interns what decides who may claim a job and how early: tenant, queue, requirements and priority. A claim looks up
-- the few routes that fit its robot and walks only those, in order of `seq`: jobs for others cost it nothing.

CREATE TYPE job_status AS ENUM ('PENDING', 'CLAIMED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED');

CREATE SEQUENCE job_sequence AS bigint;

CREATE TABLE settings (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    payload_limit integer  NOT NULL DEFAULT 1048576 CHECK (payload_limit > 0),
    result_limit  integer  NOT NULL DEFAULT 1048576 CHECK (result_limit > 0),
    retention     interval NOT NULL DEFAULT '90 days' CHECK (retention >= '1 day')
);
INSERT INTO settings DEFAULT VALUES;

-- Which tenant and which queues a database login is bound to; NULL is all of them. A login that is not listed may do nothing,
-- unless it is a member of the owner role.
CREATE TABLE logins (
    login     name PRIMARY KEY,
    tenant_id text,
    queues    text[]
);

-- Rows of one route are alike and may repeat: interning never waits for a transaction that interns the same route, because
-- the number is a digest of the content and so needs no unique index to agree on.
CREATE TABLE routes (
    route_id     bigint   NOT NULL,
    queue_name   text     NOT NULL,
    tenant_id    text,
    requirements jsonb,
    priority     smallint NOT NULL
);
CREATE INDEX idx_routes_route ON routes (route_id);
CREATE INDEX idx_routes_queue ON routes (queue_name);

CREATE TABLE paused_queues (
    queue_name text PRIMARY KEY,
    paused_at  timestamptz NOT NULL,
    paused_by  name NOT NULL
);

CREATE TABLE jobs (
    id                  uuid PRIMARY KEY,
    seq                 bigint      NOT NULL,
    route_id            bigint      NOT NULL,
    created_at          timestamptz NOT NULL,
    run_at              timestamptz,
    claimed_at          timestamptz,
    started_at          timestamptz,
    lease_expires_at    timestamptz,
    cancel_requested_at timestamptz,
    retry_delay         double precision NOT NULL,
    visibility_timeout  double precision,
    time_limit          double precision,
    lease_seconds       double precision,
    request             bigint,
    status              job_status  NOT NULL,
    max_retries         integer     NOT NULL,
    attempt             integer     NOT NULL DEFAULT 0,
    crashes             integer     NOT NULL DEFAULT 0,
    priority            smallint    NOT NULL,
    deferred            boolean     NOT NULL DEFAULT false,
    returned            boolean     NOT NULL DEFAULT false,
    enable_dlq          boolean     NOT NULL DEFAULT true,
    lease_token         uuid,
    incarnation         uuid,
    queue_name          text        NOT NULL,
    workflow            text        NOT NULL,
    on_crash            text        NOT NULL,
    tenant_id           text,
    reference           text,
    claimed_by          text,
    tags                text[],
    metadata            jsonb,
    requirements        jsonb,
    error               text,
    payload             jsonb       NOT NULL,
    CHECK (priority BETWEEN 0 AND 20)
) WITH (
    fillfactor = 60,
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.0, autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0
);

-- Ready to be claimed, in order of priority (a route has one) and sequence.
CREATE INDEX idx_jobs_status_priority ON jobs (route_id, seq) WHERE status = 'PENDING' AND NOT deferred;
-- Given back with its old place, which may lie below the floor from which robots scan (see claim_jobs).
CREATE INDEX idx_jobs_returned ON jobs (route_id, seq) WHERE status = 'PENDING' AND NOT deferred AND returned;
-- Waiting for its time.
CREATE INDEX idx_jobs_deferred ON jobs (route_id, run_at) WHERE status = 'PENDING' AND deferred;
-- Under a lease. The expiry is not indexed: a heartbeat must stay a heap-only update.
CREATE INDEX idx_jobs_held ON jobs (incarnation) WHERE status IN ('CLAIMED', 'RUNNING');
CREATE INDEX idx_jobs_tenant ON jobs (tenant_id, created_at) WHERE tenant_id IS NOT NULL;

CREATE TABLE job_history (
    id                  uuid        NOT NULL,
    seq                 bigint      NOT NULL,
    created_at          timestamptz NOT NULL,
    run_at              timestamptz,
    claimed_at          timestamptz,
    started_at          timestamptz,
    finished_at         timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    retry_delay         double precision NOT NULL,
    visibility_timeout  double precision,
    time_limit          double precision,
    status              job_status  NOT NULL,
    max_retries         integer     NOT NULL,
    attempt             integer     NOT NULL,
    crashes             integer     NOT NULL,
    priority            smallint    NOT NULL,
    token_hash          bytea,
    queue_name          text        NOT NULL,
    workflow            text        NOT NULL,
    on_crash            text        NOT NULL,
    tenant_id           text,
    reference           text,
    claimed_by          text,
    tags                text[],
    metadata            jsonb,
    requirements        jsonb,
    error               text,
    payload             jsonb       NOT NULL,
    result              jsonb
) PARTITION BY RANGE (finished_at);
CREATE INDEX idx_job_history_id ON job_history (id);

CREATE TABLE dead_letter_queue (
    id                  uuid PRIMARY KEY,
    seq                 bigint      NOT NULL,
    created_at          timestamptz NOT NULL,
    run_at              timestamptz,
    claimed_at          timestamptz,
    started_at          timestamptz,
    finished_at         timestamptz NOT NULL,
    retry_delay         double precision NOT NULL,
    visibility_timeout  double precision,
    time_limit          double precision,
    max_retries         integer     NOT NULL,
    attempt             integer     NOT NULL,
    crashes             integer     NOT NULL,
    priority            smallint    NOT NULL,
    enable_dlq          boolean     NOT NULL,
    reason              text        NOT NULL CHECK (reason IN ('exhausted', 'business', 'crashed', 'in doubt', 'quarantined')),
    queue_name          text        NOT NULL,
    workflow            text        NOT NULL,
    on_crash            text        NOT NULL,
    tenant_id           text,
    reference           text,
    claimed_by          text,
    tags                text[],
    metadata            jsonb,
    requirements        jsonb,
    error               text,
    payload             jsonb       NOT NULL
);
CREATE INDEX idx_dead_letter_queue_finished ON dead_letter_queue (queue_name, finished_at);

-- Every ended attempt except a completing one, which its history row describes. The token's digest lets a settlement that is
-- sent again, because its reply was lost, get the answer of the first time.
CREATE TABLE job_attempts (
    job_id      uuid        NOT NULL,
    tenant_id   text,
    queue_name  text        NOT NULL,
    claimed_at  timestamptz,
    started_at  timestamptz,
    ended_at    timestamptz NOT NULL,
    attempt     integer     NOT NULL,
    status      job_status  NOT NULL,
    outcome     text        NOT NULL CHECK (outcome IN ('failed', 'business', 'released', 'expired', 'cancelled')),
    robot       text,
    error       text,
    token_hash  bytea
);
CREATE INDEX idx_job_attempts_job ON job_attempts (job_id);

-- One job at most for a reference, for as long as any record of that job exists. No tenant is the empty string here.
CREATE TABLE job_references (
    tenant_id  text NOT NULL,
    queue_name text NOT NULL,
    reference  text NOT NULL,
    job_id     uuid NOT NULL,
    PRIMARY KEY (tenant_id, queue_name, reference)
);

-- Robots seen lately: how many there are decides how many of them a notification wakes.
CREATE TABLE robots (
    incarnation uuid PRIMARY KEY,
    robot_id    text        NOT NULL,
    queue_name  text        NOT NULL,
    tenant_id   text,
    seen_at     timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The lock and the memory of the upkeep: one row that is tried, never waited for.
CREATE TABLE upkeep_state (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    passed_at      timestamptz NOT NULL,
    partitioned_at timestamptz,
    dropping       text,
    dropped_pages  bigint
) WITH (fillfactor = 10);
INSERT INTO upkeep_state (passed_at) VALUES (clock_timestamp());

-- A job wherever it lives now, in one statement and so in one snapshot: it is never briefly nowhere.
CREATE VIEW all_jobs AS
SELECT id, seq, status, workflow, payload, priority, queue_name, tenant_id, tags, metadata, reference, run_at, max_retries, retry_delay,
       visibility_timeout, time_limit, on_crash, requirements, attempt, crashes, created_at, claimed_by, claimed_at, started_at,
       NULL::timestamptz AS finished_at, lease_expires_at, cancel_requested_at, NULL::jsonb AS result, error, NULL::text AS reason
  FROM jobs
UNION ALL
SELECT id, seq, 'FAILED', workflow, payload, priority, queue_name, tenant_id, tags, metadata, reference, run_at, max_retries, retry_delay,
       visibility_timeout, time_limit, on_crash, requirements, attempt, crashes, created_at, claimed_by, claimed_at, started_at,
       finished_at, NULL, NULL, NULL, error, reason
  FROM dead_letter_queue
UNION ALL
SELECT id, seq, status, workflow, payload, priority, queue_name, tenant_id, tags, metadata, reference, run_at, max_retries, retry_delay,
       visibility_timeout, time_limit, on_crash, requirements, attempt, crashes, created_at, claimed_by, claimed_at, started_at,
       finished_at, NULL, cancel_requested_at, result, error, NULL
  FROM job_history;
