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
from benchmarks.estimate import estimate
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
    minutes = estimate(plan, arguments.only, arguments.systems) / 60
    print(f"The {plan.name} run will take about {minutes:.0f} minutes", file=sys.stderr, flush=True)
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
    pictures = arguments.plots or path.parent
    drawn = plots.draw(report, pictures, "" if arguments.plots else f"{path.stem}-")
    console = Console(width=None if sys.stdout.isatty() else 160)
    tables.show(report, console)
    console.print(f"Written: {path}, and {len(drawn)} pictures in {pictures}", highlight=False)
    sys.exit(1 if report.refused or not report.rows() else 0)


def _parse() -> argparse.Namespace:
    quick, full = (estimate(plan, SCENARIOS, SYSTEMS) / 60 for plan in (QUICK, FULL))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the queue beside its peers and a bare floor, on a PostgreSQL of its own. Prints tables, and writes "
        "the figures as JSON and pictures of them. Exits 1 when a figure was refused or there is none.",
        epilog=f"On two quiet cores the full run takes about {full:.0f} minutes, the quick one {quick:.0f}; a run says at its "
        "start how long it will take. Figures mean something only on a machine with nothing else to do.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer systems, rounds and seconds")
    parser.add_argument(
        "--only",
        type=_names(SCENARIOS),
        default=SCENARIOS,
        metavar="NAME,...",
        help=f"measure these scenarios alone, in this order; of {', '.join(SCENARIOS)}",
    )
    parser.add_argument(
        "--systems",
        type=_names(tuple(SYSTEMS)),
        default=tuple(SYSTEMS),
        metavar="NAME,...",
        help=f"measure these systems alone, where the plan has them; of {', '.join(SYSTEMS)}",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where results go as JSON; by default benchmarks/out/full.json or quick.json, the pictures beside it",
    )
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where the pictures go, named by scenario alone")
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
