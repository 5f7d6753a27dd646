CREATE OR REPLACE FUNCTION token_hash(p_token uuid) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$ SELECT substr(sha256(uuid_send(p_token)), 1, 16) $$;
