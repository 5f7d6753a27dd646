"""`casare work`."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer

from casare_rpa.cli import arguments
from casare_rpa.cli.faults import BadInput


class LogLevel(StrEnum):
    """The least that is shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How lines of the log look."""

    TEXT = "text"
    JSON = "json"


def work(
    function: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FUNCTION",
            help="What to call with every job. The module is looked for in the current folder too.",
            show_default=False,
        ),
    ],
    queue: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="The queue; PGQUEUER_QUEUE_NAME by default.")
    ] = None,
    robot_id: Annotated[
        str | None, typer.Option(metavar="NAME", help="The robot's name; host and process by default.")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, metavar="N", help="Jobs at once; PGQUEUER_MAX_CONCURRENT by default."),
    ] = None,
    capability: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="A word jobs may require; may be repeated.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A pair jobs may require; may be repeated.")
    ] = None,
    environment: Annotated[str | None, typer.Option(metavar="NAME", help="The environment jobs may require.")] = None,
    pool: Annotated[str | None, typer.Option(metavar="NAME", help="The pool of robots that jobs may require.")] = None,
    log_level: Annotated[
        LogLevel, typer.Option(help="The least that is logged, to stderr; debug has a line for every job.")
    ] = LogLevel.WARNING,
    log_format: Annotated[
        LogFormat, typer.Option(help="The log as text for people, or as JSON, one object a line.")
    ] = LogFormat.TEXT,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="Serve metrics for Prometheus over HTTP; 0 is any free port."
        ),
    ] = None,
    metrics_host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Where to serve them: 127.0.0.1 by default. There is no login."),
    ] = None,
) -> None:
    """Be a robot: call a function with every job.

    The function takes a JobModel. What it returns, JSON, is the job's result; what it raises fails the attempt, a
    BusinessError without a retry. An async one runs in the event loop. Any other runs in a thread, which cannot be
    stopped: it goes on, unseen, when its job is cancelled or runs past its time limit.

    Ctrl-C or SIGTERM: no new jobs, those that run get PGQUEUER_SHUTDOWN_GRACE seconds, the rest is released. A second
    time: everything is released at once. A third time: the process is killed.
    """
    from casare_rpa.cli.handlers import load_handler  # noqa: PLC0415 - help must not wait for it
    from casare_rpa.cli.robot_process import run_robot  # noqa: PLC0415 - as above
    from casare_rpa.infrastructure.queue import PgQueuerConsumer, QueueConfig  # noqa: PLC0415 - as above
    from casare_rpa.infrastructure.telemetry import configure_logging, enable_metrics  # noqa: PLC0415 - as above
    from casare_rpa.orchestrator import require_shared_queue  # noqa: PLC0415 - as above

    if metrics_host is not None and metrics_port is None:
        raise BadInput("metrics-host: say --metrics-port too, since nothing is served without it")
    configure_logging(log_level.value, log_format.value)
    require_shared_queue()
    settings: dict[str, Any] = {"queue_name": queue, "max_concurrent_jobs": concurrency}
    config = QueueConfig.from_env(**{name: value for name, value in settings.items() if value is not None})
    consumer = PgQueuerConsumer(
        config,
        robot_id or f"{socket.gethostname()[:150]}-{os.getpid()}",
        capabilities=capability or (),
        labels=arguments.pairs(label or [], "label"),
        environment=environment,
        pool=pool,
        metrics=None if metrics_port is None else enable_metrics(),
    )
    handler = load_handler(function)
    with _served(metrics_port, metrics_host or "127.0.0.1") as metrics_url:
        asyncio.run(run_robot(consumer, handler, metrics_url, notes=log_format is LogFormat.TEXT))


@contextmanager
def _served(port: int | None, host: str) -> Iterator[str | None]:
    """Serve metrics meanwhile, if there is a port, and say where."""
    if port is None:
        yield None
        return
    from casare_rpa.infrastructure.telemetry import serve_metrics  # noqa: PLC0415 - help must not wait for it

    with serve_metrics(port, host) as server:
        yield server.url
