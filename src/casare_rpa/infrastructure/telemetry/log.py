"""The log of the queue: events with fields, through structlog into the standard library's loggers below ``casare_rpa``.

Nothing is configured here: a library's lines go where its program sends them, and nowhere when it says nothing about it.
`configure_logging` is for programs.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import structlog

from casare_rpa.foundation.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from structlog.typing import Processor

    from casare_rpa.infrastructure.telemetry.events import Event

EVENT, FIELDS = "casare_event", "casare_fields"
"""Where a record of the standard library holds our event and its fields, for formatters that want more than its text."""
_LONGEST = 500
_PLAIN = re.compile(r"[\w.:/@+\-]+", re.ASCII)


class Log:
    """Writes events to one logger, with fields that all its lines have."""

    def __init__(self, name: str, **fields: Any) -> None:
        self._logger = logging.getLogger(f"casare_rpa.{name}")
        if not self._logger.handlers:
            self._logger.addHandler(logging.NullHandler())  # else Python prints warnings to stderr by itself
        processors: list[Processor] = [structlog.stdlib.filter_by_level, _to_standard_library]
        wrapped = structlog.wrap_logger(self._logger, processors, structlog.stdlib.BoundLogger)
        self._bound: structlog.stdlib.BoundLogger = wrapped.bind(**fields)

    def debug(self, event: Event, **fields: Any) -> None:
        """Write what happens to every job."""
        self._bound.debug(event.value, **fields)

    def info(self, event: Event, **fields: Any) -> None:
        """Write what happens to the robot."""
        self._bound.info(event.value, **fields)

    def warning(self, event: Event, **fields: Any) -> None:
        """Write what somebody should know of."""
        self._bound.warning(event.value, **fields)

    def error(self, event: Event, **fields: Any) -> None:
        """Write what somebody has to act on."""
        self._bound.error(event.value, **fields)

    def shows_jobs(self) -> bool:
        """Whether lines are wanted that are written for every job; asked first, since making them costs more than asking."""
        return self._logger.isEnabledFor(logging.DEBUG)


def as_text(event: str, fields: Mapping[str, Any]) -> str:
    """Return an event as a line for people: its name, then ``key=value``, without control characters."""
    return " ".join([visible(event), *(f"{visible(key)}={_shown(value)}" for key, value in fields.items())])


def first_line(text: str | None) -> str:
    """Return the beginning of an error's text: the line that says what it was."""
    return (text or "").split("\n", 1)[0][:_LONGEST]


def _shown(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else visible(json.dumps(text, ensure_ascii=False))


def _to_standard_library(_logger: object, _method: str, event_dict: MutableMapping[str, Any]) -> tuple[Any, ...]:
    event = event_dict.pop("event")
    fields = dict(event_dict)
    return (as_text(event, fields),), {"extra": {EVENT: event, FIELDS: fields}}
