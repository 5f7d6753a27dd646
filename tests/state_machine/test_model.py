"""Hypothesis works the queue in every way it can think of and compares each step with the model.

`QueueMachine` speaks to a queue only through `backend.Backend`, so a queue of another kind with the same public semantics is
tested by putting an adapter of its own behind the same machine. ``HYPOTHESIS_PROFILE=thorough`` looks longer, at random.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from casare_rpa.infrastructure.queue import CasareError, DuplicateReference
from tests.state_machine.backend import Backend, Claimed, PostgresBackend, Seen
from tests.state_machine.bench import Bench
from tests.state_machine.memory import MemoryModelBackend
from tests.state_machine.model import Job, Lease, Model, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

QUEUES = ("invoices", "mails")
ROBOTS: tuple[tuple[str, frozenset[str], str | None], ...] = (
    ("plain", frozenset[str](), None),
    ("sap", frozenset({"sap"}), None),
    ("of a", frozenset({"sap"}), "a"),
)
PROFILES = {
    "default": settings(max_examples=100, stateful_step_count=50, derandomize=True, phases=[Phase.generate]),
    "thorough": settings(max_examples=1000, stateful_step_count=80),
}

orders = st.builds(
    Order,
    queue=st.sampled_from((*QUEUES[:1] * 3, QUEUES[1])),
    tenant=st.sampled_from((None, None, None, "a")),
    priority=st.sampled_from((5, 5, 5, 5, 0, 20)),
    needs=st.sampled_from((*[frozenset[str]()] * 3, frozenset({"sap"}))),
    reference=st.sampled_from((None, None, None, None, "one", "two")),
    max_retries=st.sampled_from((3, 1, 2, 9)),
    retry_delay=st.sampled_from((4.0, 0.0, 200.0)),
    visibility=st.sampled_from((None, 2.0, 5.0)),
    time_limit=st.sampled_from((None, None, 0.5)),
    on_crash=st.sampled_from(("retry", "retry", "hold", "fail")),
    dead_letters=st.sampled_from((True, True, False)),
)
queues = st.sampled_from((*QUEUES[:1] * 3, QUEUES[1]))
robots = st.sampled_from((1, 1, 1, 0, 2))
picks = st.integers(0, 2**16)
outcomes = st.sampled_from(("completed", "failed", "failed", "business", "released"))
replies = st.sampled_from(("arrives", "arrives", "arrives", "repeated", "lost"))
seconds = st.sampled_from((3.0, 1.0, 0.5, 2.0, 6.0, 12.0))


def _step(weight: int, do: str, **arguments: st.SearchStrategy[Any]) -> list[st.SearchStrategy[dict[str, Any]]]:
    return [st.fixed_dictionaries({"do": st.just(do), **arguments}) for _ in range(weight)]


steps = st.one_of(
    *_step(
        3,
        "enqueue",
        several=st.lists(orders, min_size=1, max_size=3),
        run_in=st.sampled_from((None, None, -5.0, 2.0, 6.0)),
        reply=replies,
    ),
    *_step(
        5,
        "claim",
        robot=robots,
        queue=queues,
        limit=st.integers(1, 4),
        start=st.booleans(),
        reply=st.sampled_from(("arrives", "arrives", "arrives", "lost", "late")),
    ),
    *_step(1, "a_late_reply_arrives", pick=picks),
    *_step(2, "start", pick=picks, reply=replies),
    *_step(
        6,
        "settle",
        pick=picks,
        outcome=outcomes,
        retry_in=st.sampled_from((None, None, 0.0, 3.0)),
        dead_letters=st.sampled_from((True, True, True, False)),
        reply=replies,
    ),
    *_step(2, "speak_from_the_grave", pick=picks, what=st.one_of(st.just("start"), outcomes)),
    *_step(2, "heartbeat", robot=robots),
    *_step(1, "crash", robot=robots),
    *_step(4, "time_passes", steps=st.lists(seconds, min_size=1, max_size=3), upkeep=st.booleans()),
    *_step(3, "ask_for_a_job", pick=picks, what=st.sampled_from(("cancel", "redrive", "enqueue again"))),
    *_step(1, "redrive_every_dead_letter"),
    *_step(1, "operate", queue=queues, what=st.sampled_from(("resume", "pause", "resume", "purge"))),
)
"""What may happen next, the likely things more often.

It is one strategy, not a rule for each, because Hypothesis leaves rules out at random and so mostly tries machines in which
nobody works.
"""


@dataclass
class Robot:
    """A robot as it sees itself: what it believes to hold, and the claims whose reply has not come yet."""

    name: str
    offers: frozenset[str]
    tenant: str | None
    incarnation: Any
    held: dict[UUID, Any] = field(default_factory=dict)
    late: dict[int, list[Claimed]] = field(default_factory=dict)


class QueueMachine(RuleBasedStateMachine):
    """Several robots, producers and operators, lost replies, crashes and a clock that moves in steps."""

    def __init__(self, backend: Backend, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        super().__init__()
        self._backend = backend
        self._run = run
        self._model = Model(run(backend.clear()), backend.visibility, backend.outage)
        self._robots = [self._new_robot(*robot) for robot in ROBOTS]
        self._orders: dict[UUID, Order] = {}

    @initialize(several=st.lists(orders, min_size=2, max_size=5))
    def begin(self, several: list[Order]) -> None:
        self.enqueue(several, None, "arrives")

    @rule(step=steps)
    def step(self, step: dict[str, Any]) -> None:
        arguments = {**step}
        getattr(self, arguments.pop("do"))(**arguments)

    def enqueue(self, several: list[Order], run_in: float | None, reply: str) -> None:
        for order in several:
            job_id = UUID(int=len(self._orders) + 1)
            run_at = None if run_in is None else self._model.now + timedelta(seconds=run_in)
            self._orders[job_id] = replace(order, run_at=run_at)
            self._enqueue(job_id, resent=False)
            if reply == "repeated":
                self._enqueue(job_id, resent=True)

    def _enqueue(self, job_id: UUID, *, resent: bool) -> None:
        order = self._orders[job_id]
        self._same(
            lambda: self._model.enqueue(job_id, order, resent=resent),
            self._backend.enqueue(job_id, order, resent=resent),
        )

    def claim(self, robot: int, queue: str, limit: int, start: bool, reply: str) -> None:
        who = self._robots[robot]
        request, claimed = self._claim_after_upkeep(who, queue, limit, start)
        claimable = self._model.claimable(queue, who.offers, who.tenant)
        assert len(claimed) == min(limit, len(claimable))
        for job_id, token, attempt, status in claimed:
            lease = Lease(token, job_id, who.incarnation, request, 0, self._model.now)
            self._model.claim(claimable, lease, start=start)
            job = self._model.jobs[job_id]
            assert (attempt, status) == (job.attempt, job.status)
        if reply == "arrives":
            who.held |= {job.job_id: job.token for job in claimed}
        elif reply == "late":
            who.late[request] = claimed

    def _claim_after_upkeep(self, who: Robot, queue: str, limit: int, start: bool) -> tuple[int, list[Claimed]]:
        """Claim when the upkeep has passed at this moment: by itself, or inside the claim when it is overdue."""
        overdue = self._model.now - self._model.passed > timedelta(seconds=self._backend.overdue)
        if not overdue:
            self._run(self._backend.upkeep())
        answer: tuple[int, list[Claimed]] = self._run(self._backend.claim(who.incarnation, queue, limit, start=start))
        if overdue:
            self._run(self._backend.upkeep())
        self._model.upkeep()
        return answer

    def a_late_reply_arrives(self, pick: int) -> None:
        if late := [(robot, request) for robot in self._robots for request in robot.late]:
            who, request = _pick(late, pick)
            who.held |= {job.job_id: job.token for job in who.late.pop(request)}

    def start(self, pick: int, reply: str) -> None:
        for _, job_id, token in self._pick_held(pick):
            for _ in range(2 if reply == "repeated" else 1):
                self._same(partial(self._model.start, token), self._backend.start(job_id, token))

    def settle(self, pick: int, outcome: str, retry_in: float | None, dead_letters: bool, reply: str) -> None:
        for who, job_id, token in self._pick_held(pick):
            for _ in range(2 if reply == "repeated" else 1):
                self._settle(token, outcome, retry_in, dead_letters)
            if reply != "lost":
                del who.held[job_id]

    def speak_from_the_grave(self, pick: int, what: str) -> None:
        """Start or settle with any token that was ever given out, also one that ended long ago or that nobody remembers."""
        if self._model.leases:
            token, lease = _pick(list(self._model.leases.items()), pick)
            if what == "start":
                self._same(lambda: self._model.start(token), self._backend.start(lease.job_id, token))
            else:
                self._settle(token, what, None, dead_letters=True)

    def _settle(self, token: Any, outcome: str, retry_in: float | None, dead_letters: bool) -> None:
        job_id = self._model.leases[token].job_id
        self._same(
            lambda: self._model.settle(token, outcome, retry_in, dead_letters=dead_letters),
            self._backend.settle(job_id, token, outcome, retry_in, dead_letters=dead_letters),
        )

    def heartbeat(self, robot: int) -> None:
        who = self._robots[robot]
        in_flight = set(who.late)
        lost, _ = self._same(
            lambda: self._model.heartbeat(who.incarnation, who.held, in_flight),
            self._backend.heartbeat(who.incarnation, who.held, in_flight),
        )
        who.held = {job_id: token for job_id, token in who.held.items() if job_id not in lost}

    def crash(self, robot: int) -> None:
        self._robots[robot] = self._new_robot(*ROBOTS[robot])

    def time_passes(self, steps: list[float], upkeep: bool) -> None:
        for seconds in steps:
            self._model.now = self._run(self._backend.advance(seconds))
            if upkeep:
                self._same(self._model.upkeep, self._backend.upkeep())

    def ask_for_a_job(self, pick: int, what: str) -> None:
        """Do something to any job, the likely ones first, or to one that never was."""
        likely = [job_id for job_id, job in self._model.jobs.items() if not job.status.is_final or job.reason]
        job_id = _pick([*likely * 3, *self._orders, UUID(int=0)], pick)
        if what == "cancel":
            self._same(lambda: self._model.cancel(job_id), self._backend.cancel(job_id))
        elif what == "redrive":
            self._same(lambda: self._model.redrive(job_id), self._backend.redrive(job_id))
        elif job_id in self._orders:
            self._enqueue(job_id, resent=True)

    def redrive_every_dead_letter(self) -> None:
        for job_id in [job_id for job_id, job in self._model.jobs.items() if job.reason is not None]:
            self._same(partial(self._model.redrive, job_id), self._backend.redrive(job_id))

    def operate(self, queue: str, what: str) -> None:
        self._same(lambda: getattr(self._model, what)(queue), getattr(self._backend, what)(queue))

    @invariant()
    def the_queue_looks_like_the_model(self) -> None:
        seen: dict[UUID, Seen] = self._run(self._backend.look())
        for job_id, job in self._model.jobs.items():
            if job.run_at_range is not None and job_id in seen:
                least, most = job.run_at_range
                job.run_at, job.run_at_range = seen[job_id].run_at, None
                assert job.run_at is not None
                assert least - _ROUNDING <= job.run_at <= most + _ROUNDING
        assert seen == {job_id: _seen(job) for job_id, job in self._model.jobs.items()}
        for queue in QUEUES:
            assert self._run(self._backend.depth(queue)) == self._model.depth(queue)

    def teardown(self) -> None:
        self._run(self._backend.check([*self._model.jobs, *self._model.purged], self._model.purged))

    def _new_robot(self, name: str, offers: frozenset[str], tenant: str | None) -> Robot:
        tenant = tenant if self._backend.binds_tenants else None
        return Robot(name, offers, tenant, self._run(self._backend.robot(name, offers, tenant)))

    def _pick_held(self, pick: int) -> list[tuple[Robot, UUID, Any]]:
        """One of the leases that robots believe to hold, if there is any."""
        held = [(who, *lease) for who in self._robots for lease in who.held.items()]
        return [_pick(held, pick)] if held else []

    def _same(self, expected: Callable[[], Any], call: Coroutine[Any, Any, Any]) -> Any:
        """Do both, hold the queue's answer to the model's, errors among them, and return it."""
        wanted, found = _answer(expected), _answer(lambda: self._run(call))
        assert found == wanted
        return found


_ROUNDING = timedelta(microseconds=2)


def _seen(job: Job) -> Seen:
    expires = job.lease.expires if job.lease is not None else None
    return Seen(job.status, job.attempt, job.crashes, job.reason, job.run_at, expires)


def _answer(call: Callable[[], Any]) -> Any:
    """What a call returns, or the error of our vocabulary that it raises, in a form that can be compared."""
    try:
        return call()
    except CasareError as error:
        return type(error), error.job_id if isinstance(error, DuplicateReference) else None


def _pick(among: list[T], pick: int) -> T:
    return among[pick % len(among)]


@pytest.fixture
def memory_backend() -> Iterator[tuple[Backend, asyncio.Runner]]:
    """The queue in memory behind the machine; it knows no logins."""
    with asyncio.Runner() as runner:
        yield MemoryModelBackend(), runner


@pytest.fixture
def postgres_backend(database_url: str) -> Iterator[tuple[Backend, asyncio.Runner]]:
    """PostgreSQL behind the machine, with one login that is bound to tenant a."""
    login = "tenant_" + database_url.rsplit("/", 1)[1]

    async def begin() -> tuple[Bench, PostgresBackend, asyncpg.Connection]:
        bench = Bench(database_url)
        await bench.open()
        await bench.first.execute(f"CREATE ROLE {login} LOGIN; GRANT pgqueuer_robot TO {login}")
        await bench.first.execute(f"SELECT register_login('{login}', 'a')")
        bound = await asyncpg.connect(database_url)
        await bound.execute(f"SET SESSION AUTHORIZATION {login}")
        real = PostgresBackend(bench)
        await real.login("a", bound)
        return bench, real, bound

    async def end(bench: Bench, bound: asyncpg.Connection) -> None:
        await bound.close()
        await bench.first.execute(f"DROP OWNED BY {login}; DROP ROLE {login}")
        await bench.close()

    with asyncio.Runner() as runner:
        bench, real, bound = runner.run(begin())
        yield real, runner
        runner.run(end(bench, bound))


@pytest.mark.parametrize("which", ["postgres", "memory"])
def test_the_queue_does_what_the_model_does(request: pytest.FixtureRequest, which: str) -> None:
    real, runner = request.getfixturevalue(f"{which}_backend")

    class Machine(QueueMachine):
        def __init__(self) -> None:
            super().__init__(real, runner.run)

    profile = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "default")]
    run_state_machine_as_test(
        Machine,
        settings=settings(profile, deadline=None, suppress_health_check=list(HealthCheck)),
    )
