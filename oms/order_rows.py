"""Many orders at once, checked column by column in C: a call for each would cost more than the book."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import cast

from oms.conversions import as_order
from oms.errors import InvalidOrderError
from oms.models import MAX_INT, Order, OrderRow, Side, check_order

__all__ = ["as_rows", "check_orders"]


def as_rows(orders: object) -> Sequence[OrderRow]:
    """Return the orders of an iterable as a tuple.

    Raises InvalidOrderError if a value is not a valid Order.
    """
    if not isinstance(orders, Iterable) or isinstance(orders, Order):  # an Order is iterable, too
        raise InvalidOrderError("orders", orders, "an iterable of Order", as_order(orders))
    new_orders = tuple(cast("Iterable[Order]", orders))
    check_orders(new_orders)
    return new_orders


def check_orders(orders: Sequence[object]) -> None:
    """Raise InvalidOrderError for the first value that is not a valid Order."""
    if not orders or (set(map(type, orders)) == {Order} and _are_sound(cast("Sequence[Order]", orders))):
        return
    for order in orders:
        if type(order) is not Order:
            raise InvalidOrderError("orders", order, "an iterable of Order", as_order(order))
        check_order(*order)


def _are_sound(orders: Sequence[Order]) -> bool:
    """Return True if all fields of all orders are certainly valid. The columns are checked in C."""
    ids, symbols, sides, amounts, prices = (list(map(itemgetter(n), orders)) for n in range(5))
    return (
        set(map(type, chain(ids, amounts, prices))) == {int}
        and set(map(type, symbols)) == {str}
        and set(map(type, sides)) == {Side}
        and 0 <= min(ids) <= max(ids) <= MAX_INT
        and 0 < min(amounts) <= max(amounts) <= MAX_INT
        and 0 < min(prices) <= max(prices) <= MAX_INT
        and all(symbol and symbol.isascii() for symbol in set(symbols))
    )
