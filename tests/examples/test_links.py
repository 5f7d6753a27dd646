"""Every document leads to what is there."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from tests.examples.blocks import DOCUMENTS, ROOT, anchors_of, links_of, without_code

_FILE = re.compile(r"`(?P<name>[\w./-]+\.(?:py|sql|md|toml|yml|txt))`")


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_resolves(page):
    wrong = []
    for link in links_of(page):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize(
    "page",
    [ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs" / "adr").glob("*.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_file_that_is_named_exists(page):
    files = [
        str(file)
        for folder in ("src", "tests", "docs", "benchmarks", "examples")
        for file in (ROOT / folder).rglob("*")
    ]
    named = {found["name"] for found in _FILE.finditer(without_code(page))}
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []


def test_every_guide_and_decision_is_reached_from_an_index():
    readme = " ".join(links_of(ROOT / "README.md"))
    index = " ".join(links_of(ROOT / "docs" / "adr" / "README.md"))
    guides = [path.name for path in (ROOT / "docs" / "guides").glob("*.md") if f"/{path.name}" not in readme]
    decisions = [path.name for path in (ROOT / "docs" / "adr").glob("0*.md") if path.name not in index]
    assert (guides, decisions) == ([], [])
