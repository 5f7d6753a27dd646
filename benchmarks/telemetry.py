"""What metrics and traces cost: whole job lives per second with each of them switched on, against neither, and CPU time a life.

Every round runs all variants in turn, each in a process and on a database of its own. Traces are recorded by OpenTelemetry's
SDK, the spans of every job, and given in batches to an exporter that throws them away. The CPU time is that of the producer and
the robots, without the server; it says more than the rate where other programs want the machine too.

Usage: python -m benchmarks.telemetry [--seconds 5] [--rounds 5]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from benchmarks.clients.casare import Casare
from benchmarks.clients.common import main as serve
from benchmarks.measure import saturate
from benchmarks.plan import SHAPES
from benchmarks.server import Server
from benchmarks.systems import System
from casare_rpa.infrastructure.telemetry import enable_metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from benchmarks.plan import Shape

VARIANTS = ["off", "metrics", "traces", "both"]


class Nowhere(SpanExporter):
    """Throws spans away."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - they are thrown away
        return SpanExportResult.SUCCESS


@dataclass(frozen=True)
class Variant(System):
    """CasareRPA with some telemetry: its client program is this module."""

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.telemetry", "--serve", self.name]


class Cost(NamedTuple):
    """Jobs per second, and microseconds of this side's CPU time for each."""

    rate: float
    cpu: float


def serve_with(variant: str) -> None:
    """Be the client program."""
    metrics = enable_metrics(CollectorRegistry()) if variant in {"metrics", "both"} else None
    if variant in {"traces", "both"}:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(Nowhere()))
        trace.set_tracer_provider(provider)
    serve(Casare(metrics))


def measure(server: Server, shape: Shape, variant: str, seconds: float) -> Cost:
    """Measure in a process and on a database of its own."""
    answer = saturate(
        server,
        Variant(variant, "casare", "casare_rpa"),
        **shape._asdict(),
        seconds=seconds,
    ).answer
    return Cost(answer.rate or 0.0, 1e6 * (answer.cpu_seconds or 0.0) / (answer.window_jobs or 1))


def compare(server: Server, seconds: float, rounds: int) -> None:
    for shape in (SHAPES["batch100"], SHAPES["claim1"]):
        costs: dict[str, list[Cost]] = {variant: [] for variant in VARIANTS}
        for turn in range(rounds):
            order = VARIANTS if turn % 2 == 0 else VARIANTS[::-1]
            found = {variant: measure(server, shape, variant, seconds) for variant in order}
            for variant in VARIANTS:
                rate, cpu = found[variant]
                costs[variant].append(Cost(rate / found["off"].rate, cpu - found["off"].cpu))
            figures = [f"{name} {found[name].rate:,.0f}/s {found[name].cpu:.0f} us" for name in VARIANTS]
            print(f"{shape}: {', '.join(figures)}", flush=True)
        for variant in VARIANTS[1:]:
            rate, cpu = (statistics.median(column) for column in zip(*costs[variant], strict=True))
            print(f"{shape}: {variant}, median: {rate:.2f} of the rate, {cpu:+.0f} us a life", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve_with(arguments.serve)
        return
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    with Server() as server:
        compare(server, arguments.seconds, arguments.rounds)


if __name__ == "__main__":
    main()
