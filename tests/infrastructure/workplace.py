"""Jobs in every place where jobs live, to look for and to act on: what `tests.conformance.workplace` has, in PostgreSQL."""

from __future__ import annotations

from functools import partial

from tests.conformance import workplace
from tests.conformance.queues import Postgres
from tests.conformance.workplace import SELECTS, WORK, all_pages

__all__ = ["SELECTS", "WORK", "all_pages", "bury", "complete", "one_of_each_kind"]

bury = partial(workplace.bury, Postgres())
complete = partial(workplace.complete, Postgres())
one_of_each_kind = partial(workplace.one_of_each_kind, Postgres())
