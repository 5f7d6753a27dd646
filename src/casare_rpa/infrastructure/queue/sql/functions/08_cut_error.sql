-- What is kept of an error text: 64 Ki characters, with a note of what was cut.
CREATE OR REPLACE FUNCTION cut_error(p_error text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN length(p_error) > 65536 THEN left(p_error, 65500) || format(' [%s characters cut]', length(p_error) - 65500) ELSE p_error END
$$;
