"""Finds the code blocks, links and tables of the documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
    *sorted((ROOT / "docs" / "reference").glob("*.md")),
]
"""Those whose code blocks are run."""

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(?P<title>.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced code block: where it begins, its language, its text."""

    page: Path
    line: int
    language: str
    code: str

    @property
    def file_name(self) -> str | None:
        """The file that a block stands for, when its first line is a comment with its name."""
        found = re.match(r"# (\w+\.py)\n", self.code)
        return found[1] if found else None


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 2, found["language"], found["code"])
        for found in _FENCE.finditer(text)
    ]


def links_of(page: Path) -> list[str]:
    return [found["target"] for found in _LINK.finditer(without_code(page))]


def anchors_of(page: Path) -> set[str]:
    titles = (found["title"] for found in _HEADING.finditer(without_code(page)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def without_code(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def rows_of(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head, and without the marks of code."""
    text = page.read_text(encoding="utf-8")
    below = text[text.index(f"# {heading}\n") :]
    lines = below.split("\n\n| ", 1)[1].split("\n\n")[0].splitlines()[1:]
    return [
        [cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]] for line in lines[1:]
    ]
