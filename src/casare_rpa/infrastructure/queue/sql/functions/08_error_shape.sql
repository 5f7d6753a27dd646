-- The shape of an error: its first line, in which what differs from case to case is folded, so that errors that are alike look alike.
-- Paths and URLs become <path>, times <time>, UUIDs and other long ids <id>, numbers <n>; words stay. At most 1000 characters of the
-- line are read, 200 of the shape kept.
CREATE OR REPLACE FUNCTION error_shape(p_error text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    -- What is a space, a digit or a letter is so by ASCII, whatever the locale of the database.
    v_shape text COLLATE "C" := left((regexp_match(coalesce(p_error, '') COLLATE "C", '[^\s][^\n\r]*'))[1], 1000);
BEGIN
    v_shape := regexp_replace(coalesce(v_shape, ''), '\s+', ' ', 'g');
    -- In quotes a path may have spaces.
    v_shape := regexp_replace(v_shape, '''(?:[A-Za-z]:[\\/]|\\\\|~?/)[^'']*''', '''<path>''', 'g');
    v_shape := regexp_replace(v_shape, '"(?:[A-Za-z]:[\\/]|\\\\|~?/)[^"]*"', '"<path>"', 'g');
    v_shape := regexp_replace(v_shape, '[A-Za-z][A-Za-z0-9+.-]*://[^\s"''<>]*[^\s"''<>.,;:)\]]', '<path>', 'g');
    v_shape := regexp_replace(v_shape, '(^|[^A-Za-z0-9_<>])(?:[A-Za-z]:[\\/]|\\\\)[^\s"''<>|,;:)\]]*', '\1<path>', 'g');
    v_shape := regexp_replace(v_shape, '(^|[\s"''(=\[,:;])(?:~|\.\.?)?/[^\s"''<>,;:()\[\]]+', '\1<path>', 'g');
    v_shape := regexp_replace(v_shape, '\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?', '<time>', 'g');
    v_shape := regexp_replace(v_shape, '\d\d:\d\d:\d\d(?:[.,]\d+)?', '<time>', 'g');
    v_shape := regexp_replace(v_shape, '[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}', '<id>', 'g');
    v_shape := regexp_replace(v_shape, '0x[0-9A-Fa-f]+', '<id>', 'g');
    v_shape := regexp_replace(v_shape, '\m(?=[A-Fa-f]*\d)(?=\d*[A-Fa-f])[0-9A-Fa-f]{8,}\M', '<id>', 'g');
    v_shape := regexp_replace(v_shape, '\m(?=[A-Za-z_]*\d)[A-Za-z0-9_]{20,}\M', '<id>', 'g');
    v_shape := regexp_replace(v_shape, '\d+(?:[.,]\d+)*', '<n>', 'g');
    RETURN rtrim(left(v_shape, 200));
END $$;
