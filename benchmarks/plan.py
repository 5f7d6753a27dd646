"""How much is measured: the quick run, and the full one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

PEERS = (
    *("pgqueuer", "procrastinate", "oban", "chancy", "awa"),
    *("graphile-worker", "graphile-worker-local", "pg-boss"),
)
FLEETS = tuple(peer for peer in PEERS if peer != "graphile-worker-local")
"""A local queue is for workers that are always busy: it would hold jobs back from robots that are free."""
FLOOR_AND_PEER = ("casare", "floor", "pgqueuer")


class Shape(NamedTuple):
    """Jobs enqueued by `enqueue` at a time while `consumers` take `claim` at a time."""

    enqueue: int
    consumers: int
    claim: int

    def __str__(self) -> str:
        return f"enqueue {self.enqueue}, {self.consumers} consumers x {self.claim}"


SHAPES = {"batch100": Shape(100, 2, 100), "claim10": Shape(100, 5, 10), "claim1": Shape(100, 20, 1)}


@dataclass(frozen=True)
class Load:
    """A part of what a fleet sustains, offered to it for some seconds."""

    share: float
    seconds: float


@dataclass(frozen=True)
class Watch:
    """Seconds until robots count as idle, and seconds for which they are watched then."""

    settle: float
    seconds: float


@dataclass(frozen=True)
class Saturation:
    """Who is measured in a shape: some in every round, the others once."""

    shape: str
    often: tuple[str, ...]
    once: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a run measures; times are in seconds.

    Attributes:
        name: of the file of results.
        rounds: pairs of runs, whose median counts.
        seconds: length of the window of each of them.
        once_seconds: length of the window of those systems that are measured once.
        warmup: before a window.
        saturation: the shapes, and who runs in them.
        drain_often: who empties a queue in every round.
        drain_once: who does so once.
        drain_jobs: how many jobs wait for the former.
        drain_once_jobs: how many for the latter.
        snapshot_seconds: how long is measured without a snapshot, and with one.
        snapshot_recovery: whether to wait for autovacuum afterwards.
        mixed_rounds: pairs of a plain and a mixed load.
        payload_bytes: the sizes of payloads.
        payload_systems: who carries them, once.
        payload_seconds: for how long.
        processes: numbers of client processes.
        process_systems: whose, once.
        process_seconds: for how long.
        fleet_systems: whose robots.
        fleet_capacity_seconds: for how long they are given all they can do.
        fleet_loads: what is then offered to ours.
        fleet_peer_loads: and to each of the others.
        fleet_common_seconds: for how long all are offered one common rate; 0 for not at all.
        idle_systems: whose robots have nothing to do.
        idle: how long ours.
        idle_peers: how long the others.
        backlogs: how many jobs wait while a claim is measured.

    """

    name: str
    rounds: int
    seconds: float
    once_seconds: float
    warmup: float
    saturation: tuple[Saturation, ...]
    drain_often: tuple[str, ...]
    drain_once: tuple[str, ...]
    snapshot_seconds: float
    snapshot_recovery: bool
    mixed_rounds: int
    payload_bytes: tuple[int, ...]
    payload_systems: tuple[str, ...]
    payload_seconds: float
    processes: tuple[int, ...]
    process_systems: tuple[str, ...]
    process_seconds: float
    fleet_systems: tuple[str, ...]
    fleet_capacity_seconds: float
    fleet_loads: tuple[Load, ...]
    fleet_peer_loads: tuple[Load, ...]
    fleet_common_seconds: float
    idle_systems: tuple[str, ...]
    idle: Watch
    idle_peers: Watch
    drain_jobs: int = 50_000
    drain_once_jobs: int = 10_000
    backlogs: tuple[int, ...] = field(default=(10_000, 1_000_000))


QUICK = Plan(
    name="quick",
    rounds=2,
    seconds=4,
    once_seconds=4,
    warmup=1,
    saturation=(
        Saturation("batch100", FLOOR_AND_PEER),
        Saturation("claim10", ("casare", "pgqueuer"), PEERS[1:]),
        Saturation("claim1", ("casare", "pgqueuer")),
    ),
    drain_often=("casare", "graphile-worker-local"),
    drain_once=(),
    snapshot_seconds=30,
    snapshot_recovery=False,
    mixed_rounds=1,
    payload_bytes=(100 * 1024,),
    payload_systems=("casare",),
    payload_seconds=4,
    processes=(4,),
    process_systems=("casare", "floor"),
    process_seconds=4,
    fleet_systems=("casare",),
    fleet_capacity_seconds=6,
    fleet_loads=(Load(0.5, 15),),
    fleet_peer_loads=(),
    fleet_common_seconds=0,
    idle_systems=("casare",),
    idle=Watch(3, 8),
    idle_peers=Watch(3, 8),
)

FULL = Plan(
    name="full",
    rounds=3,
    seconds=6,
    once_seconds=4,
    warmup=1,
    saturation=(
        Saturation("batch100", FLOOR_AND_PEER, PEERS[1:]),
        Saturation("claim10", ("casare", "pgqueuer"), ("floor", *PEERS[1:])),
        Saturation("claim1", ("casare", "pgqueuer"), ("floor", *PEERS[1:])),
    ),
    drain_often=("casare", "graphile-worker-local"),
    drain_once=("floor", *(peer for peer in PEERS if peer != "graphile-worker-local")),
    snapshot_seconds=120,
    snapshot_recovery=True,
    mixed_rounds=2,
    payload_bytes=(100, 10 * 1024, 100 * 1024),
    payload_systems=FLOOR_AND_PEER,
    payload_seconds=4,
    processes=(1, 2, 4, 8),
    process_systems=("casare", "floor"),
    process_seconds=5,
    fleet_systems=("casare", *FLEETS),
    fleet_capacity_seconds=8,
    fleet_loads=(Load(0.5, 60), Load(0.8, 20)),
    fleet_peer_loads=(),
    fleet_common_seconds=8,
    idle_systems=("casare", *FLEETS),
    idle=Watch(10, 30),
    idle_peers=Watch(2, 6),
)
