"""What the tests share: a server that they do not change, and a data directory that they copy."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from casare_rpa.embedded import EmbeddedPostgres
from tests.embedded.helpers import execute


@pytest.fixture(scope="package")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as running:
        yield running


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "data"
    with EmbeddedPostgres(folder) as running:
        execute(running.url, "CREATE TABLE kept AS SELECT 7 AS number")
    return folder


@pytest.fixture
def data_dir(made: Path, tmp_path: Path) -> Path:
    """A data directory of the test's own, with the number 7 in table kept."""
    return Path(shutil.copytree(made, tmp_path / "data"))
