"""The pages of the reference name what there is; most of them are made from docstrings."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re

import pytest
from field_tables import take_entries

from casare_rpa.infrastructure import queue
from tests.examples.blocks import ROOT, rows_of

REFERENCE = ROOT / "docs" / "reference"
NAMES = re.compile(r"^\.\. (?:public-names|automodule):: ([\w.]+)$", re.MULTILINE)
MODULES = sorted({name for page in REFERENCE.glob("*.md") for name in NAMES.findall(page.read_text(encoding="utf-8"))})


def test_every_package_with_public_names_has_a_page():
    packages = [
        ".".join(init.parent.relative_to(ROOT / "src").parts)
        for init in (ROOT / "src" / "casare_rpa").rglob("__init__.py")
        if "__all__" in init.read_text(encoding="utf-8")
    ]
    assert set(packages) <= set(MODULES)


def test_the_table_of_fields_that_the_queue_sets_is_complete():
    written = [row[0] for row in rows_of(REFERENCE / "queue.md", "Jobs")]
    callers = take_entries((inspect.getdoc(queue.JobModel) or "").splitlines())
    assert written == [name for name in queue.JobModel.model_fields if name not in callers]


@pytest.mark.parametrize("module", MODULES)
def test_a_docstring_names_errors_that_there_are(module):
    known = {*queue.__all__, *dir(builtins), *importlib.import_module(module).__dict__}
    wrong = {
        f"{where}: {name}"
        for where, doc in docstrings_of(importlib.import_module(module))
        for names in raised_in(doc)
        for name in names.split(", ")
        if name not in known
    }
    assert wrong == set()


def docstrings_of(module):
    for name in getattr(module, "__all__", []):
        value = getattr(module, name)
        yield name, inspect.getdoc(value) or ""
        if inspect.isclass(value):
            for member, function in inspect.getmembers(value, inspect.isfunction):
                yield f"{name}.{member}", inspect.getdoc(function) or ""


def raised_in(doc):
    section = re.search(r"^Raises:\n((?: +.*\n?|\n)*)", doc, re.MULTILINE)
    return re.findall(r"^ {4}(\w[\w, ]*):", section[1], re.MULTILINE) if section else []
