-- The robots that have reported, and so listen.
SELECT DISTINCT robot_id FROM robots WHERE queue_name = $1
