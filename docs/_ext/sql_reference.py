"""Describes the SQL functions that a role may call: ``sql-functions`` with the role's name, or ``owner`` for administrators.

A function that several roles may call is described where it comes first on the page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sphinx.util.docutils import SphinxDirective
from sql_functions import FOLDER, OWNER, Argument, Function, read_functions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docutils import nodes
    from sphinx.application import Sphinx

_RETURNED = ("Returns", "Errors", "Guarantees")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("sql-functions", SqlFunctions)
    return {"parallel_read_safe": True}


class SqlFunctions(SphinxDirective):
    """The directive ``sql-functions``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(FOLDER))  # its time changes with the files that come and go
        for path in FOLDER.glob("*.sql"):
            self.env.note_dependency(str(path))
        described: set[str] = self.state.document.settings.__dict__.setdefault("described_sql_functions", set())
        granted = [function for function in read_functions() if self.arguments[0] in function.roles]
        above = [f"[`{function.name}`](#{function.name})" for function in granted if function.name in described]
        lines = [f"Above: {', '.join(above)}.", ""] if above else []
        lines += [line for function in granted if function.name not in described for line in describe(function)]
        described.update(function.name for function in granted)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def describe(function: Function) -> Iterator[str]:
    """Return the Markdown of a function."""
    roles = "administrators only" if function.roles == [OWNER] else ", ".join(f"`{role}`" for role in function.roles)
    texts = function.described_arguments
    yield from [
        f"### {function.name}",
        "",
        "```sql",
        *signature(function),
        "```",
        "",
        *marked(function.summary).splitlines(),
        "",
    ]
    yield from (f"- `{name}`: {marked(text)}" for name, text in texts.items())
    yield ""
    for section in _RETURNED:
        if section in function.sections:
            yield from [f"**{section}:** " + marked(" ".join(function.sections[section].split())), ""]
    yield from [f"**For:** {roles}", ""]


def signature(function: Function) -> list[str]:
    """Return the lines of a signature, one for each argument and each column."""
    returns = ""
    if function.columns:
        returns = f" RETURNS TABLE {listed(function.columns)}"
    elif function.returns:
        returns = f" RETURNS {function.returns}"
    return f"{function.name}{listed(function.arguments)}{returns}".splitlines()


def listed(arguments: list[Argument]) -> str:
    if len(arguments) < 2:
        return f"({''.join(map(str, arguments))})"
    return "(\n" + ",\n".join(f"    {argument}" for argument in arguments) + "\n)"


def marked(text: str) -> str:
    """Return prose of a comment as Markdown, with arguments marked as code."""
    return re.sub(r"(?<![`\w])(p_\w+(?:\[i\])?)(?!`)", r"`\1`", text.replace("<", "&lt;"))
