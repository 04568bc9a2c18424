"""A state machine that calls every verb of a MatchingEngine and of the naive engine at random."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from oms import Account, LimitError, OmsError, OrderFill, Side
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
from support.engine_queue import queue
from support.naive_account import party_fills
from support.naive_engine import NaiveEngine, State

__all__ = ["COPIES", "EngineMachine", "random_step", "random_submission", "restored", "submissions"]

BUY, SELL = Side.BUY, Side.SELL
SYMBOLS = ("AAPL", "JPM")
NEVER_REST = (TimeInForce.IOC, TimeInForce.FOK)

symbols = st.sampled_from(["JPM", "JPM", "JPM", "AAPL"])
sides = st.sampled_from(Side)
amounts = st.integers(1, 12)
prices = st.integers(1, 90).map(lambda n: 2**63 - 1 if n == 90 else n % 6 + 1)
owners = st.sampled_from([None, "x", "y"])
times = st.integers(1, 9)
places = st.integers(0, 40)
"""The place of an open order in the list of the naive engine. From 38 on, it means an id that is not open."""


@st.composite
def submissions(draw: st.DrawFn) -> Submission:
    """Draw an order without an id, whose terms do not contradict each other."""
    price = draw(st.none() | prices | prices | prices | prices)
    time_in_force = draw(st.sampled_from([*TimeInForce, TimeInForce.GTC, TimeInForce.DAY]))
    stop_price = draw(st.none() | st.none() | prices)
    may_rest = price is not None and time_in_force not in NEVER_REST
    posts = may_rest and stop_price is None
    return Submission(
        0,
        draw(symbols),
        draw(sides),
        draw(amounts),
        price,
        time_in_force,
        draw(st.sampled_from([None, None, *PostOnly])) if posts else None,
        draw(owners),
        draw(st.none() | st.integers(1, 4)) if may_rest else None,
        stop_price,
        draw(times) if time_in_force is TimeInForce.GTD else None,
    )


def pickled(engine: MatchingEngine) -> MatchingEngine:
    """Return a copy that was pickled."""
    copy = pickle.loads(pickle.dumps(engine))  # noqa: S301 - our own data
    assert isinstance(copy, MatchingEngine)
    return copy


def restored(engine: MatchingEngine) -> MatchingEngine:
    """Return a copy that was restored from a snapshot."""
    return MatchingEngine.from_snapshot(engine.snapshot())


COPIES = (MatchingEngine.copy, pickled, restored)


class OpenTransaction(NamedTuple):
    """An open transaction or what-if, and the state before it."""

    context: AbstractContextManager[MatchingEngine]
    commits: bool
    state_hash: str
    state: State
    events: int


def outcome(call: Callable[[], object]) -> tuple[object, ...]:
    """Return the result of a call, or the type of its error, with the arguments of a LimitError."""
    try:
        return ("returned", call())
    except LimitError as error:
        return ("raised", type(error), error.args)
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
        self.account = Account(self.engine)
        self.booked = 0  # the number of events in `lots` and `cash`
        self.lots: Counter[tuple[str, str | None]] = Counter()
        self.cash: Counter[tuple[str, str | None]] = Counter()

    @initialize(prevention=st.sampled_from(SelfTradePrevention))
    def choose_prevention(self, prevention: SelfTradePrevention) -> None:
        self.start(self.prevention or prevention)

    def both(
        self, engine_call: Callable[[], object], naive_call: Callable[[], object], *, trades: bool = False
    ) -> Any:
        """Call both engines. Check that the outcomes are equal, and that an error changes nothing."""
        before = self.engine.state_hash()
        actual, expected = outcome(engine_call), outcome(naive_call)
        assert actual == expected
        if self.engine.state_hash() != before:
            assert actual[0] == "returned", "a verb that raises an error changes nothing"
            self.expected.append(tuple(self.naive.executions) if trades else ())
        return actual[1] if actual[0] == "returned" else None

    def id_at(self, place: int) -> OrderId:
        """Return the id of the open order at a place, or an id that is not open."""
        ids: list[OrderId] = [each.order_id for each in self.naive.open]
        return ids[place % len(ids)] if ids and place < 38 else "never"

    # ---- verbs

    @rule(order=submissions(), place=places)
    def submit(self, order: Submission, place: int) -> None:
        """Submit an order under a new id, under the id of an earlier order, or under an id that is in use."""
        ids: list[OrderId] = [*range(-2, 10), *"0123456789abcdefghijklmnopqrstuvwxyz"]
        in_use = {each.order_id for each in self.naive.open}
        free = [each for each in ids if each not in in_use]
        order_id = free[place % len(free)] if free and place < 38 else self.id_at(0)
        order = order._replace(order_id=order_id)
        owners = {each.order_id: each.order.owner for each in self.naive.open}
        execution: Execution | None = self.both(
            lambda: self.engine.submit(**order._asdict()), lambda: self.naive.submit(order), trades=True
        )
        if execution is None:
            return
        self.check_execution(order, execution)
        if order.owner is not None and self.naive.prevention is not SelfTradePrevention.NONE:
            assert order.owner not in {owners[fill.order_id] for fill in execution.fills}

    @rule(symbol=symbols, side=sides, amount=amounts, price=prices, place=places, owner=owners)
    def submit_limit(
        self, symbol: str, side: Side, amount: int, price: int, place: int, owner: str | None
    ) -> None:
        self.submit(Submission(0, symbol, side, amount, price, owner=owner), place)

    @rule(symbol=symbols, side=sides, stop_price=prices, place=places, limit=st.none() | prices)
    def submit_stop(self, symbol: str, side: Side, stop_price: int, place: int, limit: int | None) -> None:
        self.submit(Submission(0, symbol, side, 3, limit, stop_price=stop_price), place)

    @rule(place=places, amount=st.none() | amounts, price=st.none() | prices)
    def replace(self, place: int, amount: int | None, price: int | None) -> None:
        order_id, amount = self.id_at(place), 1 if amount is price is None else amount
        execution: Execution | None = self.both(
            lambda: self.engine.replace(order_id, amount=amount, price=price),
            lambda: self.naive.replace(order_id, amount=amount, price=price),
            trades=True,
        )
        if execution is not None:
            assert execution.requested == execution.amount + execution.resting + execution.canceled
            assert amount in (None, execution.requested)

    @rule(place=places, amount=st.integers(1, 4))
    def reduce(self, place: int, amount: int) -> None:
        order_id = self.id_at(place)
        self.both(lambda: self.engine.reduce(order_id, amount), lambda: self.naive.reduce(order_id, amount))

    @rule(place=places)
    def cancel(self, place: int) -> None:
        order_id = self.id_at(place)
        self.both(lambda: self.engine.cancel(order_id), lambda: self.naive.cancel(order_id))

    @rule(
        verb=st.one_of(
            st.tuples(st.just("cancel_all"), st.none() | symbols, st.none() | sides, owners),
            st.tuples(st.just("expire"), times),
            st.tuples(st.just("end_day"), st.none() | symbols),
        )
    )
    def cancel_many(self, verb: tuple[Any, ...]) -> None:
        name, *arguments = verb
        self.both(
            lambda: getattr(self.engine, name)(*arguments), lambda: getattr(self.naive, name)(*arguments)
        )

    # ---- questions

    @rule(place=places)
    def ask(self, place: int) -> None:
        order_id = self.id_at(place)
        self.both(lambda: self.engine.order(order_id), lambda: self.naive.order(order_id))
        self.both(lambda: self.engine.queue_ahead(order_id), lambda: self.naive.queue_ahead(order_id))

    @rule(symbol=symbols, side=sides, amount=st.integers(1, 30), owner=owners)
    def ask_about_a_symbol(self, symbol: str, side: Side, amount: int, owner: str | None) -> None:
        self.both(
            lambda: self.engine.orders(symbol, side, owner), lambda: self.naive.orders(symbol, side, owner)
        )
        self.both(
            lambda: self.engine.calculate_price(symbol, side, amount),
            lambda: self.naive.calculate_price(symbol, side, amount),
        )

    # ---- copies

    @precondition(lambda self: not self.opened)
    @rule(copy=st.sampled_from(COPIES))
    def continue_with_a_copy(self, copy: Callable[[MatchingEngine], MatchingEngine]) -> None:
        original, before = self.engine, self.engine.state_hash()
        self.engine = copy(original)
        assert self.engine.state_hash() == before
        events, account = list(self.events), self.account.copy()
        original.cancel_all()  # the copy is independent
        self.events[:] = events
        self.engine.subscribe(self.events.append)
        account.follow(self.engine)
        self.account = account

    # ---- transactions

    @precondition(lambda self: len(self.opened) < 3)
    @rule(commits=st.booleans())
    def open(self, commits: bool) -> None:
        context = self.engine.transaction("why") if commits else self.engine.what_if()
        self.opened.append(
            OpenTransaction(context, commits, self.engine.state_hash(), self.naive.save(), len(self.expected))
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
            self._go_back_to(transaction)

    def _go_back_to(self, transaction: OpenTransaction) -> None:
        self.naive.restore(transaction.state)
        del self.expected[transaction.events :]

    def forget_open_transactions(self) -> None:
        """Expect the state before the outermost open transaction, as after a crash."""
        if self.opened:
            self._go_back_to(self.opened[0])
            self.opened.clear()

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
        assert self.engine.orders() == tuple(each.as_open_order() for each in self.naive.open)
        assert len(self.engine) == len(self.naive.open)
        assert all(each.order_id in self.engine for each in self.naive.open)
        for symbol in SYMBOLS:
            assert self.engine.last_price(symbol) == self.naive.last_prices.get(symbol)

    @invariant()
    def the_queues_agree(self) -> None:
        for symbol in SYMBOLS:
            for side in Side:
                assert queue(self.engine, symbol, side) == [
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
    def the_account_is_the_sum_of_the_committed_fills(self) -> None:
        for fill in party_fills(self.events[self.booked :]):
            self.lots[fill.symbol, fill.owner] += fill.amount
            self.cash[fill.symbol, fill.owner] -= fill.amount * fill.price
        self.booked = len(self.events)
        positions = self.account.positions()
        assert {(each.symbol, each.owner): each.amount for each in positions} == self.lots
        assert {(each.symbol, each.owner): each.cash for each in positions} == self.cash
        for symbol in SYMBOLS:
            of_symbol = [each for each in positions if each.symbol == symbol]
            assert sum(each.amount for each in of_symbol) == sum(each.cash for each in of_symbol) == 0
            assert sum(each.profit() for each in of_symbol) == 0
        assert self.account.sequence == len(self.events)

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


def random_submission(random: Random) -> Submission:
    """Return an order without an id, whose terms do not contradict each other."""
    price = random.choice([None, *range(1, 8), *range(1, 8)])
    time_in_force = random.choice([*TimeInForce, TimeInForce.GTC, TimeInForce.DAY])
    stop_price = random.choice([None, None, None, random.randint(1, 7)])
    may_rest = price is not None and time_in_force not in NEVER_REST
    return Submission(
        0,
        random.choice(["AAPL", "JPM", "JPM", "JPM"]),
        random.choice(list(Side)),
        random.randint(1, 12),
        price,
        time_in_force,
        random.choice([None, None, *PostOnly]) if may_rest and stop_price is None else None,
        random.choice([None, "x", "y", "z"]),
        random.choice([None, 1, 2, 5]) if may_rest else None,
        stop_price,
        random.randint(1, 9) if time_in_force is TimeInForce.GTD else None,
    )


def random_step(machine: EngineMachine, random: Random) -> None:
    """Make one step of the machine. Most steps submit an order."""
    place = random.randint(0, 40)
    optional = [None, random.randint(1, 12)]
    match random.randint(0, 39):
        case 0 | 1 | 2:
            machine.replace(place, random.choice(optional), random.choice([None, *range(1, 8)]))
        case 3 | 4:
            machine.reduce(place, random.randint(1, 6))
        case 5 | 6 | 7:
            machine.cancel(place)
        case 8 | 9:
            machine.ask(place)
            machine.ask_about_a_symbol(
                "JPM", random.choice(list(Side)), place + 1, random.choice([None, "x"])
            )
        case 10 if len(machine.opened) < 3:
            machine.open(random.choice([True, False]))
        case 11 | 12 if machine.opened:
            machine.close(random.choice([True, False, False]))
        case 13 if random.randint(0, 3) == 0 and not machine.opened:
            machine.continue_with_a_copy(random.choice(COPIES))
        case 14:
            many = [("expire", random.randint(1, 3)), ("end_day", "AAPL"), ("cancel_all", None, None, "x")]
            machine.cancel_many(random.choice(many))
        case _:
            machine.submit(random_submission(random), place)
