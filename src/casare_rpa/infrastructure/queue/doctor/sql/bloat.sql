SELECT s.relname::text AS name, s.n_live_tup AS live, s.n_dead_tup AS dead, pg_table_size(c.oid) AS bytes, pg_indexes_size(c.oid) AS index_bytes,
       greatest(s.last_vacuum, s.last_autovacuum) AS vacuumed,
       coalesce((SELECT o.option_value FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'autovacuum_vacuum_threshold'),
                current_setting('autovacuum_vacuum_threshold'))::float8
       + s.n_live_tup * coalesce((SELECT o.option_value FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'autovacuum_vacuum_scale_factor'),
                                 current_setting('autovacuum_vacuum_scale_factor'))::float8 AS trigger
  FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid
 WHERE s.schemaname = $1 ORDER BY s.n_dead_tup DESC, 1
