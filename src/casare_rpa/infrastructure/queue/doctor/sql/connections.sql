SELECT current_setting('max_connections')::integer AS most,
       current_setting('superuser_reserved_connections')::integer + coalesce(current_setting('reserved_connections', true), '0')::integer AS reserved,
       (SELECT count(*) FROM pg_stat_activity a WHERE coalesce(a.backend_type, 'client backend') = 'client backend' AND a.usesysid IS NOT NULL)::integer AS used,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = current_database())::integer AS here, d.datconnlimit AS database_most,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.usename = session_user)::integer AS mine, r.rolconnlimit AS login_most,
       (SELECT jsonb_object_agg(t.name, t.n)::text FROM (SELECT coalesce(nullif(a.application_name, ''), a.usename::text, '?') AS name, count(*) AS n FROM pg_stat_activity a
                WHERE a.usesysid IS NOT NULL GROUP BY 1 ORDER BY 2 DESC LIMIT 10) t) AS by_program
  FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = session_user
