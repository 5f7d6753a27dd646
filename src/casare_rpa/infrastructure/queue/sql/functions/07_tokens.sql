CREATE OR REPLACE FUNCTION token_hash(p_token uuid) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$ SELECT substr(sha256(uuid_send(p_token)), 1, 16) $$;

-- A lease token: a digest of one random secret for each claim, which costs less than a draw of randomness for each job and gives
-- no robot the token of another job.
CREATE OR REPLACE FUNCTION derive_token(p_secret bytea, p_id uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$ SELECT encode(substr(sha256(p_secret || uuid_send(p_id)), 1, 16), 'hex')::uuid $$;
