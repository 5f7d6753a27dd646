-- Who keeps dead rows of this database from being removed, and for how long already.
SELECT 'session' AS kind, a.pid::text AS holder, a.usename::text AS login, nullif(a.application_name, '') AS application, a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds, greatest(age(a.backend_xmin), age(a.backend_xid)) AS behind
  FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND coalesce(a.backend_type, 'client backend') = 'client backend'
   AND (a.xact_start IS NOT NULL OR a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
UNION ALL
SELECT 'prepared transaction', p.gid, p.owner::text, NULL, 'prepared', extract(epoch FROM clock_timestamp() - p.prepared)::float8, age(p.transaction)
  FROM pg_prepared_xacts p WHERE p.database = current_database()
UNION ALL
SELECT 'standby', r.pid::text, r.usename::text, nullif(r.application_name, ''), r.state, NULL, age(r.backend_xmin)
  FROM pg_stat_replication r WHERE r.backend_xmin IS NOT NULL
 ORDER BY seconds DESC NULLS LAST, behind DESC NULLS LAST
