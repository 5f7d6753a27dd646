SELECT queue_depth($1)
