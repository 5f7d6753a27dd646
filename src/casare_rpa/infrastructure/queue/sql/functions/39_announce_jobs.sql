-- Tells the robots of some queues that jobs are ready there: what a producer calls after its commit. Where no robot waits nothing
-- is said: each notification wakes every listening session of the database. Returns how many robots the largest of the queues has.
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

-- A robot that waits for jobs of a queue says so by a shared lock of its listening session, and must look for jobs once more after
-- it has got it: what was committed before was not announced to it. Returns whether it has: a producer holds the lock for a moment,
-- but any session of the database could hold it for ever, and heartbeats must not wait for that.
CREATE OR REPLACE FUNCTION wait_for_jobs(p_queue text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM caller_tenant(p_queue);
    RETURN pg_try_advisory_lock_shared(waiting_key(p_queue));
END $$;

CREATE OR REPLACE FUNCTION stop_waiting_for_jobs(p_queue text) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$ SELECT pg_advisory_unlock_shared(waiting_key(p_queue)) $$;
