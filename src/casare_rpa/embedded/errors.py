"""What can go wrong with the embedded PostgreSQL."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the message says what, where, and what would be right."""


class PortTakenError(EmbeddedPostgresError):
    """Another program listens on the port."""
