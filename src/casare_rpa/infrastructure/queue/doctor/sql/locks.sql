-- How full the table of locks is, which all sessions of the server share, and who has the most of it.
SELECT current_setting('max_locks_per_transaction')::bigint
         * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) AS room,
       sum(count(*)) OVER ()::bigint AS used, l.pid, count(*) AS held, a.usename::text AS login, nullif(a.application_name, '') AS application
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE NOT l.fastpath AND l.mode <> 'SIReadLock'
 GROUP BY l.pid, a.usename, a.application_name
 ORDER BY held DESC LIMIT 1
