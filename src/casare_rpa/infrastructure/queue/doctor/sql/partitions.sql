SELECT c.relname::text AS name, (regexp_match(b.bound, 'FROM \(''([^'']+)''\)'))[1]::timestamptz AS starts,
       (regexp_match(b.bound, 'TO \(''([^'']+)''\)'))[1]::timestamptz AS ends, clock_timestamp() AS now
  FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace JOIN pg_class c ON c.oid = i.inhrelid
 CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS b(bound)
 WHERE n.nspname = $1 AND p.relname = 'job_history' AND NOT i.inhdetachpending ORDER BY 2
