"""How much is measured: the quick run, and the full one."""

from __future__ import annotations

from dataclasses import dataclass, field

PEERS = (
    *("pgqueuer", "procrastinate", "oban", "chancy", "awa"),
    *("graphile-worker", "graphile-worker-local", "pg-boss"),
)
FLOOR_AND_PEER = ("casare", "floor", "pgqueuer")


@dataclass(frozen=True)
class Shape:
    """Jobs enqueued by `enqueue` at a time while `consumers` take `claim` at a time."""

    enqueue: int
    consumers: int
    claim: int

    def __str__(self) -> str:
        return f"enqueue {self.enqueue}, {self.consumers} consumers x {self.claim}"


SHAPES = {"batch100": Shape(100, 2, 100), "claim10": Shape(100, 5, 10), "claim1": Shape(100, 20, 1)}


@dataclass(frozen=True)
class Saturation:
    """Who is measured in a shape: some in every round, some in the first ones alone."""

    shape: str
    often: tuple[str, ...]
    seldom: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a run measures; times are in seconds.

    Attributes:
        name: of the file of results.
        rounds: pairs of runs, whose median counts.
        seldom_rounds: runs of those systems that are measured less often.
        seconds: length of a window.
        warmup: before it.
        saturation: the shapes, and who runs in them.
        drain_systems: who empties a queue.
        drain_rounds: how often.
        drain_jobs: how many jobs.
        backlogs: how many jobs wait while a claim is measured.
        snapshot_seconds: how long a snapshot is held.
        snapshot_recovery: whether to wait for autovacuum afterwards.
        mixed_rounds: pairs of a plain and a mixed load.
        payload_bytes: the sizes of payloads.
        payload_systems: who carries them.
        payload_rounds: how often.
        processes: numbers of client processes.
        process_systems: whose.
        process_rounds: how often.
        fleet_shares: parts of what the fleet sustains that are offered to it.
        fleet_seconds: for how long.
        fleet_systems: to whose.
        idle_settle: before robots count as idle.
        idle_seconds: how long they are watched.
        idle_systems: whose.

    """

    name: str
    rounds: int
    seldom_rounds: int
    seconds: float
    warmup: float
    saturation: tuple[Saturation, ...]
    drain_systems: tuple[str, ...]
    drain_rounds: int
    snapshot_seconds: float
    snapshot_recovery: bool
    mixed_rounds: int
    payload_bytes: tuple[int, ...]
    payload_systems: tuple[str, ...]
    payload_rounds: int
    processes: tuple[int, ...]
    process_systems: tuple[str, ...]
    process_rounds: int
    fleet_shares: tuple[float, ...]
    fleet_seconds: float
    fleet_systems: tuple[str, ...]
    idle_settle: float
    idle_seconds: float
    idle_systems: tuple[str, ...]
    drain_jobs: int = 50_000
    backlogs: tuple[int, ...] = field(default=(10_000, 1_000_000))

    @property
    def quick(self) -> bool:
        return self.name == "quick"


QUICK = Plan(
    name="quick",
    rounds=2,
    seldom_rounds=1,
    seconds=4,
    warmup=1,
    saturation=(
        Saturation("batch100", FLOOR_AND_PEER),
        Saturation("claim10", ("casare", "pgqueuer"), PEERS[1:]),
        Saturation("claim1", ("casare", "pgqueuer")),
    ),
    drain_systems=("casare", "graphile-worker-local"),
    drain_rounds=2,
    snapshot_seconds=30,
    snapshot_recovery=False,
    mixed_rounds=1,
    payload_bytes=(100 * 1024,),
    payload_systems=("casare",),
    payload_rounds=1,
    processes=(4,),
    process_systems=("casare", "floor"),
    process_rounds=1,
    fleet_shares=(0.5,),
    fleet_seconds=15,
    fleet_systems=("casare",),
    idle_settle=3,
    idle_seconds=8,
    idle_systems=("casare",),
)

FULL = Plan(
    name="full",
    rounds=5,
    seldom_rounds=3,
    seconds=10,
    warmup=2,
    saturation=tuple(Saturation(shape, FLOOR_AND_PEER, PEERS[1:]) for shape in SHAPES),
    drain_systems=("casare", "floor", *PEERS),
    drain_rounds=3,
    snapshot_seconds=120,
    snapshot_recovery=True,
    mixed_rounds=3,
    payload_bytes=(100, 10 * 1024, 100 * 1024),
    payload_systems=FLOOR_AND_PEER,
    payload_rounds=2,
    processes=(1, 2, 4, 8),
    process_systems=("casare", "floor"),
    process_rounds=3,
    fleet_shares=(0.5, 0.8),
    fleet_seconds=60,
    fleet_systems=("casare", *PEERS),
    idle_settle=10,
    idle_seconds=30,
    idle_systems=("casare", *PEERS),
)
