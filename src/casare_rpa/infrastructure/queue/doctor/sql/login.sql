SELECT session_user::text AS login, s.rolsuper AS superuser, nullif(s.rolvaliduntil, 'infinity') AS valid_until, clock_timestamp() AS now,
       ARRAY(SELECT r.rolname::text FROM pg_roles r WHERE r.rolname = ANY ($1) AND pg_has_role(session_user, r.oid, 'USAGE') ORDER BY 1) AS roles
  FROM pg_roles s WHERE s.rolname = session_user
