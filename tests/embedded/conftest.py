"""A server that the tests of one file share."""

from collections.abc import Iterator

import pytest

from casare_rpa.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as running:
        yield running
