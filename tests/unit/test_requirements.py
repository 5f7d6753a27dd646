"""What a job asks of a robot and what a robot offers have one form."""

from __future__ import annotations

from typing import Any

import pytest

from casare_rpa.infrastructure.queue.requirements import check_requirements, offers


def test_requirements_come_out_in_one_canonical_form() -> None:
    first = check_requirements({"capabilities": ["sap", "excel", "sap"], "labels": {"b": "2", "a": "1"}})
    second = check_requirements({"labels": {"a": "1", "b": "2"}, "capabilities": ["excel", "sap"]})
    assert first == second == {"capabilities": ["excel", "sap"], "labels": {"a": "1", "b": "2"}}
    assert list(first["labels"]) == list(second["labels"])


def test_empty_requirements_are_none() -> None:
    assert check_requirements({}) == {}
    assert check_requirements({"capabilities": [], "labels": {}, "environment": None, "pool": None}) == {}


def test_a_robot_offers_in_the_same_form() -> None:
    assert offers(("sap",), {"site": "Wien"}, "production", "night") == {
        "capabilities": ["sap"],
        "labels": {"site": "Wien"},
        "environment": "production",
        "pool": "night",
    }


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (
            {"capability": ["sap"]},
            "unknown requirement 'capability': there are capabilities, labels, environment, pool",
        ),
        ({"capabilities": "sap"}, "capabilities must be a list of words"),
        ({"capabilities": 5}, "capabilities must be a list of words"),
        ({"capabilities": [5]}, "capabilities must be a list of words"),
        ({"capabilities": [""]}, "capabilities must be a list of words"),
        ({"capabilities": ["a\x00"]}, "capabilities must be a list of words"),
        ({"capabilities": ["a" * 201]}, "capabilities must be a list of words"),
        ({"labels": ["site"]}, "labels must be an object of words"),
        ({"labels": {"site": 1}}, "labels must be an object of words"),
        ({"environment": 1}, "environment must be a word"),
        ({"environment": ""}, "environment must be a word"),
        ({"pool": ["night"]}, "pool must be a word"),
    ],
)
def test_a_refusal_names_the_requirement_and_says_what_it_may_be(value: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{fault}$"):
        check_requirements(value)
