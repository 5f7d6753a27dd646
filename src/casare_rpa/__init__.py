"""Fleets of software robots on a durable, distributed job queue in PostgreSQL."""

__version__ = "0.1.0"
