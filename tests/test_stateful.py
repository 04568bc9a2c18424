"""A random walk through every public verb, in step with the slowest book that could be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

import strategies as our
from oms import InvalidOrderError, OmsError, Order, OrderManagement, Side
from reference import Reference


def outcome(call: Callable[[], object]) -> tuple[object, ...]:
    """What a call answers, or how it refuses: comparable either way."""
    try:
        return ("answers", call())
    except OmsError as error:
        return ("refuses", type(error), error.args)


class Books(RuleBasedStateMachine):
    """Everything that a caller can do, done to both."""

    def __init__(self) -> None:
        super().__init__()
        self.om = OrderManagement()
        self.reference = Reference()
        self.added = self.traded = self.removed = 0

    def both(self, verb: str, *args: Any, **options: Any) -> Any:
        """Do it to both, see that they agree, and that a refusal has changed nothing."""
        before = self.om.orders()
        ours = outcome(lambda: getattr(self.om, verb)(*args, **options))
        theirs = outcome(lambda: getattr(self.reference, verb)(*args, **options))
        assert ours == theirs, f"{verb}{args}{options}"
        if ours[0] == "refuses":
            assert self.om.orders() == before
            return None
        return ours[1]

    # ---- changes

    @rule(order=our.orders)
    def add_order(self, order: Order) -> None:
        resting = len(self.om)
        self.both("add_order", *order)
        if len(self.om) > resting:
            self.added += order.amount

    @rule(orders=st.lists(our.orders, max_size=8) | our.distinct_orders(12))
    def add_orders(self, orders: list[Order]) -> None:
        resting = len(self.om)
        self.both("add_orders", orders)
        if len(self.om) > resting:
            self.added += sum(order.amount for order in orders)

    @rule(order_id=our.order_ids)
    def remove_order(self, order_id: int) -> None:
        self.removed += self.resting_amount(order_id)
        self.both("remove_order", order_id)

    @rule(symbol=st.none() | our.symbols, side=st.none() | our.sides)
    def remove_orders(self, symbol: str | None, side: Side | None) -> None:
        self.removed += sum(order.amount for order in self.both("remove_orders", symbol, side))

    @rule(order_id=our.order_ids, amount=st.none() | our.amounts, price=st.none() | our.prices)
    def amend_order(self, order_id: int, amount: int | None, price: int | None) -> None:
        if amount is None and price is None:
            with pytest.raises(InvalidOrderError):
                self.om.amend_order(order_id)
            return
        before = self.resting_amount(order_id)
        after = self.both("amend_order", order_id, amount=amount, price=price)
        if after is not None:
            self.added += after.amount
            self.removed += before

    @rule(symbol=our.symbols, side=our.sides, amount=our.asked_amounts)
    def place_trade(self, symbol: str, side: Side, amount: int) -> None:
        said = outcome(lambda: self.om.calculate_price(symbol, side, amount))
        trade = self.both("place_trade", symbol, side, amount)
        if trade is None:
            assert said[0] == "refuses"
            return
        assert said == ("answers", trade.total_price)
        assert trade.total_price == sum(fill.amount * fill.price for fill in trade.fills)
        assert trade.amount == amount == sum(fill.amount for fill in trade.fills)
        self.traded += amount

    # ---- questions

    @rule(symbol=our.symbols, side=our.sides, amount=our.asked_amounts)
    def calculate_price(self, symbol: str, side: Side, amount: int) -> None:
        self.both("calculate_price", symbol, side, amount)

    @rule(symbol=our.symbols, side=our.sides, levels=st.none() | st.integers(1, 5))
    def depth(self, symbol: str, side: Side, levels: int | None) -> None:
        self.both("depth", symbol, side, levels)
        self.both("best_price", symbol, side)

    @rule(symbol=st.none() | our.symbols, side=st.none() | our.sides)
    def orders(self, symbol: str | None, side: Side | None) -> None:
        self.both("orders", symbol, side)
        self.both("symbols")

    @rule(order_id=our.order_ids)
    def get_order(self, order_id: int) -> None:
        found = self.both("get_order", order_id)
        assert (order_id in self.om) is (found is not None)

    # ---- what always holds

    @invariant()
    def every_order_agrees(self) -> None:
        assert tuple(self.om) == self.reference.orders()
        assert len(self.om) == len(self.reference.resting)
        self.om._check()

    @invariant()
    def amounts_are_conserved(self) -> None:
        resting = sum(order.amount for order in self.om)
        assert self.added == resting + self.traded + self.removed

    @invariant()
    def nothing_that_left_is_remembered(self) -> None:
        ids = {order.order_id for order in self.om}
        assert set(self.om._book_of) == ids
        assert sum(len(book) for book in self.om._books.values()) == len(ids)

    def resting_amount(self, order_id: int) -> int:
        return self.om.get_order(order_id).amount if order_id in self.om else 0


def test_every_verb_agrees_with_the_slowest_book_that_could_be_right() -> None:
    run_state_machine_as_test(
        Books, settings=settings(max_examples=150, stateful_step_count=40, deadline=None)
    )


@pytest.mark.long
def test_every_verb_agrees_over_a_hundred_thousand_steps() -> None:
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=500,
            stateful_step_count=200,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
