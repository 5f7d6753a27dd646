SELECT s.retention::text AS retention, extract(epoch FROM s.retention)::float8 AS seconds FROM settings s
