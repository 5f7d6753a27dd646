-- A schema that has just been migrated can settle at once.
SELECT ensure_partitions(clock());
