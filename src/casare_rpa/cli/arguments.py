"""Reads what was typed. Every fault is a `BadInput` that names the argument and says what would be right."""

from __future__ import annotations

import json
import math
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from casare_rpa.cli.faults import BadInput
from casare_rpa.cli.text import shortened, visible

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import JobModel

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
_LIST, _OBJECT = ("capabilities",), ("labels",)
_LARGEST_FILE = 64 * 2**20
"""Bytes of a file that are read: a device never ends."""
_WORDS = ("environment", "pool")


def job_id(text: str) -> UUID:
    """Return the id that was typed."""
    try:
        return UUID(text)
    except ValueError:
        raise BadInput(f"{quoted(text)} is no job id: an id is a UUID") from None


def priority(text: str) -> int:
    """Return a priority typed as a number (its range is checked with the job) or as a name, in capitals or not."""
    from casare_rpa.infrastructure.queue import JobPriority  # noqa: PLC0415 - help must not wait for it

    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    try:
        return JobPriority[text.upper()]
    except KeyError:
        names = ", ".join(name.lower() for name in JobPriority.__members__)
        raise BadInput(f"priority: {quoted(text)} is neither a whole number from 0 to 20 nor one of {names}") from None


def json_object(text: str, name: str) -> dict[str, Any]:
    """Return the JSON object that was typed for `name`."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"{name}: not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name}: not JSON that can be read: {error}") from None
    if not isinstance(value, dict):
        raise BadInput(f'{name}: must be a JSON object, such as {{"invoice": 7}}, not {_kind(value)}')
    return value


def payload(text: str | None, file: str | None) -> dict[str, Any]:
    """Return the payload that was typed, or stands in a UTF-8 file (``-`` is stdin); empty without either."""
    if text is not None and file is not None:
        raise BadInput("payload: give --payload or --payload-file, not both")
    if file is not None:
        return json_object(_contents(file), "payload")
    return {} if text is None else json_object(text, "payload")


def run_at(at: str | None, seconds: float | None) -> datetime | None:
    """Return the time typed as ISO 8601 with its zone, or as seconds from now by this machine's clock."""
    if at is not None and seconds is not None:
        raise BadInput("give --run-at or --run-in, not both")
    if seconds is not None:
        if not (math.isfinite(seconds) and 0 <= seconds <= 1e9):
            raise BadInput(f"run-in: must be from 0 to 1,000,000,000 seconds, not {seconds:g}")
        return datetime.now(UTC) + timedelta(seconds=seconds)
    return None if at is None else moment(at, "run-at")


def wait_time(seconds: float | None) -> None:
    """Refuse what is no time to wait."""
    if seconds is not None and not (math.isfinite(seconds) and 0 < seconds <= 1e9):
        raise BadInput(f"timeout: must be more than 0 and at most 1,000,000,000 seconds, not {seconds:g}")


def moment(text: str, name: str, example: str = "2030-01-31T08:00+01:00") -> datetime:
    """Return the time that was typed as ISO 8601 with its zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{name}: {quoted(text)} is no time such as {example}") from None
    if found.tzinfo is None:
        raise BadInput(f"{name}: {quoted(text)} has no time zone: add Z for UTC, or an offset such as +01:00")
    return found


def requirements(words: list[str]) -> dict[str, Any]:
    """Return requirements typed as ``capabilities=excel,sap``, ``labels=site=berlin``, ``environment=…`` or ``pool=…``."""
    found: dict[str, Any] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or name not in _LIST + _OBJECT + _WORDS:
            known = ", ".join(f"{known}=…" for known in _LIST + _OBJECT + _WORDS)
            raise BadInput(f"require: {quoted(word)} is none of {known}")
        if name in _LIST:
            found.setdefault(name, []).extend(value.split(","))
        elif name in _OBJECT:
            found.setdefault(name, {}).update(pairs(value.split(","), "require labels"))
        elif name in found:
            raise BadInput(f"require: {name} is given twice")
        else:
            found[name] = value
    return found


def pairs(words: list[str], name: str) -> dict[str, str]:
    """Return pairs typed as ``site=berlin``."""
    found: dict[str, str] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not (separator and key and value):
            raise BadInput(f"{name}: {quoted(word)} is no pair such as site=berlin")
        if found.setdefault(key, value) != value:
            raise BadInput(f"{name}: {quoted(key)} is given twice")
    return found


def job(fields: dict[str, Any]) -> JobModel:
    """Return the job with these fields; a fault names every field that is wrong and what was given."""
    from pydantic import ValidationError  # noqa: PLC0415 - help must not wait for it

    from casare_rpa.infrastructure.queue import JobModel  # noqa: PLC0415 - as above

    try:
        return JobModel(**fields)
    except ValidationError as error:
        raise BadInput("; ".join(map(_problem, error.errors(include_url=False, include_context=False)))) from None


def filters(**words: str | None) -> dict[str, str | None]:
    """Return words to compare with what the database holds, all of them text that it could hold."""
    for name, word in words.items():
        try:
            (word or "").encode()
        except UnicodeEncodeError:
            raise BadInput(f"{name}: {quoted(word or '')} is not valid UTF-8") from None
    return words


def quoted(text: str) -> str:
    """Return what was typed as it stands in an error: in quotes, cut, without control characters."""
    return f'"{visible(shortened(text, 60))}"'


def _problem(problem: Any) -> str:
    field = ".".join(map(str, problem["loc"]))
    message = str(problem["msg"]).removeprefix("Value error, ")
    if message.startswith(field):  # our own checks name the place within the field
        return message
    given = problem["input"]
    shown = f", not {visible(shortened(repr(given), 60))}" if isinstance(given, str | int | float) else ""
    return f"{field}: {message[:1].lower()}{message[1:]}{shown}"


def _contents(file: str) -> str:
    try:
        return _bytes(file).decode("utf-8-sig")  # the mark at the front is what PowerShell writes
    except UnicodeDecodeError:
        raise BadInput(f"payload-file: {quoted(file)} is not UTF-8") from None
    except OSError as error:
        raise BadInput(f"payload-file: {quoted(file)} cannot be read: {error.strerror}") from None


def _bytes(file: str) -> bytes:
    if file != "-":
        with Path(file).open("rb") as opened:
            found = opened.read(_LARGEST_FILE + 1)
    elif sys.stdin is None:
        raise BadInput("payload-file: there is no stdin to read")
    else:
        found = sys.stdin.buffer.read(_LARGEST_FILE + 1)
    if len(found) > _LARGEST_FILE:
        raise BadInput(
            f"payload-file: {quoted(file)} holds more than {_LARGEST_FILE >> 20} MiB; a payload has 1 MiB at most "
            "unless an administrator of the queue allows more"
        )
    return found


def _kind(value: object) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
