SELECT DISTINCT format('%I.%I', n.nspname, c.relname) AS name,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS grantee
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) a
 WHERE n.nspname = $1 AND a.grantee <> c.relowner ORDER BY 1, 2
