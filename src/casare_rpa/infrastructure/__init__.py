"""What stands on PostgreSQL."""
