"""Finds the distributions of the Python installation that this program runs in."""

from __future__ import annotations

import os
import re
import site
import sys
from dataclasses import dataclass
from importlib.metadata import PathDistribution, distributions
from pathlib import Path

from casare_rpa.demo.errors import CannotRunError

FEWEST = 40
"""Distributions that make the demo worth looking at."""


@dataclass(frozen=True)
class Installed:
    """An installed distribution: its title, its metadata folder, and the folder that holds all of its files."""

    title: str
    metadata: Path
    root: Path


def find_installed(at_least: int = FEWEST) -> list[Installed]:
    """Return every distribution that can be imported from, by title; of two with one name, the one that wins.

    Raises:
        CannotRunError: there are fewer than `at_least`.

    """
    found: dict[str, Installed] = {}
    for distribution in distributions():
        if not isinstance(distribution, PathDistribution):
            continue
        folder = distribution._path  # noqa: SLF001 - nothing public says where the metadata is
        if isinstance(folder, Path):
            name = re.sub(r"[-_.]+", "-", folder.stem.partition("-")[0]).lower()
            found.setdefault(name, Installed(folder.stem, folder.absolute(), _root(folder.absolute())))
    if len(found) < at_least:
        raise CannotRunError(
            f"{sys.prefix} holds {len(found)} distributions, the demo needs {at_least} or more: "
            "run it in the environment that `make test` prepares"
        )
    return [found[name] for name in sorted(found)]


def _root(metadata: Path) -> Path:
    """Return the installation that a distribution is part of: scripts and data lie beside its packages."""
    for prefix in (sys.prefix, sys.base_prefix, site.getuserbase()):
        if metadata.is_relative_to(os.path.normpath(prefix)):
            return Path(prefix)
    return metadata.parent
