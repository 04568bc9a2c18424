"""The state machine of the engine, with limits, kill switches, and a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from oms import CollarReference, LimitError, Limits, MatchingEngine
from oms.submission import SelfTradePrevention
from support.engine_machine import COPIES, EngineMachine, random_step, restored
from support.naive_limits import NaiveLimitedEngine, Scope

__all__ = ["LimitsMachine", "random_limits_step"]

SCOPES: list[Scope] = [(None, None), (None, "JPM"), ("x", None), ("x", "JPM"), ("y", "AAPL")]
scopes = st.sampled_from(SCOPES)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    """Draw limits, most of which reject some orders of the machine and allow others."""
    rate = draw(st.none() | st.integers(1, 4))
    return Limits(
        max_amount=draw(st.none() | st.integers(4, 12)),
        max_notional=draw(st.none() | st.integers(10, 70)),
        max_open_orders=draw(st.none() | st.integers(1, 5)),
        max_open_amount=draw(st.none() | st.integers(8, 40)),
        collar=draw(st.none() | st.integers(0, 4)),
        collar_bps=draw(st.none() | st.integers(0, 9_000)),
        collar_reference=draw(st.sampled_from(CollarReference)),
        max_submissions=rate,
        interval=None if rate is None else draw(st.integers(1, 9)),
    )


def random_limits(random: Random) -> Limits:
    """Return one or two limits, which reject some orders of the machine and allow others."""
    kinds: list[dict[str, int]] = [
        {"max_amount": random.randint(8, 12)},
        {"max_notional": random.randint(30, 70)},
        {"max_open_orders": random.randint(1, 5)},
        {"max_open_amount": random.randint(8, 40)},
        {"collar": random.randint(0, 4)},
        {"collar_bps": random.randint(0, 9_000)},
        {"max_submissions": random.randint(1, 4), "interval": random.randint(2, 6)},
    ]
    first, second = random.sample(kinds, 2)
    return Limits(
        **first, **random.choice([{}, second]), collar_reference=random.choice(list(CollarReference))
    )


class LimitsMachine(EngineMachine):
    """An EngineMachine whose engines have limits. The rules of the base class try the limits."""

    naive: NaiveLimitedEngine

    def start(self, prevention: SelfTradePrevention) -> None:
        super().start(prevention)
        self.time = 0
        self.rejected: Counter[str] = Counter()
        self.naive = NaiveLimitedEngine(prevention, self.counted_time)
        self.engine.clock = self.read_clock
        self.engine._books.open_usage()

    def read_clock(self) -> int:
        return self.time

    def counted_time(self) -> int | None:
        return self.time if all(each.commits for each in self.opened) else None

    @initialize(wide=limits(), narrow=limits(), scope=scopes)
    def choose_limits(self, wide: Limits, narrow: Limits, scope: Scope) -> None:
        self.set_limits(wide, (None, None))
        self.set_limits(narrow, scope)

    def both(
        self, engine_call: Callable[[], object], naive_call: Callable[[], object], *, trades: bool = False
    ) -> Any:
        def counted_call() -> object:
            try:
                return naive_call()
            except LimitError as error:
                self.rejected[type(error).__name__] += 1
                raise

        return super().both(engine_call, counted_call, trades=trades)

    @precondition(lambda self: not self.opened)
    @rule(limits=limits(), scope=scopes)
    def set_limits(self, limits: Limits | None, scope: Scope) -> None:
        owner, symbol = scope
        self.engine.set_limits(limits, owner=owner, symbol=symbol)
        self.naive.set_limits(limits, scope)
        assert self.engine.limits(owner=owner, symbol=symbol) == limits

    @precondition(lambda self: not self.opened)
    @rule(scope=scopes)
    def remove_limits(self, scope: Scope) -> None:
        self.set_limits(None, scope)

    @precondition(lambda self: not self.opened)
    @rule(scope=scopes, on=st.booleans())
    def kill(self, scope: Scope, on: bool) -> None:
        owner, symbol = scope
        if on:
            assert self.engine.kill(owner=owner, symbol=symbol) == ()
            self.naive.kills.add(scope)
        else:
            self.engine.lift_kill(owner=owner, symbol=symbol)
            self.naive.kills.discard(scope)
        assert set(self.engine.kills()) == self.naive.kills

    @rule(time=st.integers(1, 4))
    def wait(self, time: int) -> None:
        self.time += time

    @precondition(lambda self: not self.opened)
    @rule(copy=st.sampled_from(COPIES))
    def continue_with_a_copy(self, copy: Callable[[MatchingEngine], MatchingEngine]) -> None:
        super().continue_with_a_copy(copy)
        self.engine.clock = self.read_clock
        self.naive.counted.clear()
        if copy is restored:  # a snapshot contains neither limits nor kill switches
            assert self.engine._rules is None
            for (owner, symbol), limits in self.naive.limits.items():
                self.engine.set_limits(limits, owner=owner, symbol=symbol)
            for owner, symbol in self.naive.kills:
                self.engine.kill(owner=owner, symbol=symbol)

    @invariant()
    def the_sums_are_those_of_the_open_orders(self) -> None:
        orders: Counter[tuple[str | None, str]] = Counter()
        lots: Counter[tuple[str | None, str]] = Counter()
        for each in self.engine.orders():
            orders[each.order.owner, each.order.symbol] += 1
            lots[each.order.owner, each.order.symbol] += each.remaining
        sums = self.engine._books.open_usage().sums
        assert sums == {key: (orders[key], lots[key]) for key in orders}


def random_limits_step(machine: LimitsMachine, random: Random) -> None:
    """Make one step of the machine. Most steps submit an order."""
    scope = random.choice(SCOPES)
    machine.time += random.choice([0, 1])
    match random.randint(0, 99):
        case 0 | 1 | 2 if not machine.opened:
            machine.set_limits(random_limits(random), scope)
        case 10 | 11 | 12 | 13 if not machine.opened:
            machine.set_limits(None, scope)
        case 3 if not machine.opened:
            machine.kill(scope, on=True)
        case 4 | 5 | 6 | 7 | 8 if not machine.opened:
            for each in machine.engine.kills():
                machine.kill(each, on=False)
        case _:
            random_step(machine, random)
