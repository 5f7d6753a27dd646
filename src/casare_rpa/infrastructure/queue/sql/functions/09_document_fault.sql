-- What is wrong with a JSON document that no program could read back, or NULL: more than 64 levels, or numbers of thousands of digits.
-- Both need some size, so that the small document of an ordinary job is looked through only once, for its length.
CREATE OR REPLACE FUNCTION document_fault(p_document jsonb, p_limit integer) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN pg_column_size(p_document) > 500 AND jsonb_path_exists(p_document, '$.**{64 to last}') THEN 'is nested deeper than 64 levels'
        WHEN octet_length(p_document::text) > p_limit THEN format('has %s bytes, more than the limit of %s', octet_length(p_document::text), p_limit)
        WHEN octet_length(p_document::text) > 4000 AND jsonb_path_exists(p_document, '$.** ? (@.type() == "number" && (@ > 1e4000 || @ < -1e4000))')
            THEN 'has a number of thousands of digits'
    END
$$;

-- Whether a document may have a fault at all. Plain SQL, so that it becomes part of the query: nearly every document passes here.
CREATE OR REPLACE FUNCTION is_suspicious(p_document jsonb, p_limit integer) RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT pg_column_size(p_document) > 500 OR octet_length(p_document::text) > least(p_limit, 4000) $$;
