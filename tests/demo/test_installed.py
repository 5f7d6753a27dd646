"""What is installed is found, with the folder that holds all of it."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from casare_rpa.demo.errors import CannotRunError
from casare_rpa.demo.installed import find_installed
from tests.demo.distribution import Distribution


def test_finds_every_distribution_of_the_environment_once():
    found = [one.title.partition("-")[0].lower().replace("_", "-").replace(".", "-") for one in find_installed()]
    names = {d.metadata["Name"].lower().replace("_", "-").replace(".", "-") for d in importlib.metadata.distributions()}
    assert set(found) == names
    assert len(found) == len(names)
    assert {"casare-rpa", "pydantic", "pytest"} <= names


def test_roots_hold_scripts_too():
    (pytest_,) = [
        one for one in find_installed() if one.title.startswith("pytest-9") or one.title.startswith("pytest-8")
    ]
    assert pytest_.root == Path(sys.prefix)
    assert pytest_.metadata.is_relative_to(pytest_.root)


def test_the_first_of_two_with_one_name_wins(tmp_path, monkeypatch):
    first, second = Distribution(tmp_path / "a").write(), Distribution(tmp_path / "b").write()
    monkeypatch.setattr(sys, "path", [str(first.lib), str(second.lib), *sys.path])
    (sample,) = [one for one in find_installed() if one.title == "sample-1.0"]
    assert sample.metadata == first.metadata
    assert sample.root == first.lib


def test_too_few(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(Distribution(tmp_path).write().lib)])
    with pytest.raises(CannotRunError, match="holds 1 distributions, the demo needs 40 or more"):
        find_installed()
