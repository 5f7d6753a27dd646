-- The floor: what any queue of this shape must make PostgreSQL do at least. A table of jobs with one index of those that are
-- ready, and a history with an index by which a job is found. No leases, no retries, no tenants, no requirements.

CREATE TABLE floor_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    priority integer NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    claimed_at timestamptz
);

CREATE INDEX floor_ready ON floor_jobs (priority DESC, id) WHERE claimed_at IS NULL;

CREATE TABLE floor_history (
    id bigint NOT NULL,
    priority integer NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    claimed_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX floor_history_id ON floor_history (id);
