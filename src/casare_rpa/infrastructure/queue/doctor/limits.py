"""From which number on something is worth a word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Numbers that decide between ok, note, warning and problem; times in seconds.

    Attributes:
        total: the examination is over after this time, whatever happens.
        one_check: a check that takes longer is given up.
        old_transaction: a transaction of this age is a warning.
        ancient_transaction: one of this age is a problem.
        clock_skew: a difference between the server's clock and this machine's that is a warning.
        slow_notification: a notification that takes longer is a warning.
        notifications: a part of the server's queue of notifications that is a warning; at 0.5 it is a problem.
        locks: a part of the server's table of locks that is a warning.
        connections_left: fewer connections than this are a warning.
        partitions_ahead: history partitions must reach this far.
        upkeep_gap: the last pass of the upkeep must not be older, while robots are there.
        dead_times_trigger: a table with this many times the dead rows at which autovacuum should come is a warning,
            if it has `dead_rows` of them too.
        dead_rows: see above.
        index_bytes_per_row: an index of `jobs` that is larger than this for each row is a warning, if it has `index_bytes` too.
        index_bytes: see above.
        slot_bytes: write-ahead log that a replication slot may keep from being removed.
        transaction_ids: transactions since the last freeze that are a warning; at three times as many it is a problem.

    """

    total: float = 12.0
    one_check: float = 3.0
    old_transaction: float = 300.0
    ancient_transaction: float = 3600.0
    clock_skew: float = 2.0
    slow_notification: float = 0.5
    notifications: float = 0.1
    locks: float = 0.5
    connections_left: int = 10
    partitions_ahead: float = 14 * 86400.0
    upkeep_gap: float = 15.0
    dead_times_trigger: float = 5.0
    dead_rows: int = 10_000
    index_bytes_per_row: int = 1000
    index_bytes: int = 256 * 2**20
    slot_bytes: int = 2 * 2**30
    transaction_ids: int = 500_000_000
