"""A state machine that calls every public method at random, on OrderManagement and on the naive reference."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from oms import Event, InvalidOrderError, OmsError, Order, OrderManagement, Side
from oms.books import APPLY, Books
from support import strategies as our
from support.reference import Reference


def outcome(call: Callable[[], object]) -> tuple[object, ...]:
    """Return the result of a call, or its error, as a tuple for comparisons."""
    try:
        return ("returned", call())
    except OmsError as error:
        return ("raised", type(error), error.args)


class Tally(NamedTuple):
    """The total amounts added, traded, and removed."""

    added: int = 0
    traded: int = 0
    removed: int = 0


class OpenTransaction(NamedTuple):
    """An open transaction or what-if, and the state before it."""

    context: AbstractContextManager[OrderManagement]
    commits: bool
    state_hash: str
    resting: list[Order]
    next_trade_id: int
    tally: Tally


class Machine(RuleBasedStateMachine):
    """A state machine over OrderManagement and the reference, with one rule per method."""

    def __init__(self) -> None:
        super().__init__()
        self.om = OrderManagement()
        self.reference = Reference()
        self.tally = Tally()
        self.opened: list[OpenTransaction] = []
        self.events: list[Event] = []
        self.om.subscribe(self.events.append)

    def both(self, method: str, *args: Any, **options: Any) -> Any:
        """Call a method on both, and check that the outcomes are equal and that an error changed nothing."""
        before = self.om.state_hash()
        actual = outcome(lambda: getattr(self.om, method)(*args, **options))
        expected = outcome(lambda: getattr(self.reference, method)(*args, **options))
        assert actual == expected, f"{method}{args}{options}"
        if actual[0] == "raised":
            assert self.om.state_hash() == before
            return None
        return actual[1]

    def count(self, *, added: int = 0, traded: int = 0, removed: int = 0) -> None:
        before = self.tally
        self.tally = Tally(before.added + added, before.traded + traded, before.removed + removed)

    # ---- changes

    @rule(order=our.orders)
    def add_order(self, order: Order) -> None:
        resting = len(self.om)
        self.both("add_order", *order)
        if len(self.om) > resting:
            self.count(added=order.amount)

    @rule(orders=st.lists(our.orders, max_size=8) | our.distinct_orders(12))
    def add_orders(self, orders: list[Order]) -> None:
        resting = len(self.om)
        self.both("add_orders", orders)
        if len(self.om) > resting:
            self.count(added=sum(order.amount for order in orders))

    @rule(order_id=our.order_ids)
    def remove_order(self, order_id: int) -> None:
        self.count(removed=self.resting_amount(order_id))
        self.both("remove_order", order_id)

    @rule(symbol=st.none() | our.symbols, side=st.none() | our.sides)
    def remove_orders(self, symbol: str | None, side: Side | None) -> None:
        self.count(removed=sum(order.amount for order in self.both("remove_orders", symbol, side)))

    @rule(order_id=our.order_ids, amount=st.none() | our.amounts, price=st.none() | our.prices)
    def amend_order(self, order_id: int, amount: int | None, price: int | None) -> None:
        if amount is None and price is None:
            with pytest.raises(InvalidOrderError):
                self.om.amend_order(order_id)
            return
        before = self.resting_amount(order_id)
        after = self.both("amend_order", order_id, amount=amount, price=price)
        if after is not None:
            self.count(added=after.amount, removed=before)

    @rule(
        symbol=our.symbols,
        side=our.sides,
        amount=our.requested_amounts,
        limit_price=our.limits,
        bound=st.none() | our.budgets,
        allow_partial=st.booleans(),
    )
    def place_trade(
        self,
        symbol: str,
        side: Side,
        amount: int,
        limit_price: int | None,
        bound: int | None,
        allow_partial: bool,
    ) -> None:
        options: dict[str, Any] = {"limit_price": limit_price, "allow_partial": allow_partial}
        quote_outcome = outcome(lambda: self.om.quote(symbol, side, amount, **options))
        bounds = {"max_total_price" if side is Side.BUY else "min_total_price": bound}
        trade = self.both("place_trade", symbol, side, amount, **options, **bounds)
        if trade is None:
            assert quote_outcome[0] == "raised" or bound is not None
            return
        quote: Any = quote_outcome[1]
        assert (quote.amount, quote.total_price, quote.fills) == (
            trade.amount,
            trade.total_price,
            trade.fills,
        )
        assert trade.total_price == sum(fill.amount * fill.price for fill in trade.fills)
        assert trade.amount == sum(fill.amount for fill in trade.fills)
        self.count(traded=trade.amount)

    # ---- transactions

    @precondition(lambda self: len(self.opened) < 4)
    @rule(commits=st.booleans(), note=st.none() | st.just("why"))
    def open(self, commits: bool, note: str | None) -> None:
        context = self.om.transaction(note) if commits else self.om.what_if()
        before = self.om.state_hash()
        self.opened.append(
            OpenTransaction(
                context,
                commits,
                before,
                list(self.reference.resting),
                self.reference.next_trade_id,
                self.tally,
            )
        )
        assert context.__enter__() is self.om

    @precondition(lambda self: self.opened)
    @rule(fails=st.booleans())
    def close(self, fails: bool) -> None:
        transaction = self.opened.pop()
        event_count = len(self.events)
        if fails:
            error = RuntimeError("anything")
            assert not transaction.context.__exit__(RuntimeError, error, None)
        else:
            transaction.context.__exit__(None, None, None)
        if fails or not transaction.commits:
            assert self.om.state_hash() == transaction.state_hash
            assert len(self.events) == event_count
            self._go_back_to(transaction)

    def _go_back_to(self, transaction: OpenTransaction) -> None:
        self.reference.resting = list(transaction.resting)
        self.reference.next_trade_id = transaction.next_trade_id
        self.tally = transaction.tally

    def forget_open_transactions(self) -> None:
        """Expect the state before the outermost open transaction, as after a crash."""
        if self.opened:
            self._go_back_to(self.opened[0])
            self.opened.clear()

    def teardown(self) -> None:
        while self.opened:
            self.close(fails=True)

    # ---- queries

    @rule(symbol=our.symbols, side=our.sides, amounts=st.lists(our.requested_amounts, min_size=1, max_size=5))
    def calculate_price(self, symbol: str, side: Side, amounts: list[int]) -> None:
        for amount in amounts:  # a later price can use sums that an earlier price has cached
            self.both("calculate_price", symbol, side, amount)

    @rule(
        symbol=our.symbols,
        side=our.sides,
        amount=our.requested_amounts,
        limit_price=our.limits,
        allow_partial=st.booleans(),
    )
    def quote(
        self, symbol: str, side: Side, amount: int, limit_price: int | None, allow_partial: bool
    ) -> None:
        options = {"limit_price": limit_price, "allow_partial": allow_partial}
        quote = self.both("quote", symbol, side, amount, **options)
        if quote is not None:
            assert quote.amount + quote.shortfall == quote.requested
            assert self.om.calculate_price(symbol, side, quote.amount) == quote.total_price

    @rule(symbol=our.symbols, side=our.sides, amounts=st.lists(our.requested_amounts, max_size=6))
    def calculate_prices(self, symbol: str, side: Side, amounts: list[int]) -> None:
        self.both("calculate_prices", symbol, side, amounts)

    @rule(symbol=our.symbols, side=our.sides, budget=our.budgets, limit_price=our.limits)
    def calculate_amount(self, symbol: str, side: Side, budget: int, limit_price: int | None) -> None:
        self.both("calculate_amount", symbol, side, budget, limit_price=limit_price)
        self.both("available_amount", symbol, side, limit_price=limit_price)

    @rule(symbol=our.symbols, side=our.sides, bps=our.bps)
    def amount_within(self, symbol: str, side: Side, bps: int) -> None:
        self.both("amount_within", symbol, side, bps)

    @rule(symbol=our.symbols, side=our.sides, levels=st.none() | st.integers(1, 5))
    def depth(self, symbol: str, side: Side, levels: int | None) -> None:
        self.both("depth", symbol, side, levels)
        self.both("price_curve", symbol, side, levels)
        self.both("best_price", symbol, side)
        self.both("top", symbol)

    @rule(symbol=st.none() | our.symbols, side=st.none() | our.sides)
    def orders(self, symbol: str | None, side: Side | None) -> None:
        self.both("orders", symbol, side)
        self.both("symbols")

    @rule(order_id=our.order_ids)
    def get_order(self, order_id: int) -> None:
        order = self.both("get_order", order_id)
        assert (order_id in self.om) is (order is not None)
        self.both("queue_ahead", order_id)

    # ---- invariants

    @invariant()
    def every_order_agrees(self) -> None:
        assert tuple(self.om) == self.reference.orders()
        assert len(self.om) == len(self.reference.resting)
        self.om._check()

    @invariant()
    def amounts_are_conserved(self) -> None:
        resting = sum(order.amount for order in self.om)
        assert self.tally.added == resting + self.tally.traded + self.tally.removed

    @invariant()
    def only_resting_orders_are_indexed(self) -> None:
        ids = {order.order_id for order in self.om}
        assert set(self.om._books.orders) == ids
        assert sum(len(book) for book in self.om._books.by_name.values()) == len(ids)

    @invariant()
    def the_events_rebuild_the_same_books(self) -> None:
        if self.opened:
            return
        assert [event.sequence for event in self.events] == list(range(1, len(self.events) + 1))
        books = Books()
        for event in self.events:
            APPLY[type(event)](books, event.subject())
        assert books.canonical_hash(len(self.events) + 1) == self.om.state_hash()

    def resting_amount(self, order_id: int) -> int:
        return self.om.get_order(order_id).amount if order_id in self.om else 0
