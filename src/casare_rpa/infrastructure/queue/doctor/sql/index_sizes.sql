SELECT i.relname::text AS name, pg_relation_size(i.oid) AS bytes, s.n_live_tup + s.n_dead_tup AS rows
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_stat_all_tables s ON s.relid = x.indrelid
 WHERE s.schemaname = $1 AND s.relname = 'jobs' ORDER BY 2 DESC
