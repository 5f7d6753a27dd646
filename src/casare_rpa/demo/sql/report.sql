-- What became of the jobs that were submitted ($1, their ids; all of them in queue $2), from the queue's tables alone.
--
-- A job leaves `jobs` exactly once, for one row in `job_history` or in `dead_letter_queue`; every attempt that did not complete it
-- leaves one row in `job_attempts`. So a job without a final row is lost, and one with several, or with an attempt that ended
-- twice, was settled twice.
WITH submitted AS (
    SELECT DISTINCT id FROM unnest($1::uuid[]) AS id
), records AS (
    SELECT id, 'live' AS place, NULL AS ending, created_at, claimed_at, claimed_by FROM jobs WHERE queue_name = $2
    UNION ALL
    SELECT id, 'final', 'DEAD', created_at, claimed_at, claimed_by FROM dead_letter_queue WHERE queue_name = $2
    UNION ALL
    SELECT id, 'final', status::text, created_at, claimed_at, claimed_by FROM job_history WHERE queue_name = $2
), endings AS ( -- of attempts, by the lease that they held
    SELECT job_id, token_hash FROM job_attempts
    UNION ALL
    SELECT id, token_hash FROM job_history
), ended_twice AS (
    SELECT job_id FROM endings WHERE token_hash IS NOT NULL GROUP BY job_id, token_hash HAVING count(*) > 1
), recorded AS (
    SELECT s.id,
           count(*) FILTER (WHERE r.place = 'live')           AS live,
           count(*) FILTER (WHERE r.place = 'final')          AS final,
           count(*) FILTER (WHERE r.ending = 'COMPLETED')     AS completed,
           count(*) FILTER (WHERE r.ending = 'CANCELLED')     AS cancelled,
           count(*) FILTER (WHERE r.ending = 'DEAD')          AS dead,
           min(r.created_at)                                  AS created_at,
           min(r.claimed_at)                                  AS claimed_at
      FROM submitted s LEFT JOIN records r ON r.id = s.id
     GROUP BY s.id
), attempted AS (
    SELECT s.id,
           count(*) FILTER (WHERE a.status = 'PENDING' AND a.outcome <> 'released') AS put_back,
           count(*) FILTER (WHERE a.status = 'FAILED')                              AS failed_for_good,
           min(a.claimed_at)                                                        AS claimed_at
      FROM submitted s LEFT JOIN job_attempts a ON a.job_id = s.id
     GROUP BY s.id
), lives AS (
    SELECT r.*, a.put_back, a.failed_for_good,
           EXISTS (SELECT FROM ended_twice t WHERE t.job_id = r.id) AS ended_twice,
           extract(epoch FROM least(r.claimed_at, a.claimed_at) - r.created_at) * 1000 AS waited_ms
      FROM recorded r JOIN attempted a ON a.id = r.id
)
SELECT count(*)                                                             AS submitted,
       count(*) FILTER (WHERE completed > 0)                                AS completed,
       count(*) FILTER (WHERE put_back > 0)                                 AS retried,
       count(*) FILTER (WHERE failed_for_good > 0)                          AS dead_lettered,
       count(*) FILTER (WHERE failed_for_good > 0
                          AND (live + completed + cancelled > 0 OR failed_for_good > 1)) AS redriven,
       count(*) FILTER (WHERE cancelled > 0)                                AS cancelled,
       count(*) FILTER (WHERE final = 0)                                    AS lost,
       count(*) FILTER (WHERE final > 1 OR (final > 0 AND live > 0) OR ended_twice) AS settled_twice,
       count(*) FILTER (WHERE live > 0)                                     AS unfinished,
       count(*) FILTER (WHERE dead > 0)                                     AS still_dead,
       (SELECT count(DISTINCT id) FROM records WHERE id NOT IN (SELECT id FROM submitted)) AS strangers,
       (SELECT count(DISTINCT claimed_by) FROM records WHERE ending = 'COMPLETED')         AS robots,
       percentile_cont(0.50) WITHIN GROUP (ORDER BY waited_ms)              AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY waited_ms)              AS p95,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY waited_ms)              AS p99
  FROM lives
