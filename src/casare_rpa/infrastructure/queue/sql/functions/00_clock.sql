-- The one clock of the queue. Every function reads it once, into a variable: now() stands still while a transaction waits for a
-- lock, so that a lease would be born expired, and a volatile call inside WHERE would defeat the index.
CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$ SELECT clock_timestamp() $$;
