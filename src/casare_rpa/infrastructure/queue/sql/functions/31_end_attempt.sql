-- Decides what becomes of a job whose attempt ended without completing it, and does it. The caller holds the row's lock.
CREATE OR REPLACE FUNCTION end_attempt(p_job jobs, p_now timestamptz, p_outcome text, p_error text, p_retry_in double precision, p_enable_dlq boolean)
RETURNS job_status
LANGUAGE plpgsql AS $$
DECLARE
    v_outcome text := p_outcome;
    v_crashes integer := p_job.crashes + (p_outcome = 'expired')::integer;
    v_reason  text;
    v_status  job_status := 'PENDING';
BEGIN
    IF p_job.cancel_requested_at IS NOT NULL THEN
        v_outcome := 'cancelled';
        v_status := 'CANCELLED';
    ELSE
        v_reason := dead_letter_reason(p_job, p_outcome, v_crashes);
        v_status := CASE WHEN v_reason IS NULL THEN 'PENDING' ELSE 'FAILED' END;
    END IF;

    p_job.crashes := v_crashes;
    p_job.error := coalesce(cut_error(p_error), p_job.error);
    INSERT INTO job_attempts (job_id, tenant_id, queue_name, claimed_at, started_at, ended_at, attempt, status, outcome, robot, error, token_hash)
    VALUES (p_job.id, p_job.tenant_id, p_job.queue_name, p_job.claimed_at, p_job.started_at, p_now, p_job.attempt, v_status, v_outcome, p_job.claimed_by, cut_error(p_error),
            token_hash(p_job.lease_token));

    IF v_status = 'PENDING' THEN
        PERFORM put_back(p_job, p_now, p_outcome, p_retry_in);
    ELSIF v_status = 'FAILED' AND p_job.enable_dlq AND p_enable_dlq THEN
        PERFORM bury(p_job, p_now, v_reason);
    ELSE
        PERFORM archive(p_job, p_now, v_status);
    END IF;
    IF v_status <> 'CANCELLED' AND EXISTS (SELECT FROM subscriptions s WHERE p_job.queue_name = ANY (s.wants) OR p_job.id = ANY (s.wants_jobs)) THEN
        PERFORM emit_job(v_outcome, v_status, p_now, p_job);
    END IF;
    RETURN v_status;
END $$;

-- Why a job that ended so must not run again by itself, or NULL when it may.
CREATE OR REPLACE FUNCTION dead_letter_reason(p_job jobs, p_outcome text, p_crashes integer) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_outcome
        WHEN 'released' THEN NULL
        WHEN 'business' THEN 'business'
        WHEN 'failed' THEN CASE WHEN p_job.attempt >= p_job.max_retries THEN 'exhausted' END
        WHEN 'expired' THEN CASE
            WHEN p_job.on_crash = 'hold' AND p_job.started_at IS NOT NULL THEN 'in doubt'
            WHEN p_job.on_crash = 'fail' AND p_job.started_at IS NOT NULL THEN 'crashed'
            WHEN p_crashes >= 3 THEN 'quarantined'
            WHEN p_job.attempt >= p_job.max_retries THEN 'exhausted'
        END
    END
$$;

-- Back to PENDING. A release gives the attempt back and keeps the place; a retry waits its delay and goes to the end.
CREATE OR REPLACE FUNCTION put_back(p_job jobs, p_now timestamptz, p_outcome text, p_retry_in double precision) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_released boolean := p_outcome = 'released';
    v_delay    double precision := CASE WHEN p_outcome = 'failed' THEN least(coalesce(p_retry_in, retry_backoff(p_job.retry_delay, p_job.attempt)), 1e9) ELSE 0 END;
BEGIN
    UPDATE jobs j
       SET status = 'PENDING', attempt = p_job.attempt - v_released::integer, crashes = p_job.crashes, error = p_job.error,
           seq = CASE WHEN v_released THEN j.seq ELSE next_place() END, returned = v_released,
           deferred = v_delay > 0, run_at = CASE WHEN v_delay > 0 THEN p_now + seconds(v_delay) ELSE j.run_at END,
           claimed_by = NULL, incarnation = NULL, request = NULL, lease_token = NULL, lease_expires_at = NULL, lease_seconds = NULL,
           claimed_at = NULL, started_at = NULL
     WHERE j.id = p_job.id;
    IF v_delay <= 0 THEN
        PERFORM announce(p_job.queue_name, 1);
    END IF;
END $$;

-- Seconds before the next attempt: doubled by each attempt, at most 300, give or take a fifth so that retries do not march in step.
CREATE OR REPLACE FUNCTION retry_backoff(p_retry_delay double precision, p_attempt integer) RETURNS double precision
LANGUAGE sql VOLATILE AS $$
    SELECT least(p_retry_delay * power(2, least(p_attempt, 30) - 1), 300) * (0.8 + 0.4 * random())
$$;
