"""``python -m benchmarks``: measure, print tables, write JSON and pictures."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import plots, tables
from benchmarks.machine import facts
from benchmarks.plan import FULL, QUICK
from benchmarks.report import Report
from benchmarks.run import Run
from benchmarks.server import Server
from benchmarks.systems import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Callable

SCENARIOS = ("saturation", "drain", "fleet", "idle", "backlog", "snapshot", "mixed", "payloads", "processes")
OUT = Path(__file__).parent / "out"


def main() -> None:
    """Carry out what the command line says. Exits 1 when nothing could be measured or a run was refused."""
    arguments = _parse()
    plan = QUICK if arguments.quick else FULL
    began = time.monotonic()
    report = Report()
    with Server() as server:
        report.machine = facts(server)
        run = Run(server, plan, report, arguments.systems)
        try:
            for name in arguments.only:
                since = time.monotonic()
                importlib.import_module(f"benchmarks.scenarios.{name}").measure(run)
                run.say(f"---- {name} took {time.monotonic() - since:.0f} s")
        except KeyboardInterrupt:
            run.say("stopped: what was measured so far follows")
    report.machine["seconds"] = round(time.monotonic() - began)
    path = arguments.out or OUT / f"{plan.name}.json"
    report.write(path)
    drawn = plots.draw(report, path.parent, path.stem)
    console = Console(width=None if sys.stdout.isatty() else 160)
    tables.show(report, console)
    console.print(f"Written: {path} and {len(drawn)} pictures beside it", highlight=False)
    sys.exit(1 if report.refused or not report.rows() else 0)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the queue beside its peers and a bare floor."
    )
    parser.add_argument("--quick", action="store_true", help="a few minutes instead of some tens")
    parser.add_argument("--only", type=_names(SCENARIOS), default=SCENARIOS, help=f"of {','.join(SCENARIOS)}")
    parser.add_argument(
        "--systems", type=_names(tuple(SYSTEMS)), default=tuple(SYSTEMS), help=f"of {','.join(SYSTEMS)}"
    )
    parser.add_argument(
        "--out", type=Path, help="the file of results, by default benchmarks/out/quick.json or full.json"
    )
    return parser.parse_args()


def _names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Return what reads a list with commas, of names that are known."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}: there are {', '.join(known)}")
        return names

    return read


if __name__ == "__main__":
    main()
