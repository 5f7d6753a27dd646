"""The systems that are measured: how each is started, why it may be missing, and how its ended jobs are counted."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.client import ask
from benchmarks.order import Order
from benchmarks.server import query

_NODE = Path(__file__).parent / "node"
_INSTALL_LIMIT = 120.0


@dataclass(frozen=True)
class System:
    """One system under test.

    Attributes:
        name: as it is shown and asked for.
        program: its module in benchmarks/clients, or its file in benchmarks/node.
        package: what must be installed: a Python package, or one of node_modules.
        python: the oldest Python that the package runs on.
        options: fields that every order to it carries.

    """

    name: str
    program: str
    package: str
    python: tuple[int, int] = (3, 11)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_node(self) -> bool:
        return self.program.endswith(".mjs")

    @property
    def argv(self) -> list[str]:
        """The command that starts its client."""
        if self.is_node:
            return ["node", str(_NODE / self.program)]
        return [sys.executable, "-m", f"benchmarks.clients.{self.program}"]

    def order(self, order: Order) -> Order:
        """Return the order with what every order to this system carries."""
        return replace(order, **self.options)

    def missing(self) -> str | None:
        """Return why it cannot run here, or None."""
        return _missing_node(self.program, self.package) if self.is_node else _missing_python(self)


@dataclass(frozen=True)
class Counting:
    """How a system's tables tell what has ended, for the count that nobody but the database makes."""

    terminal_sql: str | None
    left_sql: str | None

    def terminal(self, url: str) -> int | None:
        """Return how many jobs have ended and are committed, or None where the system deletes them."""
        return int(query(url, self.terminal_sql)[0][0]) if self.terminal_sql else None

    def left(self, url: str) -> int | None:
        """Return how many jobs are still there of a system that deletes those that have ended, else None."""
        return int(query(url, self.left_sql)[0][0]) if self.left_sql else None


SYSTEMS = {
    system.name: system
    for system in (
        System("casare", "casare", "casare_rpa"),
        System("floor", "floor", "asyncpg"),
        System("pgqueuer", "pgqueuer", "pgqueuer"),
        System("procrastinate", "procrastinate", "procrastinate"),
        System("oban", "oban", "oban", python=(3, 12)),
        System("chancy", "chancy", "chancy"),
        System("awa", "awa", "awa"),
        System("graphile-worker", "graphile_worker.mjs", "graphile-worker", options={"local_queue": False}),
        System("graphile-worker-local", "graphile_worker.mjs", "graphile-worker", options={"local_queue": True}),
        System("pg-boss", "pg_boss.mjs", "pg-boss"),
    )
}
"""By name. ``graphile-worker-local`` is the same library with its local queue."""


def install(system: System, url: str) -> Counting:
    """Let a system create its schema in an empty database, and return how its ended jobs are counted.

    Raises:
        ClientFailed: it could not.

    """
    answer = ask(system.argv, system.order(Order(do="install", url=url)), _INSTALL_LIMIT)
    if system.is_node:
        return Counting(answer.terminal_sql, answer.left_sql)
    module = importlib.import_module(f"benchmarks.clients.{system.program}")
    return Counting(getattr(module, "TERMINAL_SQL", None), getattr(module, "LEFT_SQL", None))


def _missing_python(system: System) -> str | None:
    if sys.version_info < system.python:
        needs, has = (".".join(map(str, version[:2])) for version in (system.python, sys.version_info))
        return f"needs Python {needs}, this is {has}"
    if importlib.util.find_spec(system.package) is None:
        return f"the Python package {system.package} is not installed"
    return None


@functools.cache
def _missing_node(program: str, package: str) -> str | None:
    if shutil.which("node") is None:
        return "Node.js is not installed"
    if not (_NODE / program).exists():
        return f"benchmarks/node/{program} is not there"
    if not (_NODE / "node_modules" / package).is_dir():
        return _install_node_packages()
    return None


@functools.cache
def _install_node_packages() -> str | None:
    npm = shutil.which("npm")
    if npm is None:
        return "npm, which installs its packages, is not there"
    print("Installing the packages of benchmarks/node", file=sys.stderr)
    words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(words, cwd=_NODE, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return "npm ci took longer than 300 s"
    return None if done.returncode == 0 else f"npm ci failed: {done.stderr.strip()[-200:]}"
