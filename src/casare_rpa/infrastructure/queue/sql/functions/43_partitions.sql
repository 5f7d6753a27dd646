-- History is kept in partitions of a week. They are attached well ahead, which takes no lock that a settlement waits for.
-- The caller's session must not decide how bounds are written and read: "IST" is India's time or Israel's.
CREATE OR REPLACE FUNCTION ensure_partitions(p_now timestamptz) RETURNS integer
LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
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
END $$;

-- Drops weeks past the retention. A reader that holds an old one must not make settlements wait behind the drop: it gives up after
-- a tenth of a second and the next pass tries again. References and attempts of the dropped jobs go with them.
CREATE OR REPLACE FUNCTION drop_old_history(p_now timestamptz) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '100ms' SET timezone = 'UTC' AS $$
DECLARE
    v_week    record;
    v_dropped integer := 0;
BEGIN
    FOR v_week IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, settings s
         WHERE i.inhparent = 'job_history'::regclass AND c.relname ~ '^job_history_[0-9]{4}w[0-9]{2}$'
           AND to_timestamp(substr(c.relname, 13), 'IYYY"w"IW') + interval '8 days' < p_now - s.retention
         ORDER BY c.relname
    LOOP
        BEGIN
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', v_week.relname);
            EXECUTE format('DELETE FROM job_references r USING %I h WHERE h.reference IS NOT NULL AND r.tenant_id = coalesce(h.tenant_id, '''') '
                           'AND r.queue_name = h.queue_name AND r.reference = h.reference AND r.job_id = h.id', v_week.relname);
            EXECUTE format('DELETE FROM job_attempts a USING %I h WHERE a.job_id = h.id', v_week.relname);
            EXECUTE format('DROP TABLE %I', v_week.relname);
            v_dropped := v_dropped + 1;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            RAISE LOG 'history partition % is being read: its drop is tried again later', v_week.relname;
        END;
    END LOOP;
    RETURN v_dropped;
END $$;
