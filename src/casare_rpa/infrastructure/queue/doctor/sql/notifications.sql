-- How full the server's queue of notifications is, and the sessions that may keep it so: in a transaction for the longest time.
SELECT pg_notification_queue_usage() AS usage, s.pid, s.login, s.application, s.seconds
  FROM (SELECT 1) one
  LEFT JOIN (SELECT a.pid, a.usename::text AS login, nullif(a.application_name, '') AS application,
                    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
               FROM pg_stat_activity a
              WHERE a.pid <> pg_backend_pid() AND (a.xact_start IS NOT NULL OR a.backend_xmin IS NOT NULL)
                AND coalesce(a.backend_type, 'client backend') = 'client backend'
              ORDER BY a.xact_start NULLS LAST LIMIT 3) s ON true
 ORDER BY s.seconds DESC NULLS LAST
