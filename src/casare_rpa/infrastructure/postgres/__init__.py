"""Connections, faults and migrations: what any part that stands on PostgreSQL needs."""
