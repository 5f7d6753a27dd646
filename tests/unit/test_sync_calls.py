"""The producer without async has the calls of the one with it."""

from __future__ import annotations

import inspect

import pytest

from casare_rpa.infrastructure.queue import PgQueuerProducer, PgQueuerSyncProducer

ASYNC_BY_NATURE = {"handle", "follow"}


def calls_of(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(call)
        for name, call in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and name not in ASYNC_BY_NATURE
    }


def test_every_call_but_those_that_are_async_by_nature_is_there() -> None:
    assert set(calls_of(PgQueuerSyncProducer)) == set(calls_of(PgQueuerProducer))
    assert not any(hasattr(PgQueuerSyncProducer, name) for name in ASYNC_BY_NATURE)
    assert not any(
        inspect.iscoroutinefunction(getattr(PgQueuerSyncProducer, n)) for n in calls_of(PgQueuerSyncProducer)
    )


@pytest.mark.parametrize("name", sorted(calls_of(PgQueuerProducer)))
def test_its_arguments_and_its_answer_are_the_same(name: str) -> None:
    wanted = calls_of(PgQueuerProducer)[name]
    # An asyncpg connection belongs to the event loop of the caller, and a blocking caller has none.
    parameters = [parameter for parameter in wanted.parameters.values() if parameter.name != "connection"]
    assert calls_of(PgQueuerSyncProducer)[name] == wanted.replace(parameters=parameters)
