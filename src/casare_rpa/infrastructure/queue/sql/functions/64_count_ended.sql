-- Counts of what has ended, each bounded.

-- A guess at how many dead letters of a tenant (NULL is all) each queue has, and how many of them died after p_since, from 2,000
-- pages of a big table.
CREATE OR REPLACE FUNCTION sample_deaths(p_tenant text, p_since timestamptz) RETURNS TABLE (queue_name text, letters bigint, lately bigint)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    v_share double precision;
BEGIN
    IF is_big('dead_letter_queue') THEN
        v_share := 2000.0 / pages_of('dead_letter_queue');
        RETURN QUERY
        SELECT d.queue_name, (count(*) / v_share)::bigint, (count(*) FILTER (WHERE d.finished_at > p_since) / v_share)::bigint
          FROM dead_letter_queue d TABLESAMPLE SYSTEM (100 * v_share) REPEATABLE (1)
         WHERE p_tenant IS NULL OR d.tenant_id = p_tenant
         GROUP BY d.queue_name;
    END IF;
END $$;

-- Dead letters of a queue and tenant, and how many of them died after p_since. Of a big table up to 5,000 of the queue are counted,
-- the newest first; when there are more it is as many as was guessed, and so it is with those after p_since when all that were
-- counted are of them.
CREATE OR REPLACE FUNCTION count_deaths(
    p_queue text, p_tenant text, p_since timestamptz, p_letters bigint, p_lately bigint, OUT letters bigint, OUT lately bigint, OUT cut boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_most   bigint := CASE WHEN is_big('dead_letter_queue') THEN 5000 END;
    v_oldest timestamptz;
BEGIN
    IF p_tenant IS NULL THEN -- apart: the index alone answers it
        SELECT count(*), count(*) FILTER (WHERE n.finished_at > p_since), coalesce(count(*) >= v_most, false), min(n.finished_at)
          INTO letters, lately, cut, v_oldest
          FROM (SELECT d.finished_at FROM dead_letter_queue d WHERE d.queue_name = p_queue ORDER BY d.finished_at DESC LIMIT v_most) n;
    ELSE
        SELECT count(*) FILTER (WHERE n.tenant_id = p_tenant), count(*) FILTER (WHERE n.tenant_id = p_tenant AND n.finished_at > p_since),
               coalesce(count(*) >= v_most, false), min(n.finished_at)
          INTO letters, lately, cut, v_oldest
          FROM (SELECT d.finished_at, d.tenant_id FROM dead_letter_queue d WHERE d.queue_name = p_queue ORDER BY d.finished_at DESC LIMIT v_most) n;
    END IF;
    IF cut THEN
        letters := greatest(letters, p_letters);
        IF v_oldest > p_since THEN
            lately := greatest(lately, p_lately);
        END IF;
    END IF;
END $$;

-- Jobs by queue that came into the history after p_since, a short time ago, of one tenant or of all. A week of history has no index
-- by time, but its rows come in that order: the page at which the time begins is looked up. From there on up to 300 pages are
-- read; of more, ten stretches that are spread evenly over all of them, which makes the counts a guess (`cut`).
CREATE OR REPLACE FUNCTION count_ended(p_since timestamptz, p_now timestamptz, p_tenant text)
RETURNS TABLE (queue_name text, completed bigint, failed bigint, cut boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_week  regclass;
    v_from  bigint;
    v_pages bigint;
BEGIN
    FOR v_week IN
        SELECT DISTINCT to_regclass(format('%I.%I', current_schema(), 'job_history_' || to_char(t AT TIME ZONE 'UTC', 'IYYY"w"IW')))
          FROM unnest(ARRAY[p_since, p_now]) t
    LOOP
        CONTINUE WHEN v_week IS NULL;
        v_from := first_page_since(v_week, p_since);
        v_pages := pages_of(v_week) - v_from;
        CONTINUE WHEN v_pages = 0;
        RETURN QUERY EXECUTE format(
            'SELECT h.queue_name, (count(*) FILTER (WHERE h.status = ''COMPLETED'') * $1)::bigint, (count(*) FILTER (WHERE h.status = ''FAILED'') * $1)::bigint, $2 '
            'FROM (%s) h WHERE h.finished_at > $3 AND ($4 IS NULL OR h.tenant_id = $4) GROUP BY h.queue_name', stretches(v_week, v_from, v_pages))
        USING v_pages / least(v_pages, 300.0), v_pages > 300, p_since, p_tenant;
    END LOOP;
END $$;

-- The query that reads ten stretches, of 30 pages at most, of some pages of a week.
CREATE OR REPLACE FUNCTION stretches(p_week regclass, p_from bigint, p_pages bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT string_agg(format('SELECT * FROM %s WHERE ctid >= ''(%s,0)'' AND ctid < ''(%s,0)''', p_week, s.first, least(s.first + 30, s.next)), ' UNION ALL ')
      FROM (SELECT p_from + n * p_pages / 10 AS first, p_from + (n + 1) * p_pages / 10 AS next FROM generate_series(0, 9) n) s
$$;

-- The first page of a week of history on which something ended after p_since. Pages that are still empty count as later ones.
CREATE OR REPLACE FUNCTION first_page_since(p_week regclass, p_since timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_low    bigint := 0;
    v_high   bigint := pages_of(p_week);
    v_middle bigint;
    v_newest timestamptz;
BEGIN
    WHILE v_low < v_high LOOP
        v_middle := (v_low + v_high) / 2;
        EXECUTE format('SELECT max(finished_at) FROM %s WHERE ctid >= ''(%s,0)'' AND ctid < ''(%s,0)''', p_week, v_middle, v_middle + 1) INTO v_newest;
        IF v_newest <= p_since THEN
            v_low := v_middle + 1;
        ELSE
            v_high := v_middle;
        END IF;
    END LOOP;
    RETURN v_low;
END $$;
