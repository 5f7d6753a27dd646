"""JSON text that PostgreSQL takes: what it cannot hold is refused by name, or made safe."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casare_rpa.foundation.errors import InvalidJob
from casare_rpa.foundation.jsontext import MAX_DEPTH, make_safe, safe_text, to_json

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
dirty_texts = st.text(st.characters())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
dirty_values = st.recursive(
    st.none() | st.integers() | dirty_texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(dirty_texts, inner, max_size=4),
    max_leaves=20,
)


def nested(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels - 1):
        found = [found]
    return found


@given(values)
def test_what_json_can_hold_comes_back_as_it_was(value: Any) -> None:
    assert json.loads(to_json(value, "payload")) == value


@given(dirty_values)
def test_what_was_made_safe_is_accepted(value: Any) -> None:
    text = to_json(make_safe(value), "result")
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode()


@given(values)
def test_making_safe_leaves_alone_what_is_safe(value: Any) -> None:
    assert make_safe(value) == value


def test_nul_and_unpaired_surrogates_are_replaced_each_by_one_character() -> None:
    assert safe_text("a\x00b\ud800c\udfffd") == "a\ufffdb\ufffdc\ufffdd"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"a": float("nan")}, "payload.a is nan, which JSON cannot hold"),
        ({"a": [1, float("-inf")]}, "payload.a[1] is -inf, which JSON cannot hold"),
        ({"a": b"x"}, "payload.a is of type bytes, which JSON cannot hold"),
        ({"a": {"b": {1, 2}}}, "payload.a.b is of type set, which JSON cannot hold"),
        ({"a": "x\x00"}, "payload.a contains a NUL character at position 1, which PostgreSQL cannot store"),
        ({"a": ["\ud800"]}, "payload.a[0] contains an unpaired surrogate at position 0, which PostgreSQL cannot store"),
        ({"x\x00": 1}, "a key of payload contains a NUL character at position 1, which PostgreSQL cannot store"),
        ({"a": {(1, 2): 3}}, "payload.a has a key of type tuple; keys are strings"),
        ({"a": 10**5000}, "payload.a is a number with thousands of digits"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(value: Any, fault: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        to_json(value, "payload")
    assert str(caught.value) == fault


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert json.loads(to_json({"a": "\\u0000"}, "payload")) == {"a": "\\u0000"}


def test_a_document_may_have_64_levels_and_not_65() -> None:
    assert MAX_DEPTH == 64
    to_json(nested(64), "payload")
    with pytest.raises(InvalidJob, match="payload is nested deeper than 64 levels"):
        to_json(nested(65), "payload")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    to_json([[] for _ in range(1000)], "payload")


@pytest.mark.parametrize("levels", [1000, 5000, 100_000])
def test_a_document_too_deep_for_python_is_refused_alike(levels: int) -> None:
    with pytest.raises(InvalidJob, match="payload is nested deeper than 64 levels"):
        to_json(nested(levels), "payload")


def test_a_document_that_contains_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidJob, match="payload is nested deeper than 64 levels"):
        to_json(circle, "payload")


def test_the_limit_counts_bytes_of_utf8_and_may_be_reached() -> None:
    assert to_json("äöü", "payload", limit=8) == '"äöü"'
    with pytest.raises(InvalidJob, match="payload has 8 bytes as JSON, more than the limit of 7"):
        to_json("äöü", "payload", limit=7)


def test_a_circle_is_found_at_its_first_turn_and_forgotten() -> None:
    circle: dict[str, Any] = {"others": ["x" * 20] * 1000}
    circle["itself"] = circle
    for _ in range(2):
        with pytest.raises(InvalidJob, match="nested deeper than 64 levels"):
            to_json(circle, "payload")
    del circle["itself"]
    assert json.loads(to_json(circle, "payload")) == circle
