"""`configure_logging`: for programs. The library itself configures nothing."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal, TextIO

import structlog

from casare_rpa.foundation.errors import ConfigError
from casare_rpa.foundation.text import visible
from casare_rpa.infrastructure.telemetry.attempt import add_job_context
from casare_rpa.infrastructure.telemetry.log import EVENT, FIELDS, as_text

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]
_LEVELS = ("debug", "info", "warning", "error")
HANDLER = "casare_rpa.telemetry"
"""The name of the handler of the root logger."""


def configure_logging(level: Level = "info", format: Format = "text", stream: TextIO | None = None) -> None:  # noqa: A002 - the word for it
    """Show the log of this whole program: CasareRPA's events, and what handlers write with structlog or `logging`.

    Lines that are written while a handler runs name its job. Calling it again replaces what was configured before.

    Args:
        level: the least that is shown: ``debug`` (a line for every job), ``info``, ``warning`` or ``error``.
        format: ``text`` for people, in which nothing can move a terminal's cursor; ``json``, one object a line, for machines.
        stream: where to; None is stderr.

    Raises:
        ConfigError: there is no such level or format.

    """
    if level not in _LEVELS:
        raise ConfigError(f"the log level must be one of {', '.join(_LEVELS)}, not {level!r}")
    if format not in {"text", "json"}:
        raise ConfigError(f"the log format must be text or json, not {format!r}")
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_job_context,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = _StderrHandler() if stream is None else logging.StreamHandler(stream)
    handler.set_name(HANDLER)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_unpack, *common],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _as_line if format == "text" else structlog.processors.JSONRenderer(sort_keys=False),
            ],
        )
    )
    root = logging.getLogger()
    for before in [each for each in root.handlers if each.get_name() == HANDLER]:
        root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(level.upper())


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at that moment, which a program may exchange."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _unpack(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """Take our own event and its fields out of a record of the standard library."""
    record = event_dict["_record"].__dict__
    if EVENT in record:
        event_dict["event"] = record[EVENT]
        event_dict.update(record[FIELDS])
    return event_dict


def _as_line(_logger: Any, _method: str, event_dict: EventDict) -> str:
    """Return a line for people: who, when, how bad, what; a traceback below it."""
    logger = str(event_dict.pop("logger", None) or "log")
    who = "casare" if logger.partition(".")[0] == "casare_rpa" else visible(logger)
    when, level = event_dict.pop("timestamp"), event_dict.pop("level", "")
    trace = event_dict.pop("exception", None)
    line = f"{who}: {when} {level} {as_text(str(event_dict.pop('event', '')), event_dict)}"
    return (
        line if trace is None else "\n".join([line, *(visible(each.expandtabs()) for each in str(trace).split("\n"))])
    )
