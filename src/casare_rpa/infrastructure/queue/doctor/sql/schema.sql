SELECT pg_get_userbyid(n.nspowner) AS owner, has_schema_privilege(n.oid, 'USAGE') AS usable,
       (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'schema_info') AS functions
  FROM pg_namespace n WHERE n.nspname = $1
