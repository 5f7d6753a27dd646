"""The in-memory queue behind `JobQueue`: the transitions of the SQL functions, once more, over dictionaries."""
