"""Limits and kill switches: what they reject, and that a rejection changes nothing.

The random tests of limits are in `test_usage.py`. The value is in `oms.limits`, the rules in
`oms.limit_rules`, and the methods of the engine in `oms.limited`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from oms import (
    AmountLimitError,
    CollarReference,
    DuplicateOrderError,
    Event,
    InvalidArgumentError,
    InvalidOrderError,
    JournalError,
    KillSwitchError,
    LimitError,
    Limits,
    MatchingEngine,
    NotionalLimitError,
    OpenAmountLimitError,
    OpenOrdersLimitError,
    OpenTransactionError,
    OrderNotFoundError,
    OrdersCanceled,
    PostOnly,
    PriceCollarError,
    RateLimitError,
    SelfTradePrevention,
    Side,
    Submission,
    TimeInForce,
    journal,
    limit_rules,
)
from support.memory_journal import FailingJournal

BUY, SELL = Side.BUY, Side.SELL
LAST = CollarReference.LAST_PRICE


class Clock:
    """A clock that stands still until the test sets it, and counts how often it was read."""

    def __init__(self) -> None:
        self.time = 1000
        self.reads = 0

    def __call__(self) -> int:
        self.reads += 1
        return self.time


def market(**arguments: Any) -> MatchingEngine:
    """Return an engine with 10 lots at each of three bids and asks around the last price of 100."""
    engine = MatchingEngine(
        self_trade_prevention=arguments.pop("self_trade_prevention", SelfTradePrevention.NONE)
    )
    engine.submit("first", "JPM", SELL, 1, 100)
    engine.submit("last", "JPM", BUY, 1, 100)
    for n in (1, 2, 3):
        engine.submit(f"ask{n}", "JPM", SELL, 10, 100 + n, owner="Maker")
        engine.submit(f"bid{n}", "JPM", BUY, 10, 100 - n, owner="Maker")
    engine.clock = arguments.pop("clock", None)
    engine.set_limits(Limits(**arguments))
    return engine


ids = count()


def submit(engine: MatchingEngine, side: Side, amount: int, price: int | None = None, **terms: Any) -> object:
    return engine.submit(
        next(ids), terms.pop("symbol", "JPM"), side, amount, price, **{"owner": "Ann", **terms}
    )


def rejected(kind: type[LimitError], engine: MatchingEngine, call: Callable[[], object]) -> tuple[int, int]:
    """Check that a call raises a LimitError and changes nothing. Return the limit and the value."""
    before, events = engine.state_hash(), list[Event]()
    unsubscribe = engine.subscribe(events.append)
    with pytest.raises(LimitError) as caught:
        call()
    unsubscribe()
    assert type(caught.value) is kind
    assert engine.state_hash() == before
    assert events == []
    return caught.value.limit, caught.value.value


# ---------------------------------------------------------------------- amount and notional


def test_an_order_of_more_than_the_largest_amount_is_rejected() -> None:
    engine = market(max_amount=10)
    assert rejected(AmountLimitError, engine, lambda: submit(engine, BUY, 11, 90)) == (10, 11)
    submit(engine, BUY, 10, 90)


@pytest.mark.parametrize(
    ("side", "amount", "terms", "notional"),
    [
        (BUY, 5, {"price": 99}, 495),
        (
            BUY,
            5,
            {"price": 105},
            525,
        ),  # not the price at which it would trade, but the highest that it allows
        (BUY, 10, {}, 1010),
        (BUY, 11, {}, 1122),  # the last lot would trade at 102
        (BUY, 50, {}, 5150),  # 30 lots are available
        (SELL, 5, {"price": 105}, 525),
        (SELL, 5, {"price": 90}, 495),  # it would trade at 99
        (SELL, 11, {}, 1089),
        (BUY, 5, {"price": 102, "time_in_force": TimeInForce.IOC}, 510),  # a market order with a price cap
        (BUY, 5, {"stop_price": 110}, 550),
        (BUY, 5, {"stop_price": 110, "price": 112}, 560),
        (SELL, 5, {"stop_price": 90, "price": 88}, 450),
        (SELL, 5, {"stop_price": 90}, 450),
        (BUY, 5, {"stop_price": 100}, 505),  # triggered at once by the last price
        (SELL, 5, {"price": 98, "post_only": PostOnly.SLIDE}, 500),  # it would rest at 100
        (BUY, 5, {"price": 102, "post_only": PostOnly.SLIDE}, 510),
    ],
)
def test_the_notional_is_the_amount_times_the_highest_price_at_which_the_order_could_trade(
    side: Side, amount: int, terms: dict[str, Any], notional: int
) -> None:
    engine = market(max_notional=notional - 1)
    call = partial(submit, engine, side, amount, **terms)
    assert rejected(NotionalLimitError, engine, call) == (notional - 1, notional)
    engine.set_limits(Limits(max_notional=notional))
    call()


def test_a_market_order_that_cannot_trade_has_no_notional() -> None:
    engine = market(max_notional=1)
    submit(engine, BUY, 5, symbol="IBM")
    submit(engine, SELL, 5, symbol="IBM")


# ---------------------------------------------------------------------- collar


@pytest.mark.parametrize(
    ("side", "terms", "collar", "bound"),
    [
        (BUY, {"price": 104}, {"collar": 2}, 103),  # the best ask is 101
        (SELL, {"price": 96}, {"collar": 2}, 97),
        (BUY, {"price": 103}, {"collar_bps": 100}, 102),  # 1 % of 101 is 1.01
        (SELL, {"price": 97}, {"collar_bps": 199}, 98),  # 1.99 % of 99 is 1.97
        (BUY, {"price": 103}, {"collar": 5, "collar_bps": 100}, 102),
        (BUY, {"price": 103}, {"collar": 1, "collar_bps": 9_000}, 102),
        (BUY, {"price": 101}, {"collar": 0, "collar_reference": LAST}, 100),
        (SELL, {"price": 99}, {"collar": 0, "collar_reference": LAST}, 100),
        (BUY, {}, {"collar": 1}, 102),  # the market order below reaches 103
        (SELL, {}, {"collar": 1}, 98),
        (BUY, {"price": 113, "stop_price": 110}, {"collar": 2}, 112),
        (SELL, {"price": 87, "stop_price": 90}, {"collar": 2}, 88),
        (BUY, {"price": 113, "stop_price": 110}, {"collar": 2, "collar_reference": LAST}, 112),
    ],
)
def test_a_price_outside_the_collar_is_rejected_and_the_last_price_inside_is_not(
    side: Side, terms: dict[str, Any], collar: dict[str, Any], bound: int
) -> None:
    engine = market(**collar)
    limit, value = rejected(PriceCollarError, engine, lambda: submit(engine, side, 25, **terms))
    assert limit == bound
    assert value == terms.get("price", 103 if side is BUY else 97)
    submit(engine, side, 5, **{**terms, "price": bound})


def test_a_collar_does_not_limit_a_price_that_is_better_for_the_submitter() -> None:
    engine = market(collar=0)
    submit(engine, BUY, 5, 1)
    submit(engine, SELL, 5, 10_000)
    submit(engine, BUY, 5, stop_price=500)


def test_a_collar_falls_back_to_the_other_reference_and_without_one_allows_every_price() -> None:
    engine = MatchingEngine(limits=Limits(collar=2))
    by_last_price = MatchingEngine(limits=Limits(collar=2, collar_reference=LAST))
    for each in (engine, by_last_price):
        submit(each, BUY, 1, 10_000)
        each.cancel_all()
        submit(each, SELL, 1, 100)
        assert rejected(PriceCollarError, each, partial(submit, each, BUY, 1, 103)) == (102, 103)
        submit(each, BUY, 1, 102)  # the last price is now 100, and both sides are empty
        assert rejected(PriceCollarError, each, partial(submit, each, SELL, 1, 97)) == (98, 97)


def test_a_market_order_that_cannot_trade_is_inside_every_collar() -> None:
    engine = market(collar=0)
    engine.cancel_all()
    submit(engine, BUY, 5)


def test_a_market_order_does_not_reach_beyond_its_own_orders_if_they_cancel_it() -> None:
    for policy, reaches in (
        (SelfTradePrevention.CANCEL_NEWEST, 101),
        (SelfTradePrevention.CANCEL_OLDEST, 103),
    ):
        engine = market(self_trade_prevention=policy)
        submit(engine, SELL, 5, 102)
        engine.cancel("ask2")
        engine.set_limits(Limits(collar=0))
        if reaches == 101:
            submit(engine, BUY, 15)
        else:
            assert rejected(PriceCollarError, engine, partial(submit, engine, BUY, 15)) == (
                101,
                103,
            )


# ---------------------------------------------------------------------- open orders and amounts


def test_open_orders_are_counted_for_each_owner_in_each_symbol() -> None:
    engine = market(max_open_orders=2)
    submit(engine, BUY, 5, 90)
    submit(engine, BUY, 5, 95, stop_price=110)
    assert rejected(OpenOrdersLimitError, engine, lambda: submit(engine, SELL, 5, 110)) == (2, 3)
    submit(engine, BUY, 5, 90, symbol="IBM")
    submit(engine, BUY, 5, 90, owner="Bob")
    submit(engine, BUY, 5, 90, owner=None)
    submit(engine, BUY, 5, 90, owner=None)
    assert rejected(OpenOrdersLimitError, engine, lambda: submit(engine, BUY, 5, 90, owner=None)) == (2, 3)


def test_an_order_that_leaves_nothing_open_is_not_limited_by_the_open_orders() -> None:
    engine = market(max_open_orders=1, max_open_amount=5)
    submit(engine, BUY, 5, 90)
    submit(engine, BUY, 10, 101)
    submit(engine, BUY, 3)
    submit(engine, BUY, 50, 102, time_in_force=TimeInForce.IOC)


def test_the_open_amount_contains_hidden_and_waiting_lots_and_the_amount_that_would_rest() -> None:
    engine = market(max_open_amount=20)
    submit(engine, BUY, 8, 90, display=1)
    submit(engine, BUY, 7, stop_price=110)
    assert rejected(OpenAmountLimitError, engine, lambda: submit(engine, BUY, 6, 90)) == (20, 21)
    assert rejected(OpenAmountLimitError, engine, lambda: submit(engine, BUY, 16, 101)) == (20, 21)
    submit(engine, BUY, 15, 101)  # 10 of 15 lots are filled
    assert rejected(OpenAmountLimitError, engine, lambda: submit(engine, BUY, 1, 90)) == (20, 21)


def test_fills_reductions_and_cancels_make_room_for_new_orders() -> None:
    engine = MatchingEngine(limits=Limits(max_open_amount=20))
    engine.submit("a", "JPM", SELL, 20, 101, owner="Ann", display=3)
    full = partial(submit, engine, SELL, 1, 105)
    rejected(OpenAmountLimitError, engine, full)
    submit(engine, BUY, 4, 101, owner="Bob")
    assert rejected(OpenAmountLimitError, engine, lambda: submit(engine, SELL, 5, 105)) == (20, 21)
    submit(engine, SELL, 4, 105)
    rejected(OpenAmountLimitError, engine, full)
    engine.reduce("a", 1)
    full()
    rejected(OpenAmountLimitError, engine, full)
    engine.cancel("a")
    submit(engine, SELL, 15, 105)


def test_a_filled_order_makes_room_for_another_order() -> None:
    engine = MatchingEngine(limits=Limits(max_open_orders=1))
    for number in range(3):
        engine.submit(f"ask{number}", "JPM", SELL, 5, 101, owner="Ann")
        rejected(OpenOrdersLimitError, engine, partial(submit, engine, SELL, 5, 101))
        engine.submit(f"bid{number}", "JPM", BUY, 5, 101, owner="Bob")


def test_own_orders_that_an_order_fills_or_cancels_make_room_for_it() -> None:
    for policy in (
        SelfTradePrevention.NONE,
        SelfTradePrevention.CANCEL_OLDEST,
        SelfTradePrevention.DECREMENT,
    ):
        engine = MatchingEngine(
            self_trade_prevention=policy, limits=Limits(max_open_amount=20, max_open_orders=1)
        )
        engine.submit("ask", "JPM", SELL, 20, 101, owner="Ann")
        engine.submit(
            "bid", "JPM", BUY, 25 if policy is not SelfTradePrevention.CANCEL_OLDEST else 20, 101, owner="Ann"
        )
        assert [each.order.order_id for each in engine] == ["bid"]


def test_a_lower_limit_does_not_cancel_open_orders() -> None:
    engine = market()
    engine.set_limits(Limits(max_open_orders=1), owner="Maker")
    assert len(engine.orders(owner="Maker")) == 6
    assert rejected(OpenOrdersLimitError, engine, lambda: submit(engine, BUY, 1, 50, owner="Maker")) == (1, 7)


# ---------------------------------------------------------------------- replace, reduce, cancel, stops


def test_a_replaced_order_makes_room_for_its_successor() -> None:
    engine = market(max_open_amount=20, max_open_orders=1, max_amount=25)
    engine.submit("a", "JPM", BUY, 15, 90, owner="Ann")
    change = partial(partial, engine.replace, "a")
    assert rejected(OpenAmountLimitError, engine, change(amount=21)) == (20, 21)
    assert rejected(AmountLimitError, engine, change(amount=26)) == (25, 26)
    engine.replace("a", amount=20)
    engine.replace("a", amount=20, price=91)
    engine.replace("a", amount=25, price=101)  # 10 of 25 lots are filled
    assert engine.order("a").remaining == 15


def test_reducing_and_canceling_are_possible_beyond_every_limit_and_with_a_kill_switch_on() -> None:
    clock = Clock()
    engine = market(clock=clock)
    engine.submit("a", "JPM", BUY, 15, 90, owner="Ann")
    engine.set_limits(
        Limits(
            max_amount=1,
            max_notional=1,
            max_open_orders=1,
            max_open_amount=1,
            collar=0,
            max_submissions=1,
            interval=1,
        )
    )
    engine.kill()
    engine.reduce("a", 5)
    engine.cancel("a")
    assert len(engine.cancel_all()) == 6


def test_a_triggered_stop_order_is_not_checked_again() -> None:
    engine = market()
    engine.submit("stop", "JPM", BUY, 15, stop_price=101, owner="Ann")
    engine.set_limits(Limits(max_amount=1, max_notional=1, collar=0), owner="Ann")
    engine.kill(owner="Ann")
    submit(engine, BUY, 1, owner="Bob")
    assert "stop" not in engine
    assert engine.last_price("JPM") == 102


# ---------------------------------------------------------------------- rate


def test_a_rate_allows_a_number_of_submissions_in_each_interval() -> None:
    clock = Clock()
    engine = market(max_submissions=2, interval=10, clock=clock)
    engine.submit("a", "JPM", BUY, 1, 90, owner="Ann")
    clock.time = 1004
    engine.replace("a", price=91)
    clock.time = 1009
    calls: list[Callable[[], object]] = [
        partial(submit, engine, BUY, 1, 90),
        partial(engine.replace, "a", price=92),
    ]
    for call in calls:
        with pytest.raises(RateLimitError) as caught:
            call()
        assert (caught.value.limit, caught.value.value, caught.value.retry_at) == (2, 3, 1010)
    submit(engine, BUY, 1, 90, owner="Bob")
    submit(engine, BUY, 1, 90, symbol="IBM")
    clock.time = 1010
    submit(engine, BUY, 1, 90)
    assert rejected(RateLimitError, engine, lambda: submit(engine, BUY, 1, 90)) == (2, 3)
    clock.time = 1014
    submit(engine, BUY, 1, 90)


def test_a_rate_can_allow_more_submissions_than_a_machine_can_store() -> None:
    engine = market(max_submissions=2**64, interval=10, clock=Clock())
    submit(engine, BUY, 1, 90)
    submit(engine, BUY, 1, 90)
    assert len(engine.orders(owner="Ann")) == 2


def test_a_rejected_submission_does_not_count_for_the_rate() -> None:
    clock = Clock()
    engine = market(max_submissions=1, interval=10, max_amount=5, clock=clock)
    engine.set_limits(Limits(max_submissions=5, interval=10), owner="Ann")
    rejected(AmountLimitError, engine, lambda: submit(engine, BUY, 6, 90))
    with pytest.raises(DuplicateOrderError):
        engine.submit("ask1", "JPM", BUY, 1, 90, owner="Ann")
    with pytest.raises(InvalidOrderError):
        submit(engine, BUY, 0, 90)
    submit(engine, BUY, 1, 90)
    for _ in range(5):
        rejected(RateLimitError, engine, lambda: submit(engine, BUY, 1, 90))
    clock.time += 10
    submit(engine, BUY, 1, 90)  # the submissions that the narrow rate rejects do not count for the wide one


def test_what_ifs_neither_count_for_the_rate_nor_read_the_clock() -> None:
    clock = Clock()
    engine = market(max_submissions=1, interval=10, max_amount=5, clock=clock)
    with engine.what_if():
        submit(engine, BUY, 1, 90)
        with engine.transaction():
            submit(engine, BUY, 1, 90)
        with pytest.raises(AmountLimitError):
            submit(engine, BUY, 6, 90)
    assert clock.reads == 0
    submit(engine, BUY, 1, 90)
    assert clock.reads == 1


def test_a_submission_counts_for_the_rate_also_if_its_transaction_is_rolled_back() -> None:
    engine = market(max_submissions=1, interval=10, clock=Clock())
    with pytest.raises(ZeroDivisionError), engine.transaction():
        submit(engine, BUY, 1, 90)
        raise ZeroDivisionError
    rejected(RateLimitError, engine, lambda: submit(engine, BUY, 1, 90))


def test_new_limits_count_the_rate_from_zero() -> None:
    engine = market(max_submissions=1, interval=10, clock=Clock())
    submit(engine, BUY, 1, 90)
    engine.set_limits(Limits(max_submissions=1, interval=10), owner="Bob")
    rejected(RateLimitError, engine, lambda: submit(engine, BUY, 1, 90))
    engine.set_limits(Limits(max_submissions=1, interval=10))
    submit(engine, BUY, 1, 90)


def test_a_rate_needs_a_clock() -> None:
    limits = Limits(max_submissions=1, interval=10)
    for call in (lambda: MatchingEngine(limits=limits), lambda: MatchingEngine().set_limits(limits)):
        with pytest.raises(InvalidArgumentError, match="set the clock of the engine first"):
            call()
    engine = market(max_submissions=1, interval=10, clock=Clock())
    engine.clock = None
    before = engine.state_hash()
    with pytest.raises(InvalidArgumentError, match="clock must be a callable while a rate is limited"):
        submit(engine, BUY, 1, 90)
    assert engine.state_hash() == before
    engine.cancel("ask1")


def test_a_clock_that_fails_or_that_changes_the_books_leaves_the_order_out() -> None:
    engine = market(max_submissions=5, interval=10, clock=Clock())

    def changes() -> Iterator[object]:
        yield None
        engine.cancel("ask1")

    steps = changes()
    engine.clock = lambda: len(list(steps)) + 1000
    with pytest.raises(OpenTransactionError, match="the clock changed these books"):
        engine.submit("x", "JPM", BUY, 1, 90)
    engine.clock = lambda: -1
    with pytest.raises(InvalidArgumentError, match="clock"):
        engine.submit("x", "JPM", BUY, 1, 90)
    assert "x" not in engine
    engine._check()


# ---------------------------------------------------------------------- scopes


def test_all_limits_whose_owner_and_symbol_match_apply() -> None:
    engine = market(max_amount=100)
    engine.set_limits(Limits(max_amount=1000), owner="Ann", symbol="JPM")
    engine.set_limits(Limits(max_amount=50), symbol="IBM")
    engine.set_limits(Limits(max_amount=20), owner="Bob")
    largest = {
        (owner, symbol): next(
            amount - 1 for amount in (21, 51, 101, 1001) if is_rejected(engine, owner, symbol, amount)
        )
        for owner in ("Ann", "Bob", None)
        for symbol in ("JPM", "IBM")
    }
    assert largest == {
        ("Ann", "JPM"): 100,
        ("Ann", "IBM"): 50,
        ("Bob", "JPM"): 20,
        ("Bob", "IBM"): 20,
        (None, "JPM"): 100,
        (None, "IBM"): 50,
    }


def is_rejected(engine: MatchingEngine, owner: str | None, symbol: str, amount: int) -> bool:
    """Return True if an order of this amount is rejected."""
    with engine.what_if():
        try:
            submit(engine, BUY, amount, 90, owner=owner, symbol=symbol)
        except AmountLimitError:
            return True
    return False


def test_rejected_orders_in_ever_more_symbols_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limit_rules, "_MOST_KEPT", 3)
    engine = market(max_submissions=1, interval=10, max_amount=5, clock=Clock())
    submit(engine, BUY, 1, 90)
    for symbol in "ABCDEFGH":
        rejected(AmountLimitError, engine, partial(submit, engine, BUY, 6, 90, symbol=symbol))
        rejected(RateLimitError, engine, partial(submit, engine, BUY, 1, 90))
    assert engine._rules is not None
    assert len(engine._rules._applying) <= 3


def test_limits_are_replaced_and_removed_for_exactly_one_owner_and_symbol() -> None:
    engine = MatchingEngine(limits=Limits(max_amount=10))
    engine.set_limits(Limits(max_amount=5), owner="Ann")
    assert engine.limits() == Limits(max_amount=10)
    assert engine.limits(owner="Ann") == Limits(max_amount=5)
    assert engine.limits(owner="Ann", symbol="JPM") is None
    engine.set_limits(None, owner="Ann", symbol="JPM")
    engine.set_limits(None)
    rejected(AmountLimitError, engine, lambda: submit(engine, BUY, 6, 90))
    engine.set_limits(Limits(max_open_orders=5), owner="Ann")
    submit(engine, BUY, 6, 90)
    engine.set_limits(None, owner="Ann")
    assert engine._rules is None
    assert engine._books.usage is None, "without limits, nothing is counted"
    submit(engine, BUY, 1000, 90)


def test_errors_come_in_a_fixed_order() -> None:
    engine = market(
        max_amount=1,
        max_notional=1,
        collar=0,
        max_open_orders=1,
        max_open_amount=1,
        max_submissions=1,
        interval=9,
        clock=Clock(),
    )
    submit(engine, BUY, 1, 1)
    order: list[type[Exception]] = []
    fixes: list[Callable[[], object]] = [
        engine.lift_kill,
        *[
            partial(remove, engine, field)
            for field in ("max_amount", "max_notional", "collar", "max_open_orders", "max_open_amount")
        ],
    ]
    engine.kill()
    with pytest.raises(InvalidOrderError):
        engine.submit("ask1", "JPM", BUY, -1)
    with pytest.raises(DuplicateOrderError):
        engine.submit("ask1", "JPM", BUY, 1)
    with pytest.raises(OrderNotFoundError):
        engine.replace("never", price=1)
    for fix in fixes:
        with pytest.raises(LimitError) as caught:
            submit(engine, BUY, 50, 105)
        order.append(type(caught.value))
        fix()
    assert order == [
        KillSwitchError,
        AmountLimitError,
        NotionalLimitError,
        PriceCollarError,
        OpenOrdersLimitError,
        OpenAmountLimitError,
    ]
    submit(engine, BUY, 50, 105)  # the new limits count the rate from zero
    rejected(RateLimitError, engine, lambda: submit(engine, BUY, 50, 105))


def remove(engine: MatchingEngine, field: str) -> None:
    """Remove one of the limits for all owners and symbols."""
    limits = engine.limits()
    assert limits is not None
    engine.set_limits(replace(limits, **{field: None}))  # type: ignore[arg-type] # a dict of one keyword


# ---------------------------------------------------------------------- kill switches


def test_a_kill_switch_rejects_the_orders_of_its_owner_and_symbol_until_it_is_lifted() -> None:
    engine = market()
    for scope, killed in [
        ({}, {"Ann JPM", "Ann IBM", "Bob JPM", "Bob IBM"}),
        ({"owner": "Ann"}, {"Ann JPM", "Ann IBM"}),
        ({"symbol": "IBM"}, {"Ann IBM", "Bob IBM"}),
        ({"owner": "Ann", "symbol": "IBM"}, {"Ann IBM"}),
    ]:
        assert engine.kill(**scope) == ()  # type: ignore[arg-type] # a dict of two keywords
        assert killed_orders(engine) == killed
        engine.lift_kill(**scope)
        assert killed_orders(engine) == set()


def killed_orders(engine: MatchingEngine) -> set[str]:
    """Return the owners and symbols whose orders a kill switch rejects."""
    killed = set()
    for owner in ("Ann", "Bob"):
        for symbol in ("JPM", "IBM"):
            try:
                with engine.what_if():
                    submit(engine, BUY, 1, 90, owner=owner, symbol=symbol)
            except KillSwitchError:
                killed.add(f"{owner} {symbol}")
    return killed


def test_kill_switches_are_listed_and_each_is_lifted_on_its_own() -> None:
    engine = market()
    engine.kill(owner="Ann")
    engine.kill()
    engine.kill()
    engine.kill(owner="Ann", symbol="JPM")
    assert engine.kills() == ((None, None), ("Ann", None), ("Ann", "JPM"))
    engine.lift_kill()
    engine.lift_kill(owner="Bob")
    assert engine.kills() == (("Ann", None), ("Ann", "JPM"))
    assert rejected(KillSwitchError, engine, lambda: submit(engine, BUY, 7, 90)) == (0, 7)
    engine.submit("bob", "JPM", BUY, 1, 90, owner="Bob")
    engine.kill(symbol="JPM")
    rejected(KillSwitchError, engine, lambda: engine.replace("bob", price=80))


def test_a_kill_switch_can_cancel_the_open_orders_in_one_event() -> None:
    engine = market()
    engine.submit("ann", "JPM", BUY, 1, 90, owner="Ann")
    events: list[Event] = []

    def answer(event: Event) -> None:
        events.append(event)
        with pytest.raises(KillSwitchError):
            submit(engine, BUY, 1, 90, owner="Maker")

    engine.subscribe(answer)
    assert len(engine.kill(owner="Maker", cancel_orders=True)) == 6
    assert [type(event) for event in events] == [OrdersCanceled]
    assert [each.order.order_id for each in engine] == ["ann"]
    assert engine.kill(owner="Maker", cancel_orders=True) == ()
    assert len(events) == 1


# ---------------------------------------------------------------------- settings of the object


@pytest.mark.parametrize("copy", [MatchingEngine.copy, lambda engine: pickle.loads(pickle.dumps(engine))])  # noqa: S301  # our own bytes
def test_a_copy_keeps_limits_and_kill_switches_and_counts_its_own_orders(
    copy: Callable[[MatchingEngine], MatchingEngine],
) -> None:
    engine = market(max_open_orders=1, clock=Clock())
    engine.set_limits(Limits(max_submissions=1, interval=10), symbol="IBM")
    engine.kill(owner="Bob")
    submit(engine, BUY, 1, 90, symbol="IBM")
    other = copy(engine)
    assert other.limits() == engine.limits()
    assert other.kills() == (("Bob", None),)
    with pytest.raises(InvalidArgumentError, match="clock must be"):
        submit(other, BUY, 1, 90, symbol="IBM", owner="Ann")
    other.clock = Clock()
    submit(other, BUY, 5, symbol="IBM", owner="Ann")  # the rate of the copy starts from zero
    submit(other, BUY, 1, 90)
    rejected(OpenOrdersLimitError, other, lambda: submit(other, BUY, 1, 90))
    other.set_limits(None)
    other.lift_kill(owner="Bob")
    submit(engine, BUY, 1, 90)
    rejected(OpenOrdersLimitError, engine, lambda: submit(engine, BUY, 1, 90))
    rejected(KillSwitchError, engine, lambda: submit(engine, BUY, 1, 90, owner="Bob"))


def test_limits_are_not_part_of_the_state() -> None:
    engine, other = market(max_amount=5), market()
    other.kill(owner="Bob")
    assert engine.state_hash() == other.state_hash()


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.set_limits(Limits()),
        lambda engine: engine.kill(),
        lambda engine: engine.lift_kill(),
    ],
)
def test_limits_and_kill_switches_cannot_be_set_inside_a_transaction_or_a_what_if(
    call: Callable[[MatchingEngine], object],
) -> None:
    engine = market()
    for context in (engine.transaction(), engine.what_if()):
        with context, pytest.raises(OpenTransactionError, match="not possible inside a transaction"):
            call(engine)
    assert engine.kills() == ()


def test_limits_apply_inside_a_transaction_to_the_orders_that_are_open_there() -> None:
    engine = market(max_open_orders=1)
    with engine.transaction():
        engine.submit("a", "JPM", BUY, 1, 90, owner="Ann")
        rejected(OpenOrdersLimitError, engine, lambda: submit(engine, BUY, 1, 90))
        engine.cancel("a")
        engine.submit("b", "JPM", BUY, 1, 90, owner="Ann")
    with engine.what_if():
        engine.cancel("b")
        engine.submit("c", "JPM", BUY, 1, 90, owner="Ann")
    rejected(OpenOrdersLimitError, engine, lambda: submit(engine, BUY, 1, 90))
    engine._check()


# ---------------------------------------------------------------------- the value


def test_limits_are_an_immutable_value_whose_repr_shows_what_is_set() -> None:
    limits = Limits(max_amount=5, collar=0, collar_reference=LAST)
    assert limits == Limits(max_amount=5, collar=0, collar_reference=LAST)
    assert hash(limits) == hash(pickle.loads(pickle.dumps(limits)))  # noqa: S301  # our own bytes
    assert (
        repr(limits)
        == "Limits(max_amount=5, collar=0, collar_reference=<CollarReference.LAST_PRICE: 'LAST_PRICE'>)"
    )
    assert repr(Limits()) == "Limits()"
    assert repr(Limits(max_notional=10**5000)) == "Limits(max_notional=<an int of 16610 bits>)"
    with pytest.raises(FrozenInstanceError):
        limits.max_amount = 7  # type: ignore[misc] # the mistake


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1"])
@pytest.mark.parametrize(
    "field",
    ["max_amount", "max_notional", "max_open_orders", "max_open_amount", "max_submissions", "interval"],
)
def test_a_limit_is_an_int_of_at_least_1(field: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Limits(**{field: value})  # type: ignore[arg-type] # the mistake
    assert (caught.value.field, caught.value.allowed) == (field, "an int >= 1, or None")


@pytest.mark.parametrize("value", [-1, False, 0.5])
@pytest.mark.parametrize("field", ["collar", "collar_bps"])
def test_a_collar_is_an_int_of_at_least_0(field: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Limits(**{field: value})  # type: ignore[arg-type] # the mistake
    assert (caught.value.field, caught.value.allowed) == (field, "an int >= 0, or None")


def test_the_limits_of_an_engine_are_valid_and_belong_to_an_owner_and_a_symbol() -> None:
    engine = MatchingEngine()
    wrong: Any = 7
    for call in (
        lambda: engine.set_limits(wrong),
        lambda: MatchingEngine(limits=wrong),
        lambda: engine.set_limits(Limits(), owner=wrong),
        lambda: engine.limits(symbol=wrong),
        lambda: engine.kill(owner=wrong),
        lambda: engine.lift_kill(symbol=wrong),
        lambda: engine.kill(cancel_orders=wrong),
    ):
        with pytest.raises(InvalidArgumentError):
            call()
    assert engine._rules is None


# ---------------------------------------------------------------------- journals


def test_a_journal_does_not_contain_limits_so_each_opening_sets_them(tmp_path: Path) -> None:
    file = tmp_path / "venue.db"
    limits = Limits(max_open_amount=20)
    with journal.open_engine(file, limits=limits) as engine:
        engine.submit("a", "JPM", BUY, 15, 90, owner="Ann", display=2)
        engine.submit("b", "JPM", SELL, 5, 90, owner="Bob")
        engine.kill(owner="Bob")
    with journal.open_engine(file) as engine:
        assert engine.limits() is None
        assert engine.kills() == ()
    with journal.open_engine(file, limits=limits) as engine:
        assert rejected(OpenAmountLimitError, engine, partial(submit, engine, BUY, 11, 90)) == (20, 21)
        submit(engine, BUY, 10, 90)
        engine._check()


def test_an_order_that_the_journal_cannot_store_does_not_count_as_open() -> None:
    store = FailingJournal()
    engine = MatchingEngine(store, limits=Limits(max_open_amount=20))
    engine.submit("a", "JPM", BUY, 15, 90, owner="Ann")
    usage = engine._books.open_usage().of(Submission("x", "JPM", BUY, 1, owner="Ann"))
    calls: list[Callable[[], object]] = [
        partial(submit, engine, BUY, 5, 90),
        partial(engine.replace, "a", amount=5),
        partial(engine.kill, owner="Ann", cancel_orders=True),
    ]
    for call in calls:
        store.error = JournalError("memory", "full")
        with pytest.raises(JournalError):
            call()
        assert engine._books.open_usage().of(Submission("x", "JPM", BUY, 1, owner="Ann")) == usage == (1, 15)
    assert engine.kills() == (("Ann", None),), "the kill switch stays on"
    engine.lift_kill(owner="Ann")
    submit(engine, BUY, 5, 90)
    engine._check()
