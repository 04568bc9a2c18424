"""A client with a mishap at any request, in step with the slowest book that could be right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from oms import DuplicateOrderError, Order, OrderManagement, Side
from oms.api import Settings, create_app
from oms.client import Client, InProcess
from oms.contract import LARGEST_IN_BODY
from support import strategies as our
from support.clients import MISHAPS, URL, Flaky
from support.machine import outcome
from support.reference import Reference

MOST_IDS = 100
mishaps = st.lists(st.sampled_from(MISHAPS), max_size=3)


def carried(number: int | None) -> int | None:
    """The number, or the largest that a body carries."""
    return number and min(number, LARGEST_IN_BODY)


class Service:
    """One service for all walks, because making one takes longer than a walk; each has ids of its own."""

    def __init__(self) -> None:
        self.books = OrderManagement()
        self.plan: list[str] = []
        plan = iter(lambda: self.plan.pop() if self.plan else None, "")
        self.transport = Flaky(InProcess(create_app(self.books, Settings())), plan)
        self.client = Client(URL, transport=self.transport, sleep=lambda _: None)
        self.walks = 0


class Machine(RuleBasedStateMachine):
    """Everything that a client can do, done to the reference too."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service
        service.walks += 1
        self.first_id = service.walks * MOST_IDS
        self.reference = Reference()
        self.reference.next_trade_id = service.books._books.next_trade_id
        self.used: set[int] = set()

    def both(self, mishaps: list[str], verb: str, *args: Any, **options: Any) -> Any:
        self.service.plan[:] = mishaps
        ours = outcome(lambda: getattr(self.service.client, verb)(*args, **options))
        theirs = outcome(lambda: getattr(self.reference, verb)(*args, **options))
        assert ours == theirs, f"{verb}{args}{options}"
        return ours

    @rule(order=our.orders, mishaps=mishaps)
    def add_order(self, order: Order, mishaps: list[str]) -> None:
        order_id = self.first_id + order.order_id
        amount, price = min(order.amount, LARGEST_IN_BODY), min(order.price, LARGEST_IN_BODY)
        arguments = (order_id, order.symbol, order.side, amount, price)
        if order_id in self.used:  # once at this door
            self.service.plan[:] = mishaps
            refusal = outcome(lambda: self.service.client.add_order(*arguments))
            assert refusal == ("refuses", DuplicateOrderError, (order_id,))
        else:
            self.both(mishaps, "add_order", *arguments)
            self.used.add(order_id)

    @rule(order_id=our.order_ids, mishaps=mishaps)
    def remove_order(self, order_id: int, mishaps: list[str]) -> None:
        self.both(mishaps, "remove_order", self.first_id + order_id)

    @rule(order_id=our.order_ids, amount=our.amounts, price=st.none() | our.prices, mishaps=mishaps)
    def amend_order(self, order_id: int, amount: int, price: int | None, mishaps: list[str]) -> None:
        new = {"amount": carried(amount), "price": carried(price)}
        self.both(mishaps, "amend_order", self.first_id + order_id, **new)

    @rule(
        symbol=our.symbols,
        side=our.sides,
        amount=our.asked_amounts,
        limit_price=our.limits,
        bound=st.none() | our.budgets,
        allow_partial=st.booleans(),
        mishaps=mishaps,
    )
    def place_trade(
        self,
        symbol: str,
        side: Side,
        amount: int,
        limit_price: int | None,
        bound: int | None,
        allow_partial: bool,
        mishaps: list[str],
    ) -> None:
        bounds = {"max_total_price" if side is Side.BUY else "min_total_price": carried(bound)}
        options = {"limit_price": carried(limit_price), "allow_partial": allow_partial, **bounds}
        self.both(mishaps, "place_trade", symbol, side, min(amount, LARGEST_IN_BODY), **options)

    @rule(
        symbol=our.symbols,
        side=our.sides,
        amounts=st.lists(our.asked_amounts, min_size=1, max_size=5),
        limit_price=our.limits,
        allow_partial=st.booleans(),
        budget=our.budgets,
        bps=our.bps,
        levels=st.none() | st.integers(1, 5),
    )
    def ask(
        self,
        symbol: str,
        side: Side,
        amounts: list[int],
        limit_price: int | None,
        allow_partial: bool,
        budget: int,
        bps: int,
        levels: int | None,
    ) -> None:
        self.both([], "calculate_price", symbol, side, amounts[0])
        self.both([], "calculate_prices", symbol, side, amounts)
        options = {"limit_price": limit_price, "allow_partial": allow_partial}
        self.both([], "quote", symbol, side, amounts[0], **options)
        self.both([], "calculate_amount", symbol, side, budget, limit_price=limit_price)
        self.both([], "available_amount", symbol, side, limit_price=limit_price)
        self.both([], "amount_within", symbol, side, bps)
        self.both([], "depth", symbol, side, levels)
        self.both([], "price_curve", symbol, side, levels)
        self.both([], "best_price", symbol, side)
        self.both([], "symbols")

    @rule(symbol=st.none() | our.symbols, side=st.none() | our.sides, order_id=our.order_ids, mishaps=mishaps)
    def look(self, symbol: str | None, side: Side | None, order_id: int, mishaps: list[str]) -> None:
        self.both(mishaps, "orders", symbol, side)
        found = self.both(mishaps, "get_order", self.first_id + order_id)
        assert (self.first_id + order_id in self.service.client) is (found[0] == "answers")

    @invariant()
    def the_books_are_those_of_the_reference(self) -> None:
        assert self.service.books.orders() == self.reference.orders()
        assert self.service.books._books.next_trade_id == self.reference.next_trade_id

    def teardown(self) -> None:
        self.service.books.remove_orders()


@pytest.mark.slow
def test_a_client_whose_requests_get_lost_agrees_with_the_slowest_book_that_could_be_right() -> None:
    service = Service()
    with service.client:
        run_state_machine_as_test(
            lambda: Machine(service),  # type: ignore[arg-type]  # whatever makes a machine will do
            settings=settings(max_examples=40, stateful_step_count=20, deadline=None),
        )
