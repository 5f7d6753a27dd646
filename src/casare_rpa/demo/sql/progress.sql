-- How many of these jobs ($1) wait, run, are done or dead.
SELECT count(*) FILTER (WHERE status = 'PENDING')                    AS waiting,
       count(*) FILTER (WHERE status IN ('CLAIMED', 'RUNNING'))      AS running,
       count(*) FILTER (WHERE status IN ('COMPLETED', 'CANCELLED'))  AS done,
       count(*) FILTER (WHERE status = 'FAILED')                     AS dead
  FROM all_jobs WHERE id = ANY ($1)
