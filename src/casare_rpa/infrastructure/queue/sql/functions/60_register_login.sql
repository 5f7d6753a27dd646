-- Lets a database login use the queue, bound to one tenant and to some queues. What it may do there is decided by the role that was
-- granted to it: <schema>_producer, <schema>_robot, <schema>_viewer.
--
-- Arguments:
--   p_login: the login's name; it must exist.
--   p_tenant: the tenant whose jobs it sees and makes; NULL is all of them.
--   p_queues: the queues that it may use; NULL is all of them.
-- Returns: nothing.
-- Errors: CR004 when there is no such login, or a queue is NULL.
-- Guarantees: repeatable: a second call for the same login replaces what the first one said, from the next statement of its sessions on.
CREATE OR REPLACE FUNCTION register_login(p_login name, p_tenant text DEFAULT NULL, p_queues text[] DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = p_login) THEN
        RAISE EXCEPTION 'there is no login "%" in this PostgreSQL', p_login USING ERRCODE = 'CR004';
    ELSIF array_position(p_queues, NULL) IS NOT NULL THEN -- compared with it, every other queue would be allowed too
        RAISE EXCEPTION 'queues must be a list of names without NULL, or NULL itself for all of them' USING ERRCODE = 'CR004';
    END IF;
    INSERT INTO logins (login, tenant_id, queues) VALUES (p_login, p_tenant, p_queues)
    ON CONFLICT (login) DO UPDATE SET tenant_id = excluded.tenant_id, queues = excluded.queues;
END $$;
