SELECT version, oldest_program FROM schema_info()
