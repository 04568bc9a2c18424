"""The part of a matching engine's state that its order books do not contain, as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from oms.errors import InvalidArgumentError
from oms.models import MAX_INT, Order, check_resting, check_symbol
from oms.submission import SelfTradePrevention, Submission
from oms.submission_checks import check_submission

__all__ = [
    "EngineState",
    "Entry",
    "LastPrices",
    "are_same_order",
    "check_engine_state",
    "is_valid_entry",
    "new_entry",
]


class Entry(NamedTuple):
    """An open order in the register.

    `arrival` is the id of the order in the books. A later arrival has a larger number. `total` is the filled
    amount plus the open amount. `hidden` is the part of an iceberg order that is not in the book. `waiting`
    is True while the order waits for its stop price.
    """

    arrival: int
    order: Submission
    total: int
    hidden: int = 0
    waiting: bool = False


new_entry: Callable[[tuple[int, Submission, int, int, bool]], Entry] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # see new_order
    Entry,
)
"""Return the Entry with these fields. This is twice as fast as calling `Entry`."""


LastPrices: TypeAlias = tuple[tuple[str, int], ...]
"""Pairs of a symbol and the price of its last trade in ticks, sorted by symbol."""


class EngineState(NamedTuple):
    """The open orders, the last prices, and the self-trade prevention of a MatchingEngine, in a Snapshot.

    `next_arrival` is the arrival number of the next order. `entries` has one entry for each open order,
    sorted by arrival. `last_prices` are pairs of a symbol and the price of its last trade in ticks, sorted by
    symbol.
    """

    next_arrival: int
    entries: tuple[Entry, ...]
    last_prices: LastPrices
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE


def check_engine_state(state: Any, orders: Sequence[Order]) -> None:
    """Raise InvalidArgumentError unless the state is valid, and has one entry for each of these orders.

    O(n log n) for n open orders.
    """
    try:
        is_valid = _are_valid_prices(state.last_prices) and _is_valid(state, orders)
    except (AttributeError, TypeError, ValueError):  # not an EngineState, or one with values of wrong types
        is_valid = False
    if not is_valid:
        allowed = "the EngineState of a MatchingEngine with the same orders"
        raise InvalidArgumentError("engine", state, allowed, "get it from MatchingEngine.snapshot()")


def is_valid_entry(entry: Any) -> bool:
    """Return True if the value is a valid Entry. Raises InvalidOrderError if its order is not valid."""
    if type(entry) is not Entry or type(entry.order) is not Submission:
        return False
    arrival, order, total, hidden, waiting = entry
    check_submission(order)
    if not type(arrival) is type(total) is type(hidden) is int or type(waiting) is not bool:
        return False
    may_hide = order.display is not None and not waiting
    return (
        1 <= arrival <= MAX_INT
        and 0 <= hidden < total
        and (may_hide or not hidden)
        and (order.price is not None if not waiting else order.stop_price is not None)
    )


def _is_valid(state: EngineState, orders: Sequence[Order]) -> bool:
    next_arrival, entries, _, prevention = state
    if not all(map(is_valid_entry, entries)) or type(prevention) is not SelfTradePrevention:
        return False
    arrivals = [entry.arrival for entry in entries]
    resting = {entry.arrival: entry for entry in entries if not entry.waiting}
    return (
        type(entries) is tuple
        and type(next_arrival) is int
        and next_arrival > max(arrivals, default=0)
        and arrivals == sorted(set(arrivals))
        and len({entry.order.order_id for entry in entries}) == len(entries)
        and len(resting) == len(orders)
        and all(
            order.order_id in resting and are_same_order(resting[order.order_id], order) for order in orders
        )
    )


def _are_valid_prices(last_prices: Any) -> bool:
    for symbol, price in last_prices:
        check_symbol(symbol)
        check_resting("price", price)
    symbols = [symbol for symbol, _ in last_prices]
    return type(last_prices) is tuple and symbols == sorted(set(symbols))


def are_same_order(entry: Entry, order: Order) -> bool:
    """Return True if an entry can describe a resting order."""
    is_same_book = (order.symbol, order.side) == (entry.order.symbol, entry.order.side.opposite)
    return is_same_book and order.amount + entry.hidden <= entry.total
