-- History is kept in partitions of a week. They are attached well ahead, which takes no lock that a settlement waits for; a VACUUM
-- may be in the way of that for hours, so it gives up after a tenth of a second. Returns how many were made, NULL if it gave up.
-- The caller's session must not decide how bounds are written and read: "IST" is India's time or Israel's.
CREATE OR REPLACE FUNCTION ensure_partitions(p_now timestamptz) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '100ms' SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    v_from timestamptz;
    v_name text;
    v_made integer := 0;
BEGIN
    FOR v_week IN -1..4 LOOP
        v_from := date_trunc('week', p_now AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + v_week * interval '7 days';
        v_name := 'job_history_' || to_char(v_from AT TIME ZONE 'UTC', 'IYYY"w"IW');
        CONTINUE WHEN to_regclass(format('%I.%I', current_schema(), v_name)) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE job_history INCLUDING DEFAULTS, CHECK (finished_at >= %L AND finished_at < %L)) WITH (autovacuum_vacuum_insert_scale_factor = 0.1)',
                       v_name, v_from, v_from + interval '7 days');
        EXECUTE format('ALTER TABLE job_history ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', v_name, v_from, v_from + interval '7 days');
        v_made := v_made + 1;
    END LOOP;
    RETURN v_made;
EXCEPTION WHEN lock_not_available THEN
    RAISE LOG 'a lock on the history is in the way of its next partitions: they are tried again';
    RETURN NULL;
END $$;

-- Drops the oldest week past the retention; returns whether it did. It never does much at a time, since heartbeats share its session:
-- first the references, attempts and actions of that week's jobs go, some hundred pages of it a pass, then the week itself. A reader that
-- holds it must not make settlements wait behind the drop, which gives up after a tenth of a second and is tried again in an hour.
CREATE OR REPLACE FUNCTION drop_old_history(p_state upkeep_state, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '100ms' SET timezone = 'UTC' AS $$
DECLARE
    v_week  text;
    v_pages bigint;
    v_from  bigint;
BEGIN
    SELECT c.relname, pg_relation_size(c.oid) / current_setting('block_size')::bigint INTO v_week, v_pages
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, settings s
     WHERE i.inhparent = 'job_history'::regclass AND c.relname ~ '^job_history_[0-9]{4}w[0-9]{2}$'
       AND to_timestamp(substr(c.relname, 13), 'IYYY"w"IW') + interval '8 days' < p_now - s.retention
     ORDER BY c.relname LIMIT 1;
    v_from := CASE WHEN p_state.dropping = v_week THEN p_state.dropped_pages ELSE 0 END;
    IF v_from < v_pages THEN
        PERFORM forget_pages(v_week, v_from, v_from + 500);
        v_from := v_from + 500;
    END IF;
    UPDATE upkeep_state SET dropping = v_week, dropped_pages = v_from;
    IF v_week IS NULL OR v_from < v_pages THEN
        RETURN false;
    END IF;
    BEGIN
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', v_week); -- before the parent's, which settlements need
        EXECUTE format('DROP TABLE %I', v_week);
        RETURN true;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        RAISE LOG 'history partition % is being read: its drop is tried again in an hour', v_week;
        UPDATE upkeep_state SET dropping = NULL;
        RETURN false;
    END;
END $$;

-- Removes references, attempts and actions of the jobs on some pages of a week.
CREATE OR REPLACE FUNCTION forget_pages(p_week text, p_from bigint, p_to bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_pages text := format('h.ctid >= %L::tid AND h.ctid < %L::tid', format('(%s,0)', p_from), format('(%s,0)', p_to));
BEGIN
    EXECUTE format('DELETE FROM job_references r USING %I h WHERE %s AND h.reference IS NOT NULL AND r.tenant_id = coalesce(h.tenant_id, '''') '
                   'AND r.queue_name = h.queue_name AND r.reference = h.reference AND r.job_id = h.id', p_week, v_pages);
    -- Another tenant's job may have the same id.
    EXECUTE format('DELETE FROM job_attempts a USING %I h WHERE %s AND a.job_id = h.id AND a.queue_name = h.queue_name '
                   'AND a.tenant_id IS NOT DISTINCT FROM h.tenant_id', p_week, v_pages);
    EXECUTE format('DELETE FROM job_actions a USING %I h WHERE %s AND a.job_id = h.id AND a.queue_name = h.queue_name '
                   'AND a.tenant_id IS NOT DISTINCT FROM h.tenant_id', p_week, v_pages);
END $$;
