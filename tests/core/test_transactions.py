"""Transactions and what-ifs: a rollback restores orders, counters, and the state hash."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any

import pytest

from oms import (
    Event,
    InsufficientLiquidityError,
    InvalidArgumentError,
    OpenTransactionError,
    Order,
    OrderManagement,
    Side,
)
from support import strategies as our
from support.threads import in_a_thread

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def om() -> OrderManagement:
    """Return the worked example, with an order in another symbol."""
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    om.add_order(4, "JPM", BUY, 10, 21)
    om.add_order(5, "IBM", BUY, 10, 90)
    return om


def complete_state(om: OrderManagement) -> tuple[object, ...]:
    om._check()
    best = [om.best_price(symbol, side) for symbol in om.symbols() for side in Side]
    return om.orders(), om.symbols(), best, om.state_hash()


def make_every_change(om: OrderManagement) -> None:
    """Make every kind of change."""
    om.add_order(9, "NEW", SELL, 5, 5)
    om.add_orders([Order(10, "NEW", SELL, 5, 6), Order(11, "JPM", BUY, 5, 20)])
    om.amend_order(4, amount=30)
    om.amend_order(1, price=22)
    om.place_trade("JPM", BUY, 10)  # fills all 5 lots of order 11 and 5 lots of order 4
    om.remove_order(5)
    om.remove_orders("NEW")


def test_several_trades_are_placed_as_one_transaction(om: OrderManagement) -> None:
    with om.transaction():
        trades = [om.place_trade("JPM", BUY, 22), om.place_trade("IBM", BUY, 10)]
    assert [trade.total_price for trade in trades] == [442, 900]
    assert [trade.trade_id for trade in trades] == [1, 2]


def test_a_transaction_with_a_trade_that_fails_changes_nothing(om: OrderManagement) -> None:
    before = complete_state(om)
    with pytest.raises(InsufficientLiquidityError), om.transaction():
        om.place_trade("JPM", BUY, 22)
        om.place_trade("IBM", BUY, 11)
    assert complete_state(om) == before
    assert om.place_trade("JPM", BUY, 1).trade_id == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_any_exception_rolls_back_every_kind_of_change(
    om: OrderManagement, error: type[BaseException]
) -> None:
    before = complete_state(om)
    with pytest.raises(error), om.transaction():
        make_every_change(om)
        assert complete_state(om) != before
        raise error
    assert complete_state(om) == before


def test_a_what_if_is_always_rolled_back(om: OrderManagement) -> None:
    before = complete_state(om)
    with om.what_if() as hypothetical:
        assert hypothetical is om
        make_every_change(om)
        assert om.get_order(4).amount == 25
    assert complete_state(om) == before


def test_an_error_that_is_caught_inside_a_transaction_does_not_roll_it_back(om: OrderManagement) -> None:
    with om.transaction():
        om.remove_order(5)
        with pytest.raises(InsufficientLiquidityError):
            om.place_trade("IBM", BUY, 1)
    assert 5 not in om


def test_an_inner_transaction_can_be_rolled_back_alone(om: OrderManagement) -> None:
    with om.transaction():
        om.remove_order(1)
        with pytest.raises(ValueError, match="inner"), om.transaction():
            om.remove_order(4)
            raise ValueError("inner")
        with om.what_if():
            om.remove_orders()
        with om.transaction():
            om.remove_order(5)
    assert [order.order_id for order in om] == [4]


def test_changes_of_an_inner_transaction_are_rolled_back_with_the_outer_one(om: OrderManagement) -> None:
    before = complete_state(om)
    with om.what_if(), om.transaction():
        make_every_change(om)
    assert complete_state(om) == before
    with pytest.raises(ValueError, match="outer"), om.transaction():
        with om.transaction():
            make_every_change(om)
        raise ValueError("outer")
    assert complete_state(om) == before


def test_events_are_published_after_the_commit_and_never_for_rolled_back_changes(om: OrderManagement) -> None:
    events: list[Event] = []
    om.subscribe(events.append)
    with om.transaction("basket"):
        om.place_trade("JPM", BUY, 1)
        with om.transaction():
            om.remove_order(5)
        with om.transaction("inner"):
            om.remove_order(4)
        with om.what_if():
            om.remove_orders()
        assert events == []
    assert [(event.sequence, event.note) for event in events] == [(4, "basket"), (5, "basket"), (6, "inner")]
    with pytest.raises(ValueError, match="no"), om.transaction():
        om.remove_order(1)
        raise ValueError("no")
    with om.what_if():
        om.remove_order(1)
    assert len(events) == 3
    om.remove_order(1)
    assert (events[-1].sequence, events[-1].note) == (7, None)


@pytest.mark.parametrize("note", [1, b"x", True, "\ud800"], ids=repr)
def test_a_note_that_is_not_valid_text_is_rejected(om: OrderManagement, note: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="note"):
        om.transaction(note)


def test_a_transaction_that_is_never_entered_has_no_effect(om: OrderManagement) -> None:
    om.transaction()
    events: list[Event] = []
    om.subscribe(events.append)
    om.remove_order(1)
    assert len(events) == 1


def test_a_what_if_that_empties_a_large_book_leaves_the_state_hash_unchanged(om: OrderManagement) -> None:
    om.add_orders(Order(100 + n, "JPM", SELL, n + 1, our.HUGE - n) for n in range(50))
    before = complete_state(om)
    with om.what_if():
        for order in om.orders("JPM", SELL):
            om.remove_order(order.order_id)
        assert om.best_price("JPM", SELL) is None
    assert complete_state(om) == before


# ---------------------------------------------------------------------- misuse


def test_a_transaction_can_be_entered_only_once(om: OrderManagement) -> None:
    once = om.transaction()
    with once, pytest.raises(OpenTransactionError, match="was entered before"):
        once.__enter__()
    with pytest.raises(OpenTransactionError, match="was entered before"):
        once.__enter__()
    with pytest.raises(OpenTransactionError, match="already ended"):
        once.__exit__(None, None, None)
    with pytest.raises(OpenTransactionError, match="not entered"):
        om.transaction().__exit__(None, None, None)


def test_a_transaction_left_by_another_thread_is_rolled_back_and_blocks_no_other_call(
    om: OrderManagement,
) -> None:
    before = complete_state(om)
    context = om.transaction()
    context.__enter__()
    om.remove_order(1)
    with pytest.raises(OpenTransactionError, match="another thread"):
        in_a_thread(lambda: context.__exit__(None, None, None))
    assert in_a_thread(lambda: complete_state(om)) == before
    with pytest.raises(OpenTransactionError, match="already ended"):
        context.__exit__(None, None, None)


def test_transactions_that_end_out_of_order_are_rolled_back_and_raise_an_error(om: OrderManagement) -> None:
    before = complete_state(om)
    outer, inner = om.transaction(), om.what_if()
    outer.__enter__()
    om.remove_order(1)
    inner.__enter__()
    om.remove_order(4)
    with pytest.raises(OpenTransactionError, match="a transaction inside it was still open"):
        outer.__exit__(None, None, None)
    assert complete_state(om) == before
    with pytest.raises(OpenTransactionError, match="already ended"):
        inner.__exit__(None, None, None)
    om.remove_order(1)
    assert 1 not in om


def test_the_note_of_a_failed_transaction_is_dropped(om: OrderManagement) -> None:
    events: list[Event] = []
    om.subscribe(events.append)
    with pytest.raises(ValueError, match="no"), om.transaction("failed"):
        raise ValueError("no")
    with om.transaction():
        om.remove_order(1)
    om.remove_order(4)
    assert [event.note for event in events] == [None, None]


def test_a_transaction_can_be_entered_and_left_without_a_with_statement(om: OrderManagement) -> None:
    with ExitStack() as stack:
        assert stack.enter_context(om.transaction()) is om
        om.remove_order(1)
    assert 1 not in om
    with suppress(KeyError), ExitStack() as stack:
        stack.enter_context(om.transaction())
        om.remove_order(4)
        raise KeyError
    assert 4 in om
    context = om.transaction()
    assert callable(context.__exit__), "looking up `__exit__` early must not enter or keep the transaction"
    context.__enter__()
    om.remove_order(4)
    context.__exit__(None, None, None)
    assert 4 not in om
    assert isinstance(context, AbstractContextManager)
