-- A UUID version 7 (RFC 9562, 5.7): 48 bits of time, the rest random. PostgreSQL has its own from version 18 on.
CREATE OR REPLACE FUNCTION new_job_id() RETURNS uuid
LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substr(int8send((extract(epoch FROM clock()) * 1000)::bigint), 3)
                                          FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;
