-- Dead letters as a workplace, and jobs that are found and steered by a filter.

ALTER TABLE dead_letter_queue ADD COLUMN error_shape text, ADD COLUMN assigned_to text;
DROP INDEX idx_jobs_tenant; -- it is built anew for the order of the lists

-- What people and programs did to a job by hand. Kept as long as the job's other records.
CREATE TABLE job_actions (
    job_id     uuid        NOT NULL,
    tenant_id  text,
    queue_name text        NOT NULL,
    at         timestamptz NOT NULL,
    actor      name        NOT NULL,
    action     text        NOT NULL CHECK (action IN ('commented', 'assigned', 'edited', 'redriven', 'resolved', 'cancelled', 'prioritised', 'retried')),
    comment    text,
    detail     jsonb,
    request    uuid -- the call that did it, by the id that its caller gave it; see done_before
);
CREATE INDEX idx_job_actions_job ON job_actions (job_id, at);
-- A call that is sent again finds what it did. Plain SQL gives no ids, and then there is nothing to look up.
CREATE UNIQUE INDEX idx_job_actions_request ON job_actions (request, job_id) WHERE request IS NOT NULL;

-- A filter that was read: see read_filter.
CREATE TYPE job_filter AS (
    ids         uuid[],
    queue_name  text,
    statuses    job_status[],
    workflow    text,
    tenant_id   text,
    tags        text[],
    metadata    jsonb,
    robot       text,
    reference   text,
    since       timestamptz,
    until       timestamptz,
    error       text,
    reason      text,
    shape       text,
    assigned_to text
);

-- A job that was found: the columns of all_jobs, what a dead letter has beside them, and those of the note at the end of a page.
CREATE TYPE found_job AS (
    id                  uuid,
    seq                 bigint,
    status              job_status,
    workflow            text,
    payload             jsonb,
    priority            smallint,
    queue_name          text,
    tenant_id           text,
    tags                text[],
    metadata            jsonb,
    reference           text,
    run_at              timestamptz,
    max_retries         integer,
    retry_delay         double precision,
    visibility_timeout  double precision,
    time_limit          double precision,
    on_crash            text,
    requirements        jsonb,
    attempt             integer,
    crashes             integer,
    created_at          timestamptz,
    claimed_by          text,
    claimed_at          timestamptz,
    started_at          timestamptz,
    finished_at         timestamptz,
    lease_expires_at    timestamptz,
    cancel_requested_at timestamptz,
    result              jsonb,
    error               text,
    reason              text,
    error_shape         text,
    assigned_to         text,
    resume_after        uuid,
    examined            integer
);
