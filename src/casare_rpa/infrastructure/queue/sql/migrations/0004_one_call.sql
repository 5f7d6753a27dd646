-- From here on a robot settles and claims in one call, and is told of jobs by name: functions that its schema must have. The tables stay
-- as they are.
DROP FUNCTION IF EXISTS fleet_size(text, timestamptz);
