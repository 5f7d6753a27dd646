SELECT current_setting('autovacuum')::boolean AS autovacuum, current_setting('track_counts')::boolean AS track_counts,
       ARRAY(SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   CROSS JOIN LATERAL pg_options_to_table(c.reloptions) o
              WHERE n.nspname = $1 AND o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean ORDER BY 1) AS switched_off,
       ARRAY(SELECT o.option_name || '=' || o.option_value FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   CROSS JOIN LATERAL pg_options_to_table(c.reloptions) o WHERE n.nspname = $1 AND c.relname = 'jobs') AS jobs
