"""Shows the fields of a pydantic model as tables: name, type, default, and what the docstring says of each.

A section "Attributes:" of the docstring holds one line or more for each field that a caller sets. Fields without an entry are
set by the program, and follow in a table of their own.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import AwareDatetime, BaseModel

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from sphinx.application import Sphinx

_ENTRY = re.compile(r"^    (?P<name>\w+): (?P<text>.*)$")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", describe_fields, priority=100)  # before napoleon sees the section
    app.connect("autodoc-process-docstring", keep_colons, priority=100)
    app.connect("autodoc-skip-member", skip_foreign)
    return {"parallel_read_safe": True}


def describe_fields(_app: Sphinx, kind: str, _name: str, model: Any, _options: object, lines: list[str]) -> None:
    """Put tables in the place of the section "Attributes:"."""
    if kind != "class" or not issubclass(model, BaseModel):
        return
    texts = take_entries(lines)
    own = [name for name in model.model_fields if name not in texts]
    if texts:
        lines += ["", *table(model, list(texts), texts)]
    if own:
        lines += ["", *(["Set by the queue:", ""] if texts else []), *table(model, own, texts)]


def keep_colons(_app: Sphinx, kind: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Keep napoleon from taking the beginning of a property's first line, up to a colon, for a type."""
    if kind == "property":
        lines[:0] = ["..", ""]  # an empty comment


def skip_foreign(_app: Sphinx, _kind: str, name: str, value: object, skip: bool, _options: object) -> bool | None:
    """Leave out what pydantic, dataclasses and Python add to a class, and what only another part of ours calls."""
    foreign = not str(getattr(value, "__module__", "")).startswith("casare_rpa")
    made = getattr(getattr(value, "__code__", None), "co_filename", "") == "<string>"
    internal = str(getattr(value, "__doc__", "")).startswith("Called by the ")
    return True if name.startswith("model_") or internal or (name.startswith("__") and (foreign or made)) else skip


def take_entries(lines: list[str]) -> dict[str, str]:
    """Remove the section from a docstring and return what it says of each field."""
    if "Attributes:" not in lines:
        return {}
    begin = lines.index("Attributes:")
    end = next((n for n in range(begin + 1, len(lines)) if lines[n] and not lines[n].startswith("    ")), len(lines))
    texts: dict[str, str] = {}
    name = ""
    for line in lines[begin + 1 : end]:
        if found := _ENTRY.match(line):
            name = found["name"]
            texts[name] = found["text"]
        elif line.strip():
            texts[name] += " " + line.strip()
    del lines[begin:end]
    return texts


def table(model: type[BaseModel], names: list[str], texts: dict[str, str]) -> list[str]:
    hints = get_type_hints(model)
    rows = [["field", "type", "default", "meaning"]]
    for name in names:
        default = default_of(model.model_fields[name])
        rows.append([f"``{name}``", f"``{type_name(hints[name])}``", default, texts.get(name, "")])
    columns = 4 if texts.keys() & names else 3 if any(row[2] for row in rows[1:]) else 2
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [("   * - " if number == 0 else "     - ") + cell for number, cell in enumerate(row[:columns])]
    return lines


def type_name(hint: Any) -> str:
    """Return a type as a reader would write it."""
    if hint is type(None):
        return "None"
    if get_origin(hint) is Literal:
        return " | ".join(repr(value) for value in get_args(hint))
    names = [type_name(argument) for argument in get_args(hint)]
    if get_origin(hint) in {dict, list}:
        return f"{get_origin(hint).__name__}[{', '.join(names)}]"
    if names:
        return " | ".join(names)
    return "datetime" if hint is AwareDatetime else getattr(hint, "__name__", str(hint))


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    default = field.get_default(call_default_factory=True, validated_data={})
    return f"``{default.value if isinstance(default, Enum) else default!r}``"
