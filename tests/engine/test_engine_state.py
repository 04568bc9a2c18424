"""The state of a matching engine as a value, in snapshots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oms import InvalidArgumentError, OpenTransactionError, Order, Side, Snapshot
from oms.engine_state import EngineState, Entry, is_valid_entry
from oms.matching import MatchingEngine
from oms.submission import SelfTradePrevention, Submission
from support.engine_verbs import small_engine


def state() -> EngineState:
    engine = small_engine().snapshot().engine
    assert engine is not None
    return engine


def test_a_snapshot_restores_all_open_orders_the_last_prices_and_the_policy() -> None:
    engine = small_engine(SelfTradePrevention.CANCEL_BOTH)
    other = MatchingEngine.from_snapshot(engine.snapshot())
    other._check()
    assert other.state_hash() == engine.state_hash()
    assert other.orders() == engine.orders()
    assert other.snapshot() == engine.snapshot()
    both = engine, other
    for each in both:
        assert each.submit("x", "JPM", Side.BUY, 4, 101, owner="me").canceled > 0
        each.end_day()
    assert other.state_hash() == engine.state_hash()


def test_a_snapshot_cannot_be_taken_inside_a_transaction() -> None:
    engine = small_engine()
    with engine.transaction(), pytest.raises(OpenTransactionError):
        engine.snapshot()


def first(**fields: Any) -> Callable[[EngineState], EngineState]:
    """Return a function that changes fields of the first entry of a state."""
    return lambda each: each._replace(entries=(each.entries[0]._replace(**fields), *each.entries[1:]))


def first_order(**fields: Any) -> Callable[[EngineState], EngineState]:
    return lambda each: first(order=each.entries[0].order._replace(**fields))(each)


DAMAGE: dict[str, Callable[[Any], object]] = {
    "next arrival is in use": lambda each: each._replace(next_arrival=each.entries[-1].arrival),
    "next arrival of another type": lambda each: each._replace(next_arrival=True),
    "no entries": lambda each: each._replace(entries=()),
    "a list of entries": lambda each: each._replace(entries=list(each.entries)),
    "unsorted entries": lambda each: each._replace(entries=each.entries[::-1]),
    "an entry too many": lambda each: each._replace(
        entries=(*each.entries, each.entries[-1]._replace(arrival=100)), next_arrival=101
    ),
    "an entry is missing": lambda each: each._replace(entries=each.entries[1:]),
    "the entry of another order": first(arrival=0),
    "more hidden than open": first(hidden=9),
    "a negative hidden amount": first(hidden=-1),
    "a hidden amount that is not an int": first(hidden=2.0),
    "waiting without a stop price": first(waiting=True, hidden=0),
    "waiting is not a bool": first(waiting=0),
    "a total that is not an int": first(total=9.0),
    "a total that is too small": first(total=4, hidden=3),
    "an order of another side": first_order(side=Side.BUY),
    "an order of another symbol": first_order(symbol="IBM"),
    "an order that hides nothing": first_order(display=None),
    "an order without a price": first_order(price=None),
    "the same id twice": first_order(order_id="day"),
    "a term of another type": first_order(amount=9.5),
    "an entry of another type": lambda each: each._replace(
        entries=(tuple(each.entries[0]), *each.entries[1:])
    ),
    "an order of another type": first(order=("iceberg", "JPM")),
    "last prices of another type": lambda each: each._replace(last_prices=list(each.last_prices)),
    "a last price of 0": lambda each: each._replace(last_prices=(("JPM", 0),)),
    "a last price twice": lambda each: each._replace(last_prices=(("JPM", 1), ("JPM", 1))),
    "last prices that are not pairs": lambda each: each._replace(last_prices=("JPM",)),
    "last prices are missing": lambda each: each._replace(last_prices=None),
    "an unknown policy": lambda each: each._replace(self_trade_prevention="NONE"),
    "another class": tuple,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_snapshot_with_an_invalid_engine_state_is_rejected(damage: str) -> None:
    snapshot = small_engine().snapshot()
    changed: Any = DAMAGE[damage](state())
    with pytest.raises(InvalidArgumentError, match="engine must be the EngineState of a MatchingEngine"):
        MatchingEngine.from_snapshot(snapshot._replace(engine=changed))


def test_a_snapshot_with_other_orders_than_entries_is_rejected() -> None:
    snapshot = small_engine().snapshot()
    for orders in ((), snapshot.orders[1:], (*snapshot.orders, Order(99, "JPM", Side.BUY, 1, 1))):
        with pytest.raises(InvalidArgumentError, match="engine must be the EngineState"):
            MatchingEngine.from_snapshot(snapshot._replace(orders=orders))


def test_a_waiting_order_may_have_no_price_and_a_resting_order_may_not() -> None:
    order = Submission("a", "JPM", Side.BUY, 5, stop_price=7)
    assert is_valid_entry(Entry(1, order, 5, waiting=True))
    assert not is_valid_entry(Entry(1, order, 5))


def test_the_state_of_a_new_engine_is_empty() -> None:
    assert MatchingEngine().snapshot() == Snapshot(engine=EngineState(1, (), ()))
