"""What metrics and traces cost: whole job lives per second with each of them switched on, against neither.

Every round runs all variants in turn, each in a process and on a database of its own. Traces are recorded by OpenTelemetry's
SDK, the spans of every job, and given in batches to an exporter that throws them away.

Usage: python benchmarks/telemetry.py [--seconds 5] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from lives import Scenario, casare, database
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.telemetry import enable_metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

SCENARIOS = [Scenario(100, 2, 100), Scenario(100, 20, 1)]
VARIANTS = ["off", "metrics", "traces", "both"]


class Nowhere(SpanExporter):
    """Throws spans away."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - they are thrown away
        return SpanExportResult.SUCCESS


def measure(scenario: Scenario, variant: str, seconds: float) -> float:
    """Return jobs per second, in this process."""
    metrics = enable_metrics(CollectorRegistry()) if variant in {"metrics", "both"} else None
    if variant in {"traces", "both"}:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(Nowhere()))
        trace.set_tracer_provider(provider)
    return asyncio.run(casare(os.environ["PGQUEUER_DATABASE_URL"], scenario, seconds, metrics))


async def measure_apart(server: EmbeddedPostgres, scenario: int, variant: str, seconds: float) -> float:
    """Return jobs per second, in a process and on a database of its own."""
    async with database(server, "measured") as url:
        words = [sys.executable, __file__, "--one", variant, "--scenario", str(scenario), "--seconds", str(seconds)]
        environment = os.environ | {"PGQUEUER_DATABASE_URL": url}
        done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)  # noqa: ASYNC221 - alone
        return float(done.stdout)


async def compare(server: EmbeddedPostgres, seconds: float, rounds: int) -> None:
    for number, scenario in enumerate(SCENARIOS):
        ratios: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for turn in range(rounds):
            order = VARIANTS if turn % 2 == 0 else VARIANTS[::-1]
            found = {variant: await measure_apart(server, number, variant, seconds) for variant in order}
            for variant in VARIANTS:
                ratios[variant].append(found[variant] / found["off"])
            print(f"{scenario}: " + ", ".join(f"{name} {found[name]:,.0f}/s" for name in VARIANTS), flush=True)
        for variant in VARIANTS[1:]:
            print(f"{scenario}: {variant}, median ratio {statistics.median(ratios[variant]):.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--scenario", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(measure(SCENARIOS[arguments.scenario], arguments.one, arguments.seconds))
        return
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    with EmbeddedPostgres() as server:
        asyncio.run(compare(server, arguments.seconds, arguments.rounds))


if __name__ == "__main__":
    main()
