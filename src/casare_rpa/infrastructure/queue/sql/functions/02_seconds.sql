CREATE OR REPLACE FUNCTION seconds(p_seconds double precision) RETURNS interval
LANGUAGE sql IMMUTABLE AS $$ SELECT p_seconds * interval '1 second' $$;
