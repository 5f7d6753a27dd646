"""What PostgreSQL knows of the queue's schema, in parts that can be compared."""

from __future__ import annotations

CATALOGUE = {
    "columns": """
        SELECT c.relname, c.relkind::text, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid)
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE c.relnamespace = 'pgqueuer'::regnamespace""",
    "relations": """
        SELECT c.relname, c.relkind::text, c.reloptions, pg_get_userbyid(c.relowner),
               coalesce(c.relacl, acldefault((CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char", c.relowner))::text
          FROM pg_class c WHERE c.relnamespace = 'pgqueuer'::regnamespace""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'pgqueuer'",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE connamespace = 'pgqueuer'::regnamespace""",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'pgqueuer'",
    "functions": """
        SELECT pg_get_functiondef(oid), proacl::text, pg_get_userbyid(proowner) FROM pg_proc
         WHERE pronamespace = 'pgqueuer'::regnamespace""",
    "enums": """
        SELECT t.typname, array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
         WHERE t.typnamespace = 'pgqueuer'::regnamespace GROUP BY 1""",
    "migrations": "SELECT version, name FROM pgqueuer.migrations",
}
