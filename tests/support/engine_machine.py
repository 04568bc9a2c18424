"""A state machine that calls every verb of a MatchingEngine at random, and the same verb of the naive engine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from oms import OmsError, OrderFill, Side
from oms.books import APPLY
from oms.engine_books import EngineBooks
from oms.engine_events import EngineEvent
from oms.matching import MatchingEngine
from oms.submission import (
    Execution,
    OrderId,
    PostOnly,
    SelfTradePrevention,
    Submission,
    TimeInForce,
)
from support.naive_engine import NaiveEngine, State

__all__ = ["EngineMachine", "submissions"]

BUY, SELL = Side.BUY, Side.SELL
SYMBOLS = ("AAPL", "JPM")
NEVER_REST = (TimeInForce.IOC, TimeInForce.FOK)

order_ids: st.SearchStrategy[OrderId] = st.sampled_from([*range(-1, 9), "1", "a", "b", "c"])
symbols = st.sampled_from([SYMBOLS[0], SYMBOLS[1], SYMBOLS[1]])
sides = st.sampled_from(Side)
amounts = st.integers(1, 12)
prices = st.integers(1, 8) | st.sampled_from([1, 2**63 - 1])
owners = st.sampled_from([None, "x", "y"])
times = st.integers(1, 5)


@st.composite
def submissions(draw: st.DrawFn) -> Submission:
    """Draw an order whose terms do not contradict each other."""
    price = draw(st.none() | prices | prices | prices)
    time_in_force = draw(st.sampled_from(TimeInForce))
    stop_price = draw(st.none() | st.none() | prices)
    may_rest = price is not None and time_in_force not in NEVER_REST
    posts = may_rest and stop_price is None
    return Submission(
        draw(order_ids),
        draw(symbols),
        draw(sides),
        draw(amounts),
        price,
        time_in_force,
        draw(st.none() | st.none() | st.sampled_from(PostOnly)) if posts else None,
        draw(owners),
        draw(st.none() | st.integers(1, 4)) if may_rest else None,
        stop_price,
        draw(times) if time_in_force is TimeInForce.GTD else None,
    )


class OpenTransaction(NamedTuple):
    """An open transaction or what-if, and the state before it."""

    context: AbstractContextManager[MatchingEngine]
    commits: bool
    state_hash: str
    state: State
    events: int


def outcome(call: Callable[[], object]) -> tuple[object, ...]:
    """Return the result of a call, or the type of its error."""
    try:
        return ("returned", call())
    except OmsError as error:
        return ("raised", type(error))


class EngineMachine(RuleBasedStateMachine):
    """A state machine over MatchingEngine and the naive engine, with one rule per verb."""

    prevention: SelfTradePrevention | None = None
    """The policy of self-trade prevention, or None to draw it."""

    def __init__(self) -> None:
        super().__init__()
        self.start(SelfTradePrevention.NONE)

    def start(self, prevention: SelfTradePrevention) -> None:
        self.engine = MatchingEngine(self_trade_prevention=prevention)
        self.naive = NaiveEngine(prevention)
        self.opened: list[OpenTransaction] = []
        self.expected: list[tuple[Execution, ...]] = []  # the executions of each event
        self.events: list[Any] = []
        self.engine.subscribe(self.events.append)

    @initialize(prevention=st.sampled_from(SelfTradePrevention))
    def choose_prevention(self, prevention: SelfTradePrevention) -> None:
        self.start(self.prevention or prevention)

    def both(
        self, engine_call: Callable[[], object], naive_call: Callable[[], object], *, trades: bool = False
    ) -> Any:
        """Make a call of both engines, and check that the outcomes are equal and that an error changed nothing."""
        before = self.engine.state_hash()
        actual, expected = outcome(engine_call), outcome(naive_call)
        assert actual == expected
        if self.engine.state_hash() != before:
            assert actual[0] == "returned", "a verb that raises an error changes nothing"
            self.expected.append(tuple(self.naive.executions) if trades else ())
        return actual[1] if actual[0] == "returned" else None

    # ---- verbs

    @rule(order=submissions())
    def submit(self, order: Submission) -> None:
        owners = {each.order_id: each.order.owner for each in self.naive.open}
        terms = order._asdict()
        execution: Execution | None = self.both(
            lambda: self.engine.submit(**terms), lambda: self.naive.submit(order), trades=True
        )
        if execution is None:
            return
        self.check_execution(order, execution)
        if order.owner is not None and self.naive.prevention is not SelfTradePrevention.NONE:
            assert order.owner not in {owners[fill.order_id] for fill in execution.fills}

    @rule(order_id=order_ids, amount=st.none() | amounts, price=st.none() | prices)
    def replace(self, order_id: OrderId, amount: int | None, price: int | None) -> None:
        if amount is None and price is None:
            amount = 1
        terms = {"amount": amount, "price": price}
        execution = self.both(
            lambda: self.engine.replace(order_id, **terms),
            lambda: self.naive.replace(order_id, **terms),
            trades=True,
        )
        if execution is not None and (amount is not None and execution.resting):
            assert self.engine.order(order_id).remaining == execution.resting

    @rule(order_id=order_ids, amount=amounts)
    def reduce(self, order_id: OrderId, amount: int) -> None:
        self.both(lambda: self.engine.reduce(order_id, amount), lambda: self.naive.reduce(order_id, amount))

    @rule(order_id=order_ids)
    def cancel(self, order_id: OrderId) -> None:
        self.both(lambda: self.engine.cancel(order_id), lambda: self.naive.cancel(order_id))

    @rule(symbol=st.none() | symbols, side=st.none() | sides, owner=owners)
    def cancel_all(self, symbol: str | None, side: Side | None, owner: str | None) -> None:
        self.both(
            lambda: self.engine.cancel_all(symbol, side, owner),
            lambda: self.naive.cancel_all(symbol, side, owner),
        )

    @rule(now=times)
    def expire(self, now: int) -> None:
        self.both(lambda: self.engine.expire(now), lambda: self.naive.expire(now))

    @rule(symbol=st.none() | symbols)
    def end_day(self, symbol: str | None) -> None:
        self.both(lambda: self.engine.end_day(symbol), lambda: self.naive.end_day(symbol))

    # ---- questions

    @rule(order_id=order_ids)
    def ask(self, order_id: OrderId) -> None:
        self.both(lambda: self.engine.order(order_id), lambda: self.naive.order(order_id))
        self.both(lambda: self.engine.queue_ahead(order_id), lambda: self.naive.queue_ahead(order_id))

    # ---- transactions

    @precondition(lambda self: len(self.opened) < 3)
    @rule(commits=st.booleans())
    def open(self, commits: bool) -> None:
        context = self.engine.transaction("why") if commits else self.engine.what_if()
        self.opened.append(
            OpenTransaction(
                context, commits, self.engine.state_hash(), self.naive.save(), len(self.expected)
            )
        )
        assert context.__enter__() is self.engine

    @precondition(lambda self: self.opened)
    @rule(fails=st.booleans())
    def close(self, fails: bool) -> None:
        transaction = self.opened.pop()
        if fails:
            error = RuntimeError("anything")
            assert not transaction.context.__exit__(RuntimeError, error, None)
        else:
            transaction.context.__exit__(None, None, None)
        if fails or not transaction.commits:
            assert self.engine.state_hash() == transaction.state_hash
            self.naive.restore(transaction.state)
            del self.expected[transaction.events :]

    def teardown(self) -> None:
        while self.opened:
            self.close(fails=True)

    # ---- invariants

    def check_execution(self, order: Submission, execution: Execution) -> None:
        """Check the rules that hold for each execution of its own."""
        amount, fills = execution.amount, execution.fills
        assert execution.requested == order.amount == amount + execution.resting + execution.canceled
        assert amount == sum(fill.amount for fill in fills)
        assert execution.total_price == sum(fill.amount * fill.price for fill in fills)
        assert (execution.reason is None) == (execution.canceled == 0)
        assert is_best_first(order.side, fills)
        if order.price is not None:
            assert all(order.side.sign * fill.price <= order.side.sign * order.price for fill in fills)
        if order.time_in_force is TimeInForce.FOK:
            assert amount in (0, order.amount) or order.stop_price is not None
        if order.time_in_force in NEVER_REST and order.stop_price is None:
            assert not execution.resting
        if order.post_only is not None:
            assert not fills

    @invariant()
    def the_open_orders_agree(self) -> None:
        register = self.engine._books.register
        assert list(register.arrivals) != [] or self.naive.open == []
        by_arrival = [entry.order.order_id for _, entry in sorted(register.entries.items())]
        assert by_arrival == [each.order_id for each in self.naive.open]
        for each in self.naive.open:
            assert self.engine.order(each.order_id) == each.as_open_order()
        assert self.engine._books.last_prices == self.naive.last_prices

    @invariant()
    def the_queues_agree(self) -> None:
        for symbol in SYMBOLS:
            for side in Side:
                rows = [
                    (self.engine._books.register.entries[row.order_id].order.order_id, row.amount, row.price)
                    for row in self.engine.orders(symbol, side.opposite)
                ]
                assert rows == [
                    (each.order_id, each.shown, each.price) for each in self.naive.queue(symbol, side)
                ]

    @invariant()
    def no_book_is_crossed(self) -> None:
        for symbol in SYMBOLS:
            bid, ask = self.engine.best_price(symbol, SELL), self.engine.best_price(symbol, BUY)
            assert bid is None or ask is None or bid < ask

    @invariant()
    def the_engine_is_consistent(self) -> None:
        self.engine._check()

    @invariant()
    def the_events_rebuild_the_same_books(self) -> None:
        if self.opened:
            return
        assert [event.sequence for event in self.events] == list(range(1, len(self.events) + 1))
        books = EngineBooks()
        for event in self.events:
            assert isinstance(event, EngineEvent)
            APPLY[type(event)](books, event.subject())
        assert books.canonical_hash(len(self.events) + 1) == self.engine.state_hash()
        assert [event.executions for event in self.events] == self.expected


def is_best_first(side: Side, fills: tuple[OrderFill[OrderId], ...]) -> bool:
    ranks = [side.sign * fill.price for fill in fills]
    return ranks == sorted(ranks)
