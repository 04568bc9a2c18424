"""What the questions of a what-if read together is limited, and other reads are not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from oms import Order, OrderManagement, Side
from oms.api.first_responses import FirstResponses
from oms.api.problems import ProblemError
from oms.api.question_models import Question
from oms.api.questions import Questions
from oms.api.read_budget import allowance, limited, spend
from oms.api.what_if import WhatIf
from support.counted_lock import CountedLock


def test_reads_are_counted_together_until_the_end_of_the_block() -> None:
    with limited(10):
        spend(4)
        spend(6)
        with pytest.raises(ProblemError, match="at most 10 orders") as caught:
            spend(1)
    assert (caught.value.status_code, caught.value.fields["field"]) == (422, "questions")
    spend(10**9)


def test_each_block_has_its_own_limit() -> None:
    for _ in range(3):
        with limited(10):
            spend(10)


def test_the_allowance_is_what_may_still_be_read_and_at_least_one_element() -> None:
    assert allowance(1_000) == 1_000
    with limited(10):
        assert (allowance(4), allowance(1_000)) == (4, 10)
        spend(10)
        assert allowance(1_000) == 1


BOOK = {"symbol": "JPM", "side": "BUY"}
QUESTIONS: list[dict[str, Any]] = [
    {"question": "price", **BOOK, "amount": 9_000},
    {"question": "prices", **BOOK, "amounts": [9_000, 7]},
    {"question": "quote", **BOOK, "amount": 9_000},
    {"question": "curve", **BOOK},
    {"question": "amount", **BOOK, "budget": 10**6},
    {"question": "available", **BOOK},
    {"question": "within", **BOOK, "max_slippage_bps": 10**9},
    {"question": "depth", **BOOK},
    {"question": "depth", **BOOK, "levels": 1_000},
]
"""Questions that read more than 400 orders or levels of each of the books below."""


def ask(om: OrderManagement, question: dict[str, Any]) -> object:
    answers = WhatIf(om, FirstResponses(), Questions(om, lambda _: len(om)))
    return answers._answer(TypeAdapter[Any](Question).validate_python(question), 0)


@pytest.mark.parametrize("limit", [0, 1, 20, 399])
@pytest.mark.parametrize("levels", [400, 3_000, 9_000])
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: "-".join(map(str, question.values())))
def test_a_question_that_exceeds_the_limit_reads_no_more_than_the_limit(
    question: dict[str, Any], levels: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = OrderManagement()
    om.add_orders(Order(number, "JPM", Side.BUY, 1, number % levels + 1) for number in range(9_000))
    lock = CountedLock(om, monkeypatch)
    with limited(limit), pytest.raises(ProblemError, match="at most"):
        ask(om, question)
    assert sum(lock.reads) <= 2 * limit + 2  # a quote also reads the levels of its orders


@pytest.mark.parametrize("levels", [400, 3_000, 9_000])
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: "-".join(map(str, question.values())))
def test_a_question_counts_at_least_what_it_reads_for_the_first_time(
    question: dict[str, Any], levels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = OrderManagement()
    om.add_orders(Order(number, "JPM", Side.BUY, 1, number % levels + 1) for number in range(9_000))
    lock = CountedLock(om, monkeypatch)
    with limited(10**6):
        ask(om, question)
        assert 2 * (10**6 - allowance(10**6)) + 1_002 >= sum(lock.reads)


@pytest.mark.parametrize(
    ("question", "number"),
    [({"question": "symbols"}, 300), ({"question": "prices", **BOOK, "amounts": [1] * 150}, 301)],
    ids=lambda value: value if type(value) is int else value["question"],
)
def test_symbols_and_amounts_are_counted_before_they_are_sorted(
    question: dict[str, Any], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = OrderManagement()
    om.add_orders(Order(each, "JPM" if each == 0 else f"S{each}", Side.BUY, 1, 1) for each in range(300))
    with limited(number):
        assert ask(om, question)
        assert allowance(1_000) == 1
        with pytest.raises(ProblemError, match="at most"):
            spend(1)
    monkeypatch.setattr(om, "symbols", lambda: pytest.fail("the symbols are sorted"))
    monkeypatch.setattr(om, "calculate_prices", lambda *_: pytest.fail("the amounts are sorted"))
    with limited(299), pytest.raises(ProblemError, match="at most"):
        ask(om, question)
