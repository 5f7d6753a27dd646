-- Says what a listening session wants to hear of, for 30 seconds: say it again before that, also to change it.
--
-- First LISTEN on the channel `casare_e_` followed by the 32 hexadecimal digits of p_channel, then call this from another session:
-- the hello that arrives proves that the session hears. Each message is either p_hello or a JSON array of events, objects with
-- `job_id`, `queue_name`, `event`, `status`, `attempt`, `robot` and `at`. Who listens must be ready to miss events, for example
-- when the connection breaks, and look at the job then: a notification is no record.
--
-- Arguments:
--   p_channel: a secret of the session's own, a random UUID.
--   p_queues: queues whose jobs it wants to hear of, 100 at most.
--   p_jobs: jobs that it wants to hear of, 100 at most.
--   p_hello: what is sent over the channel when this commits, 1 to 100 characters.
-- Returns: nothing.
-- Errors: CR004 when an argument is out of range, or when this login has 100 channels already. CR005 for a queue that is not the
--   login's, and for a login that is not registered.
-- Guarantees: the session hears only of jobs that its login may see. Events of transactions that were under way when this committed may be missing;
--   those of later ones are not, unless the link breaks. While anybody subscribes, transactions that he hears of commit one after the other.
CREATE OR REPLACE FUNCTION subscribe(p_channel uuid, p_queues text[], p_jobs uuid[], p_hello text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_until timestamptz := clock() + interval '30 seconds';
    v_scope record;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    IF (p_channel IS NOT NULL AND cardinality(p_queues) <= 100 AND cardinality(p_jobs) <= 100 AND length(p_hello) BETWEEN 1 AND 100) IS NOT TRUE THEN
        RAISE EXCEPTION 'a subscription has a channel, 100 queues and 100 jobs at most, and a hello of 1 to 100 characters' USING ERRCODE = 'CR004';
    END IF;
    PERFORM caller_tenant(q) FROM unnest(p_queues) q;
    UPDATE subscriptions s
       SET tenant_id = v_scope.tenant, queues = v_scope.queues, wants = p_queues, wants_jobs = p_jobs, until = v_until
     WHERE s.channel = p_channel AND s.login = session_user;
    IF NOT FOUND THEN
        -- One at a time of a login: those that come at once would not see each other.
        PERFORM pg_advisory_xact_lock(hashtextextended('casare subscribes ' || current_schema() || '/' || session_user, 0));
        IF (SELECT count(*) FROM subscriptions s WHERE s.login = session_user AND s.until > clock()) >= 100 THEN
            RAISE EXCEPTION 'the login "%" has 100 subscriptions already', session_user USING ERRCODE = 'CR004';
        END IF;
        INSERT INTO subscriptions (channel, login, tenant_id, queues, wants, wants_jobs, until)
        VALUES (p_channel, session_user, v_scope.tenant, v_scope.queues, p_queues, p_jobs, v_until);
    END IF;
    PERFORM pg_notify(event_channel(p_channel), p_hello);
END $$;

-- Ends a subscription before its time.
--
-- Arguments:
--   p_channel: the secret it was made with.
-- Returns: nothing.
-- Errors: none of its own; another login's subscription is left alone.
-- Guarantees: repeatable. Messages of transactions that were under way when this committed may still come.
CREATE OR REPLACE FUNCTION unsubscribe(p_channel uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    DELETE FROM subscriptions s WHERE s.channel = p_channel AND s.login = session_user
$$;

-- Removes subscriptions that were not renewed. It waits for nobody.
CREATE OR REPLACE FUNCTION end_subscriptions(p_now timestamptz) RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM subscriptions s WHERE s.ctid = ANY (ARRAY(SELECT o.ctid FROM subscriptions o WHERE o.until < p_now FOR UPDATE SKIP LOCKED))
$$;
