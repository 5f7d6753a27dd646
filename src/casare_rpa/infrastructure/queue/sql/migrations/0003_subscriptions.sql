-- Who wants to hear of jobs at this moment: a row for each listening session, until it says so no more. The tenant and the queues
-- are those of its login, so that nobody hears what it may not see.
--
-- There is no index on purpose: the table is empty as a rule, and a look into an empty table without one touches no buffer.
CREATE TABLE subscriptions (
    channel    uuid        NOT NULL, -- a secret: who knows it may listen
    login      name        NOT NULL,
    tenant_id  text,
    queues     text[],
    wants      text[]      NOT NULL, -- names of queues
    wants_jobs uuid[]      NOT NULL,
    until      timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1);
