SELECT s.slot_name::text AS slot, s.active, age(s.xmin) AS behind,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, s.restart_lsn)::bigint AS bytes
  FROM pg_replication_slots s ORDER BY 4 DESC NULLS LAST
