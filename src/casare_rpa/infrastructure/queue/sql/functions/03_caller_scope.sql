-- The tenant and the queues that the login behind this session is bound to; NULL is all of them. They come from session_user,
-- which neither SET ROLE nor a definer function changes, and never from an argument.
CREATE OR REPLACE FUNCTION caller_scope(OUT tenant text, OUT queues text[])
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT l.tenant_id, l.queues INTO tenant, queues FROM logins l WHERE l.login = session_user;
    IF NOT FOUND AND NOT pg_has_role(session_user, current_schema() || '_owner', 'MEMBER') THEN
        RAISE EXCEPTION 'the login "%" is not registered with this queue', session_user
            USING ERRCODE = 'CR005', HINT = format('an administrator runs: SELECT %I.register_login(%L)', current_schema(), session_user);
    END IF;
END $$;

-- The caller's tenant, once it is clear that the caller may use this queue.
CREATE OR REPLACE FUNCTION caller_tenant(p_queue text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_scope record := caller_scope();
BEGIN
    IF p_queue <> ALL (v_scope.queues) THEN
        RAISE EXCEPTION 'the login "%" may not use the queue "%"', session_user, p_queue USING ERRCODE = 'CR005';
    END IF;
    RETURN v_scope.tenant;
END $$;

-- Whether what belongs to a tenant and a queue is within the scope of a caller. Plain SQL, so that it becomes part of the query.
CREATE OR REPLACE FUNCTION in_scope(p_scope_tenant text, p_scope_queues text[], p_tenant text, p_queue text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT (p_scope_tenant IS NULL OR p_tenant = p_scope_tenant) AND (p_scope_queues IS NULL OR p_queue = ANY (p_scope_queues))
$$;
