"""One run: the server, the plan and the report, and how a scenario asks a system without being stopped by its failure."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.client import ClientCannot, ClientFailed
from benchmarks.measure import Refused
from benchmarks.systems import SYSTEMS, System

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.plan import Plan
    from benchmarks.report import Report
    from benchmarks.server import Server


@dataclass(frozen=True)
class Run:
    """What every scenario is given.

    Attributes:
        server: the PostgreSQL of this run.
        plan: how much is measured.
        report: where figures go.
        wanted: names of the systems that were asked for.

    """

    server: Server
    plan: Plan
    report: Report
    wanted: Sequence[str]

    def systems(self, names: Sequence[str]) -> list[System]:
        """Return those of the named systems that were asked for and can run here; why one cannot is noted."""
        found = []
        for name in names:
            system = SYSTEMS[name]
            if name not in self.wanted:
                continue
            if why := system.missing():
                self.report.missing[name] = why
                continue
            found.append(system)
        return found

    @contextmanager
    def attempt(self, scenario: str, system: System) -> Iterator[None]:
        """Measure one system; whatever goes wrong with it is noted, and the run goes on with the next."""
        try:
            yield
        except ClientCannot as why:
            self.report.missing[f"{system.name}: {scenario}"] = str(why)
        except (ClientFailed, Refused) as why:
            self.report.refuse(scenario, system.name, str(why).splitlines()[0])
            self.say(f"{scenario}, {system.name}: REFUSED: {why}")

    def say(self, text: str) -> None:
        """Tell whoever waits how far the run is."""
        print(text, file=sys.stderr, flush=True)
