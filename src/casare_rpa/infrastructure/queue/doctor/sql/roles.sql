SELECT rolname AS role, rolsuper, rolcanlogin, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication
  FROM pg_roles WHERE rolname = ANY ($1) ORDER BY rolname
