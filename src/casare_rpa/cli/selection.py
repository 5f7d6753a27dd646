"""The options that say which jobs are meant, shared by every command that lists jobs or acts on many."""

from __future__ import annotations

import functools
import inspect
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from casare_rpa.cli.arguments import filters, json_object, moment, quoted
from casare_rpa.cli.faults import BadInput
from casare_rpa.cli.options import REASONS, Status, completes

if TYPE_CHECKING:
    from collections.abc import Callable

    from casare_rpa.infrastructure.queue import JobFilter

_AGO = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(s|m|min|h|d|w)")
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def _text(metavar: str, words: str) -> Any:
    return Annotated[str | None, typer.Option(metavar=metavar, help=words, show_default=False)]


_OF_ALL_JOBS: dict[str, Any] = {
    "queue": _text("QUEUE", "Only of this queue."),
    "workflow": _text("NAME", "Only of this workflow."),
    "tenant": _text("NAME", "Only of this tenant."),
    "tag": Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Only with this tag; may be repeated.", show_default=False)
    ],
    "metadata": Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE|JSON",
            help="Only with this text, or this JSON object, in the metadata; may be repeated.",
            show_default=False,
        ),
    ],
    "robot": _text("NAME", "Only held by this robot, now or last."),
    "reference": _text("TEXT", "Only with this reference."),
    "since": _text("TIME", "Only created then or later: 2h, 3d, or a time with its zone."),
    "until": _text("TIME", "Only created before then: 2h, 3d, or a time with its zone."),
    "error": _text("TEXT", "Only with this text in the error, in capitals or not."),
}
_STATUS: dict[str, Any] = {
    "status": Annotated[
        list[Status] | None,
        typer.Option(
            case_sensitive=False,
            metavar="STATUS",
            help=f"Only {', '.join(status.lower() for status in Status)}; may be repeated.",
            show_default=False,
        ),
    ]
}
_OF_DEAD_LETTERS: dict[str, Any] = {
    "reason": Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help=f"Only {', '.join(REASONS)}.",
            show_default=False,
            autocompletion=completes(REASONS),
        ),
    ],
    "shape": _text("TEXT", "Only with an error of this shape, see `casare dlq groups`."),
    "assigned_to": _text("NAME", "Only assigned to this person."),
    "unassigned": Annotated[bool, typer.Option("--unassigned", help="Only assigned to nobody.")],
}
_KEYS = {"queue": "queue_name", "tenant": "tenant_id", "tag": "tags"}


class Selection:
    """What was typed to say which jobs are meant."""

    def __init__(self, typed: dict[str, Any]) -> None:
        self._typed = {name: value for name, value in typed.items() if value not in (None, [], False)}
        self._reckoned: dict[str, datetime] = {}

    @property
    def is_given(self) -> bool:
        """Whether anything was."""
        return bool(self._typed)

    @property
    def reckoned_times(self) -> str:
        """The options whose times were typed as how long ago, as they were understood: the next page needs the same filter."""
        return "".join(f" --{name} {time.isoformat()}" for name, time in self._reckoned.items())

    def job_filter(self, **more: Any) -> JobFilter:
        """Return the filter; what was typed goes before `more`.

        Raises:
            BadInput, InvalidFilter: something typed cannot be right; the message names it.

        """
        from casare_rpa.infrastructure.queue import JobFilter  # noqa: PLC0415 - help must not wait for it

        return JobFilter.of(**{**more, **self._keys()})

    def _keys(self) -> dict[str, Any]:
        typed = dict(self._typed)
        filters(**{name: value for name, value in typed.items() if isinstance(value, str)})
        for word in typed.get("tag", ()):
            filters(tag=word)
        if typed.pop("unassigned", False):
            if "assigned_to" in typed:
                raise BadInput("give --assigned-to or --unassigned, not both")
            typed["assigned_to"] = ""
        if "reason" in typed:
            typed["reason"] = _reason(typed["reason"])
        if "metadata" in typed:
            typed["metadata"] = _metadata(typed["metadata"])
        if "status" in typed:
            typed["status"] = [status.value for status in typed["status"]]
        for name in ("since", "until"):
            if name in typed:
                typed[name], reckoned = _time(typed[name], name)
                if reckoned:
                    self._reckoned[name] = typed[name]
        return {_KEYS.get(name, name): value for name, value in typed.items()}


def selects_jobs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a filter, as its argument `where`, a `Selection`."""
    return _with_options(command, {**_STATUS, **_OF_ALL_JOBS})


def selects_dead_letters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a filter for dead letters, as its argument `where`, a `Selection`."""
    return _with_options(command, {**_OF_ALL_JOBS, **_OF_DEAD_LETTERS})


def _with_options(command: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """Typer reads a command's signature: put the options there where it has `where`."""

    @functools.wraps(command)
    def called_by_typer(**given: Any) -> Any:
        return command(where=Selection({name: given.pop(name) for name in options}), **given)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        names = options if parameter.name == "where" else [parameter.name]
        for name in names:
            default = parameter.default if name not in options else (False if name == "unassigned" else None)
            annotation = options.get(name, parameter.annotation)
            parameters.append(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            )
    called_by_typer.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
    called_by_typer.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del called_by_typer.__wrapped__
    return called_by_typer


def _reason(text: str) -> str:
    """Return a reason as the queue has it, typed in capitals or not."""
    word = text.lower().replace(" ", "-")
    if word not in REASONS:
        raise BadInput(f"reason: {quoted(text)} is none of {', '.join(REASONS)}")
    return word.replace("-", " ")


def _metadata(words: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        if word.lstrip().startswith("{"):
            pairs = json_object(word, "metadata")
        else:
            key, separator, value = word.partition("=")
            if not (separator and key):
                raise BadInput(f'metadata: {quoted(word)} is neither KEY=VALUE nor a JSON object such as {{"n": 7}}')
            pairs = {key: filters(metadata=value)["metadata"]}
        for key, value in pairs.items():
            if found.setdefault(key, value) != value:
                raise BadInput(f"metadata: {quoted(key)} is given twice")
    return found


def _time(text: str, name: str) -> tuple[datetime, bool]:
    """Return a time typed as how long ago it was, by this machine's clock, or as ISO 8601 with its zone; whether the former."""
    if found := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(seconds=float(found[1]) * _UNITS[found[2]]), True
    return moment(text, name, "2h, 3d, or 2030-01-31T08:00+01:00"), False
