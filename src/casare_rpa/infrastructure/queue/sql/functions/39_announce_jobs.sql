-- Tells the robots of some queues that jobs are ready there: what a producer calls after its commit.
--
-- Arguments:
--   p_queues: the queues.
--   p_jobs: for each of them how many jobs are ready; it decides how many robots wake.
-- Returns: how many robots the largest of the queues has, 0 if nobody was told.
-- Errors: CR005 for a queue that is not the login's.
-- Guarantees: only speeds things up: a job that is not announced is found by polling. Where no robot waits nothing is said: each
--   notification wakes every listening session of the database. Robots hear it when the caller's transaction commits.
CREATE OR REPLACE FUNCTION announce_jobs(p_queues text[], p_jobs bigint[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_fleet integer := 0;
BEGIN
    FOR i IN 1 .. cardinality(p_queues) LOOP
        PERFORM caller_tenant(p_queues[i]);
        IF pg_try_advisory_lock(waiting_key(p_queues[i])) THEN
            PERFORM pg_advisory_unlock(waiting_key(p_queues[i]));
        ELSE
            PERFORM announce(p_queues[i], p_jobs[i]);
            v_fleet := greatest(v_fleet, fleet_size(p_queues[i], clock()));
        END IF;
    END LOOP;
    RETURN v_fleet;
END $$;

-- Says that this session's robot waits for jobs of a queue, so that they are announced to it.
--
-- Arguments:
--   p_queue: the queue.
-- Returns: whether it is known now that the robot waits. If so, the robot must look for jobs once more: what was committed before was not
--   announced to it. If not, it goes on polling and asks again.
-- Errors: CR005 for a queue that is not the login's.
-- Guarantees: takes an advisory lock that is shared and belongs to the session, not to the transaction; it never waits for it. Called
--   twice, it must be taken back twice.
-- Inside: a producer holds the lock for a moment, but any session of the database could hold it for ever, and heartbeats must not wait
--   for that.
CREATE OR REPLACE FUNCTION wait_for_jobs(p_queue text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM caller_tenant(p_queue);
    RETURN pg_try_advisory_lock_shared(waiting_key(p_queue));
END $$;

-- Takes back one wait_for_jobs of this session.
--
-- Arguments:
--   p_queue: the queue.
-- Returns: whether the session had said that it waits.
-- Errors: none of its own; a session that did not wait gets a warning.
-- Guarantees: the end of the session does the same.
CREATE OR REPLACE FUNCTION stop_waiting_for_jobs(p_queue text) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$ SELECT pg_advisory_unlock_shared(waiting_key(p_queue)) $$;
