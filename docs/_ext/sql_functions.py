"""Reads the SQL functions that programs may call from the files that make them: signature, rights, and the comment above.

A comment says in prose what the function does. Then come sections, each begun by its name at the beginning of a line and a
colon: "Arguments", with an indented line for each ("p_queue: what it is, its unit, its limits"; what goes on in the next line is
indented further), "Returns", "Errors" (SQLSTATEs, and when they are raised), "Guarantees" (repeatable or not, what it locks,
in whose transaction), and "Inside" for what only readers of the code need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "src/casare_rpa/infrastructure/queue/sql/functions"
SECTIONS = ("Arguments", "Returns", "Errors", "Guarantees", "Inside")
OWNER = "owner"

_FUNCTION = re.compile(
    r"(?P<comment>(?:^--[^\n]*\n)*)^CREATE OR REPLACE FUNCTION (?P<name>\w+)\((?P<arguments>[^;$]*?)\)"
    r"(?:\s+RETURNS\s+(?P<returns>[^;$]*?))?\s+LANGUAGE (?P<options>.*?) AS \$\$",
    re.MULTILINE | re.DOTALL,
)
_GRANT = re.compile(r"\('(?P<role>\w+)',\s*ARRAY\[(?P<names>[^\]]*)\]\)")
_ARGUMENT = re.compile(r"(?P<out>OUT )?(?P<name>\w+) (?P<type>.+?)(?: DEFAULT (?P<default>.+))?")


@dataclass(frozen=True)
class Argument:
    """An argument, or a column or OUT argument that is returned."""

    name: str
    type: str
    default: str | None = None
    is_out: bool = False

    def __str__(self) -> str:
        default = "" if self.default is None else f" DEFAULT {self.default}"
        return f"{'OUT ' if self.is_out else ''}{self.name} {self.type}{default}"


@dataclass(frozen=True)
class Function:
    """A function that programs may call, and the roles that may: `owner` when no other has the right."""

    name: str
    arguments: list[Argument]
    returns: str | None
    roles: list[str]
    summary: str
    sections: dict[str, str]

    @property
    def columns(self) -> list[Argument]:
        """What a function that returns a table returns."""
        found = re.fullmatch(r"TABLE \((.*)\)", self.returns or "", re.DOTALL)
        return parse_arguments(found[1]) if found else []

    @property
    def described_arguments(self) -> dict[str, str]:
        """What the comment says of each argument."""
        texts: dict[str, str] = {}
        name = ""
        for line in self.sections.get("Arguments", "").splitlines():
            if found := re.match(r"  (\w+): +(.*)", line):
                name = found[1]
                texts[name] = found[2]
            elif line.strip():
                texts[name] = texts.get(name, "") + " " + line.strip()
        return texts


def read_functions() -> list[Function]:
    """Return every function that a role may call, and those of administrators, in the order of the files.

    A function that runs with its owner's rights and is granted to nobody is an administrator's; the others are parts.
    """
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.sql"))}
    grants = [found for text in files.values() for found in _GRANT.finditer(text)]
    granted = {(found["role"], name) for found in grants for name in re.findall(r"'(\w+)'", found["names"])}
    functions = []
    for text in files.values():
        for found in _FUNCTION.finditer(text):
            roles = sorted(role for role, name in granted if name == found["name"])
            if not roles and "SECURITY DEFINER" in found["options"]:
                roles = [OWNER]
            if roles:
                functions.append(_function(found, roles))
    return functions


def parse_arguments(text: str) -> list[Argument]:
    """Return the arguments of a list such as ``p_queue text, p_limit integer DEFAULT 100``."""
    found = [_ARGUMENT.fullmatch(" ".join(part.split())) for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    return [Argument(one["name"], one["type"], one["default"], bool(one["out"])) for one in found if one]


def _function(found: re.Match[str], roles: list[str]) -> Function:
    summary, sections = _split(re.sub(r"^-- ?", "", found["comment"], flags=re.MULTILINE))
    returns = " ".join(found["returns"].split()) if found["returns"] else None
    return Function(found["name"], parse_arguments(found["arguments"]), returns, roles, summary, sections)


def _split(comment: str) -> tuple[str, dict[str, str]]:
    parts = re.split(rf"^({'|'.join(SECTIONS)}):", comment, flags=re.MULTILINE)
    return parts[0].strip(), {name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2], strict=True)}
