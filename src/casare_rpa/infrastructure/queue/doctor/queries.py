"""The doctor's SQL, one file a query, read once. It only reads, and runs with the queue's schema last in the search path."""

from __future__ import annotations

from importlib.resources import files

_FILES = (files("casare_rpa.infrastructure.queue") / "doctor" / "sql").iterdir()

QUERIES = {file.name.removesuffix(".sql"): file.read_text("utf-8") for file in _FILES if file.name.endswith(".sql")}
