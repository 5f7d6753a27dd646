-- Tells the robots of some queues that jobs are ready there: what a producer calls after its commit.
--
-- Arguments:
--   p_queues: the queues.
--   p_jobs: for each of them how many jobs are ready; it decides how many robots wake.
-- Returns: how many robots the largest of the queues has, 1000 at most; 0 if nobody was told.
-- Errors: CR005 for a queue that is not the login's.
-- Guarantees: only speeds things up: a job that is not announced is found by polling. Where no robot waits nothing is said: each
--   notification wakes every listening session of the database. Robots hear it when the caller's transaction commits.
CREATE OR REPLACE FUNCTION announce_jobs(p_queues text[], p_jobs bigint[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_fleet  integer := 0;
    v_tenant text;
BEGIN
    FOR i IN 1 .. cardinality(p_queues) LOOP
        v_tenant := caller_tenant(p_queues[i]);
        IF pg_try_advisory_lock(waiting_key(p_queues[i])) THEN
            PERFORM pg_advisory_unlock(waiting_key(p_queues[i]));
        ELSE
            v_fleet := greatest(v_fleet, wake_robots(p_queues[i], p_jobs[i], v_tenant));
        END IF;
    END LOOP;
    RETURN v_fleet;
END $$;

-- Tells robots of a queue that jobs are ready, two more than there are jobs, and returns how many it has. A few are told all at once,
-- and choose among themselves. Of many, some are chosen by chance and told one by one: a message that all of them hear would wake all
-- of their programs, and each that looks in vain costs as much as one that finds a job.
CREATE OR REPLACE FUNCTION wake_robots(p_queue text, p_jobs bigint, p_tenant text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_now   timestamptz := clock();
    v_fleet integer := fleet_size(p_queue, p_tenant, v_now);
    v_woken integer := least(p_jobs, 10000) + 2;
    v_from  uuid := gen_random_uuid();
BEGIN
    IF v_fleet <= 2 * v_woken THEN
        PERFORM announce(p_queue, p_jobs);
    ELSE
        PERFORM notify_quietly(robot_channel(w.incarnation), 'jobs')
           FROM ((SELECT r.incarnation FROM robots_of(p_queue, p_tenant, v_now) r WHERE r.incarnation >= v_from ORDER BY r.incarnation LIMIT v_woken)
                 UNION ALL
                 (SELECT r.incarnation FROM robots_of(p_queue, p_tenant, v_now) r WHERE r.incarnation < v_from ORDER BY r.incarnation LIMIT v_woken)
                 LIMIT v_woken) w;
    END IF;
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
