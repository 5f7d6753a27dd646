-- The next place in the order of claims. The transaction gets its number first, always: whoever drew a lower place then has a
-- number that was given out before ours, which is what lets a robot know when nothing can appear below its floor any more.
CREATE OR REPLACE FUNCTION next_place() RETURNS bigint
LANGUAGE sql VOLATILE AS $$ SELECT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('job_sequence') END $$;
