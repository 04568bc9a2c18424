"""A client whose requests fail at random, compared with the simple reference after each step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from oms import DuplicateOrderError, Order, OrderManagement, Side
from oms.api import Settings, create_app
from oms.client import Client, InProcess
from support import strategies as our
from support.clients import FAILURES, URL, Flaky
from support.machine import outcome
from support.reference import Reference

MOST_IDS = 100
failures = st.lists(st.sampled_from(FAILURES), max_size=3)


class Service:
    """One service for all runs of the machine, because starting one takes longer than a run.

    Each run uses different order ids.
    """

    def __init__(self) -> None:
        self.books = OrderManagement()
        self.plan: list[str] = []
        plan = iter(lambda: self.plan.pop() if self.plan else None, "")
        self.transport = Flaky(InProcess(create_app(self.books, Settings())), plan)
        self.client = Client(URL, transport=self.transport, sleep=lambda _: None)
        self.runs = 0


class Machine(RuleBasedStateMachine):
    """A state machine that calls every method on a client and on the reference."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service
        service.runs += 1
        # In half of the runs, the ids have 19 digits, so that requests and responses contain them as text.
        self.first_id = service.runs * MOST_IDS + (8 * 10**18 if service.runs % 2 else 0)
        self.reference = Reference()
        self.reference.next_trade_id = service.books._books.next_trade_id
        self.used: set[int] = set()

    def both(self, failures: list[str], method: str, *args: Any, **options: Any) -> Any:
        self.service.plan[:] = failures
        actual = outcome(lambda: getattr(self.service.client, method)(*args, **options))
        expected = outcome(lambda: getattr(self.reference, method)(*args, **options))
        assert actual == expected, f"{method}{args}{options}"
        return actual

    @rule(order=our.orders, failures=failures)
    def add_order(self, order: Order, failures: list[str]) -> None:
        order_id = self.first_id + order.order_id
        arguments = (order_id, *order[1:])
        if order_id in self.used:  # the service never accepts an id twice
            self.service.plan[:] = failures
            error = outcome(lambda: self.service.client.add_order(*arguments))
            assert error == ("raised", DuplicateOrderError, (order_id,))
        else:
            self.both(failures, "add_order", *arguments)
            self.used.add(order_id)

    @rule(order_id=our.order_ids, failures=failures)
    def remove_order(self, order_id: int, failures: list[str]) -> None:
        self.both(failures, "remove_order", self.first_id + order_id)

    @rule(order_id=our.order_ids, amount=our.amounts, price=st.none() | our.prices, failures=failures)
    def amend_order(self, order_id: int, amount: int, price: int | None, failures: list[str]) -> None:
        self.both(failures, "amend_order", self.first_id + order_id, amount=amount, price=price)

    @rule(
        symbol=our.symbols,
        side=our.sides,
        amount=our.requested_amounts,
        limit_price=our.limits,
        bound=st.none() | our.budgets,
        allow_partial=st.booleans(),
        failures=failures,
    )
    def place_trade(
        self,
        symbol: str,
        side: Side,
        amount: int,
        limit_price: int | None,
        bound: int | None,
        allow_partial: bool,
        failures: list[str],
    ) -> None:
        bounds = {"max_total_price" if side is Side.BUY else "min_total_price": bound}
        options = {"limit_price": limit_price, "allow_partial": allow_partial, **bounds}
        self.both(failures, "place_trade", symbol, side, amount, **options)

    @rule(
        symbol=our.symbols,
        side=our.sides,
        amounts=st.lists(our.requested_amounts, min_size=1, max_size=5),
        limit_price=our.limits,
        allow_partial=st.booleans(),
        budget=our.budgets,
        bps=our.bps,
        levels=st.none() | st.integers(1, 5),
    )
    def call_queries(
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

    @rule(
        symbol=st.none() | our.symbols, side=st.none() | our.sides, order_id=our.order_ids, failures=failures
    )
    def look_up_orders(
        self, symbol: str | None, side: Side | None, order_id: int, failures: list[str]
    ) -> None:
        self.both(failures, "orders", symbol, side)
        order = self.both(failures, "get_order", self.first_id + order_id)
        assert (self.first_id + order_id in self.service.client) is (order[0] == "returned")

    @invariant()
    def the_books_equal_the_reference(self) -> None:
        assert self.service.books.orders() == self.reference.orders()
        assert self.service.books._books.next_trade_id == self.reference.next_trade_id

    def teardown(self) -> None:
        self.service.books.remove_orders()


@pytest.mark.long
def test_a_client_whose_requests_fail_at_random_agrees_with_the_reference() -> None:
    service = Service()
    with service.client:
        run_state_machine_as_test(
            lambda: Machine(service),  # type: ignore[arg-type]  # any callable that returns a machine works
            settings=settings(max_examples=40, stateful_step_count=20),
        )
