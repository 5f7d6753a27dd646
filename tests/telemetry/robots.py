"""A function for `casare work`, in a program that traces: its spans go to the file that the environment names."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import JobModel

logging.basicConfig(level="DEBUG")  # as some modules do: the command line has said already how to log

if "SPANS" in os.environ:
    provider = TracerProvider()
    file = Path(os.environ["SPANS"]).open("a", encoding="utf-8")  # noqa: SIM115 - it lives as long as the process
    provider.add_span_processor(
        SimpleSpanProcessor(ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(None) + "\n"))
    )
    trace.set_tracer_provider(provider)


def work(job: JobModel) -> None:
    logging.getLogger("robots").warning("at work \x1b[31m")
    with trace.get_tracer("robots").start_as_current_span("inside"):
        if job.payload.get("fail"):
            raise ValueError("the system was down")
