"""Failures of PostgreSQL in our vocabulary: what passes is tried again, the rest says what it means."""

from __future__ import annotations

import json
from uuid import uuid4

import asyncpg
import pytest

from casare_rpa.foundation import errors
from casare_rpa.infrastructure.postgres.connection import check_url
from casare_rpa.infrastructure.postgres.faults import describe, is_passing, translate


def fault(
    state: str, message: str = "said PostgreSQL", detail: str | None = None, hint: str | None = None
) -> Exception:
    fields = {"C": state, "M": message, "D": detail, "H": hint, "S": "ERROR", "V": "ERROR"}
    made: Exception = asyncpg.PostgresError.new({key: value for key, value in fields.items() if value is not None})
    return made


@pytest.mark.parametrize("state", ["40001", "40P01", "53300", "55P03", "57014", "57P01", "57P02", "57P03", "08006"])
def test_a_state_that_passes_is_tried_again(state: str) -> None:
    assert is_passing(fault(state))
    assert isinstance(translate(fault(state)), errors.DatabaseUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        ConnectionResetError(),
        TimeoutError(),
        EOFError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    ],
)
def test_a_broken_connection_is_tried_again(error: Exception) -> None:
    assert is_passing(error)
    assert isinstance(translate(error), errors.DatabaseUnavailable)


@pytest.mark.parametrize("error", [fault("42501"), fault("23505"), ValueError("x"), asyncpg.DataError("a bad value")])
def test_what_will_not_pass_is_not_tried_again(error: Exception) -> None:
    assert not is_passing(error)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("CR001", errors.JobNotFound),
        ("CR002", errors.QueueNotFound),
        ("CR004", errors.InvalidJob),
        ("CR005", errors.NotPermitted),
        ("42501", errors.NotPermitted),
        ("25006", errors.DatabaseReadOnly),
        ("28P01", errors.DatabaseUnavailable),
        ("3D000", errors.DatabaseUnavailable),
        ("3F000", errors.SchemaMissing),
        ("42883", errors.SchemaMissing),
        ("42P01", errors.SchemaMissing),
    ],
)
def test_every_state_of_ours_has_its_error_with_what_postgresql_said(state: str, expected: type[Exception]) -> None:
    meaning = translate(fault(state))
    assert type(meaning) is expected
    assert "said PostgreSQL" in str(meaning)


def test_a_duplicate_reference_names_the_job_that_has_it() -> None:
    job = uuid4()
    meaning = translate(fault("CR003", detail=json.dumps({"reference": "r", "job_id": str(job), "ordinal": 1})))
    assert isinstance(meaning, errors.DuplicateReference)
    assert (meaning.reference, meaning.job_id) == ("r", job)


def test_a_refusal_says_what_an_administrator_runs() -> None:
    assert "SELECT register" in str(translate(fault("CR005", hint="an administrator runs: SELECT register")))


def test_an_error_without_a_meaning_stays_what_it_is() -> None:
    for error in (fault("23505"), ValueError("x"), errors.InvalidJob("x")):
        assert translate(error) is error


def test_a_description_is_one_line() -> None:
    assert describe(ValueError("one\ntwo")) == "ValueError: one"
    assert describe(ValueError()) == "ValueError"


def test_every_error_of_ours_is_a_casare_error() -> None:
    ours = [
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, Exception) and found.__module__ == errors.__name__
    ]
    assert len(ours) > 10
    assert all(issubclass(error, errors.CasareError) for error in ours)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@host:5432/database",
        "postgres://user:s%40cret@host/database?sslmode=require",
        "postgresql://user:secret@[::1]:5432/database",
        "postgresql:///database?host=/var/run/postgresql",
        "postgresql://user@/database?host=/tmp&port=5433",
    ],
)
def test_urls_of_postgresql_are_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "secret",
        "user:secret@host/database",
        "mysql://user:secret@host/database",
        "postgresql//user:secret@host/database",
        "postgresql://user:secret#1@host/database",
        "postgresql://user:secret/1@host/database",
        "postgresql://user:secret?1@host/database",
        "postgresql://user:1secret/2@host/database",
        "postgresql://user:5432/secret@host/database",
        "postgresql://user:5432#secret@host/database",
        "postgresql://user:5432?secret@host/database",
        "postgresql://user:secret@host:port/database",
        "postgresql://user:secret@[::1/database",
    ],
)
def test_any_other_url_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(errors.ConfigError, match=r"postgresql://") as caught:
        check_url(url)
    assert "secret" not in str(caught.value)
    assert "5432" not in str(caught.value)


def test_a_call_that_took_too_long_is_no_server_that_is_away():
    assert str(translate(TimeoutError())) == "PostgreSQL did not answer in time: TimeoutError"
    assert str(translate(ConnectionResetError("gone"))) == "PostgreSQL cannot be reached: ConnectionResetError: gone"
