-- Removes the PENDING jobs of one queue without a trace, references and attempts included.
--
-- Arguments:
--   p_queue: the queue.
-- Returns: how many were removed.
-- Errors: CR002 when there has never been a job in the queue.
-- Guarantees: touches no job that a robot has, nor one that a robot is claiming at this moment, and waits for nobody.
CREATE OR REPLACE FUNCTION purge_queue(p_queue text) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$ SELECT p.purged FROM purge_waiting(p_queue, NULL) p $$;

-- A queue exists from its first job on.
CREATE OR REPLACE FUNCTION check_queue_known(p_queue text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM routes r WHERE r.queue_name = p_queue) THEN
        RAISE EXCEPTION 'there is no queue "%"', p_queue USING ERRCODE = 'CR002';
    END IF;
END $$;
