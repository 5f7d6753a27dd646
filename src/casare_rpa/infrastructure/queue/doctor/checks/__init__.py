"""All checks, in the order in which they are made and shown. A check asks little and judges by numbers that it also gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from casare_rpa.infrastructure.queue.doctor.checks import (
    autovacuum,
    bloat,
    clock,
    connections,
    dead_letters,
    durability,
    encryption,
    grants,
    listening,
    locks,
    login,
    notifications,
    objects,
    partitions,
    pooler,
    queues,
    retention,
    roles,
    schema,
    server,
    session_settings,
    slots,
    transaction_ids,
    transactions,
    upkeep,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit


class Check(NamedTuple):
    """A check: its name, what makes it, whether it looks at the queue's schema."""

    name: str
    make: Callable[[Visit], Awaitable[list[Finding]]]
    of_the_schema: bool = False


CHECKS = (
    Check("server", server.check),
    Check("encryption", encryption.check),
    Check("pooler", pooler.check),
    Check("schema", schema.check),
    Check("objects", objects.check, of_the_schema=True),
    Check("roles", roles.check, of_the_schema=True),
    Check("grants", grants.check, of_the_schema=True),
    Check("login", login.check, of_the_schema=True),
    Check("settings", session_settings.check),
    Check("listen", listening.check),
    Check("notifications", notifications.check),
    Check("locks", locks.check),
    Check("clock", clock.check),
    Check("connections", connections.check),
    Check("durability", durability.check),
    Check("oldest transaction", transactions.check),
    Check("replication slots", slots.check),
    Check("transaction numbers", transaction_ids.check),
    Check("autovacuum", autovacuum.check, of_the_schema=True),
    Check("bloat", bloat.check, of_the_schema=True),
    Check("partitions", partitions.check, of_the_schema=True),
    Check("retention", retention.check, of_the_schema=True),
    Check("upkeep", upkeep.check, of_the_schema=True),
    Check("queues", queues.check, of_the_schema=True),
    Check("dead letters", dead_letters.check, of_the_schema=True),
)
