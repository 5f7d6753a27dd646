-- What a program must know before it uses the schema. A login that is not registered may ask, too.
--
-- Returns: the schema's version, the oldest version of a program that it still serves, and the limits of a payload and of a result in
--   bytes.
-- Errors: none of its own.
-- Guarantees: changes and locks nothing.
CREATE OR REPLACE FUNCTION schema_info(OUT version integer, OUT oldest_program integer, OUT payload_limit integer, OUT result_limit integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT max(m.version), max(m.oldest_program), max(s.payload_limit), max(s.result_limit) FROM migrations m CROSS JOIN settings s
$$;
