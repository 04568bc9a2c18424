"""The part of a matching engine's state that its order books do not contain, as values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from oms.errors import InvalidArgumentError, InvalidOrderError
from oms.models import Order, check_resting, check_symbol
from oms.submission import SelfTradePrevention, Submission
from oms.submission_checks import check_submission

__all__ = ["EngineState", "Entry", "check_engine_state", "check_entry"]


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


class EngineState(NamedTuple):
    """The register, the last prices, and the policy of a matching engine, as part of a Snapshot.

    `next_arrival` is the arrival number of the next order. `entries` has one entry for each open order,
    sorted by arrival. `last_prices` are pairs of a symbol and the price of its last trade in ticks, sorted by
    symbol.
    """

    next_arrival: int
    entries: tuple[Entry, ...]
    last_prices: tuple[tuple[str, int], ...]
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE


def check_engine_state(state: Any, orders: Iterable[Order]) -> None:
    """Raise InvalidArgumentError or InvalidOrderError unless the state matches these resting orders.

    O(n log n) for n open orders.
    """
    if type(state) is not EngineState:
        allowed = "the EngineState of a MatchingEngine"
        raise InvalidArgumentError("engine", state, allowed, "restore it with OrderManagement.from_snapshot")
    next_arrival, entries, last_prices, prevention = state
    if type(prevention) is not SelfTradePrevention:
        raise InvalidArgumentError("self_trade_prevention", prevention, "a member of SelfTradePrevention")
    _check_last_prices(last_prices)
    for entry in entries:
        check_entry(entry)
    arrivals = [entry.arrival for entry in entries]
    if (
        arrivals != sorted(set(arrivals))
        or type(next_arrival) is not int
        or next_arrival <= max(arrivals, default=0)
    ):
        allowed = "larger than the arrival numbers, which must be unique and sorted"
        raise InvalidArgumentError("next_arrival", next_arrival, allowed)
    if len({entry.order.order_id for entry in entries}) < len(entries):
        raise InvalidArgumentError("entries", "the same order id twice", "unique order ids")
    resting = {entry.arrival: entry for entry in entries if not entry.waiting}
    rows = list(orders)
    if len(resting) != len(rows) or not all(_is_entry_of(resting.get(row.order_id), row) for row in rows):
        raise InvalidArgumentError(
            "entries", "other orders than `orders`", "one entry for each resting order"
        )


def check_entry(entry: Any) -> None:
    """Raise InvalidArgumentError or InvalidOrderError unless the value is a valid Entry."""
    if type(entry) is not Entry or type(entry.order) is not Submission:
        raise InvalidArgumentError("entries", entry, "an Entry with a Submission")
    arrival, order, total, hidden, waiting = entry
    check_submission(order)
    check_resting("arrival", arrival)
    if type(total) is not int or type(hidden) is not int or not 0 <= hidden < total:
        raise InvalidArgumentError("hidden", hidden, f"an int in 0..{total!r} without {total!r}, the total")
    if type(waiting) is not bool or (waiting and (order.stop_price is None or hidden)):
        raise InvalidArgumentError("waiting", waiting, "False, or True for an order with a stop price")
    if hidden and order.display is None:
        raise InvalidArgumentError("hidden", hidden, "0 for an order without display")


def _check_last_prices(last_prices: Any) -> None:
    try:
        for symbol, price in last_prices:
            check_symbol(symbol)
            check_resting("price", price)
        is_sorted = [symbol for symbol, _ in last_prices] == sorted(dict(last_prices))
    except (TypeError, ValueError) as error:
        if isinstance(error, InvalidOrderError):
            raise
        is_sorted = False
    if not is_sorted:
        allowed = "a tuple of pairs of a symbol and a price, sorted by symbol"
        raise InvalidArgumentError("last_prices", last_prices, allowed)


def _is_entry_of(entry: Entry | None, row: Order) -> bool:
    """Return True if the entry is that of a resting order."""
    if entry is None:
        return False
    order = entry.order
    is_same_book = (row.symbol, row.side) == (order.symbol, order.side.opposite)
    return is_same_book and row.amount + entry.hidden <= entry.total and order.price is not None
