"""What metrics and traces cost: whole job lives per second with each of them switched on, against neither, and CPU time a life.

Every round runs all variants in turn, each in a process and on a database of its own. Traces are recorded by OpenTelemetry's
SDK, the spans of every job, and given in batches to an exporter that throws them away. The CPU time is that of the producer and
the robots, without the server; it says more than the rate where other programs want the machine too.

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
import time
from typing import TYPE_CHECKING, NamedTuple

import asyncpg
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


class Cost(NamedTuple):
    """Jobs per second, and microseconds of this side's CPU time for each."""

    rate: float
    cpu: float


def measure(scenario: Scenario, variant: str, seconds: float) -> Cost:
    """Measure in this process."""
    metrics = enable_metrics(CollectorRegistry()) if variant in {"metrics", "both"} else None
    if variant in {"traces", "both"}:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(Nowhere()))
        trace.set_tracer_provider(provider)
    url = os.environ["PGQUEUER_DATABASE_URL"]
    began = time.process_time()
    rate = asyncio.run(casare(url, scenario, seconds, metrics))
    cpu = time.process_time() - began
    return Cost(rate, 1e6 * cpu / asyncio.run(count(url)))


async def count(url: str) -> int:
    """Return how many jobs have ended."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pgqueuer.job_history"))
    finally:
        await connection.close()


async def measure_apart(server: EmbeddedPostgres, scenario: int, variant: str, seconds: float) -> Cost:
    """Measure in a process and on a database of its own."""
    async with database(server, "measured") as url:
        words = [sys.executable, __file__, "--one", variant, "--scenario", str(scenario), "--seconds", str(seconds)]
        environment = os.environ | {"PGQUEUER_DATABASE_URL": url}
        done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)  # noqa: ASYNC221 - alone
        return Cost(*map(float, done.stdout.split()))


async def compare(server: EmbeddedPostgres, seconds: float, rounds: int) -> None:
    for number, scenario in enumerate(SCENARIOS):
        ratios: dict[str, list[Cost]] = {variant: [] for variant in VARIANTS}
        for turn in range(rounds):
            order = VARIANTS if turn % 2 == 0 else VARIANTS[::-1]
            found = {variant: await measure_apart(server, number, variant, seconds) for variant in order}
            for variant in VARIANTS:
                rate, cpu = found[variant]
                ratios[variant].append(Cost(rate / found["off"].rate, cpu - found["off"].cpu))
            costs = [f"{name} {found[name].rate:,.0f}/s {found[name].cpu:.0f} us" for name in VARIANTS]
            print(f"{scenario}: {', '.join(costs)}", flush=True)
        for variant in VARIANTS[1:]:
            rate, cpu = (statistics.median(column) for column in zip(*ratios[variant], strict=True))
            print(f"{scenario}: {variant}, median: {rate:.2f} of the rate, {cpu:+.0f} us a life", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--scenario", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(*measure(SCENARIOS[arguments.scenario], arguments.one, arguments.seconds))
        return
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    with EmbeddedPostgres() as server:
        asyncio.run(compare(server, arguments.seconds, arguments.rounds))


if __name__ == "__main__":
    main()
