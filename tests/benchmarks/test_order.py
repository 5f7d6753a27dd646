"""What is told to a client program, and what is read of its answer."""

from __future__ import annotations

import json

import pytest

from benchmarks.order import Answer, Order


def test_an_order_comes_back_from_its_line():
    order = Order(do="saturate", url="postgresql://here", enqueue=100, seconds=2.5, shared=True)
    assert Order.from_json(order.to_json()) == order


def test_what_is_not_set_is_left_to_the_program():
    assert json.loads(Order(do="drain", url="u", jobs=7).to_json()) == {"do": "drain", "url": "u", "jobs": 7}


def test_an_order_has_no_other_fields():
    with pytest.raises(TypeError, match="wanted"):
        Order.from_json('{"do": "drain", "url": "u", "wanted": 1}')


def test_an_answer_is_read_without_what_it_does_not_know():
    answer = Answer.from_event({"event": "answer", "sent": 3, "ended": 3, "colour": "blue"})
    assert answer == Answer(sent=3, ended=3)
