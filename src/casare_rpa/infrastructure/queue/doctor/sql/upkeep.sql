SELECT extract(epoch FROM clock_timestamp() - u.passed_at)::float8 AS seconds, u.partitioned_at,
       (SELECT count(*) FROM robots r WHERE r.seen_at > clock_timestamp() - interval '40 seconds')::integer AS robots,
       (SELECT count(*) FROM (SELECT FROM jobs j WHERE j.status IN ('CLAIMED', 'RUNNING')
                                 AND j.lease_expires_at < clock_timestamp() - interval '10 seconds' LIMIT 1000) e)::integer AS expired
  FROM upkeep_state u
