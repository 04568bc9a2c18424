"""Change many resting orders at once, for feeds that update a book in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oms.books import Change
from oms.errors import DuplicateOrderError, InvalidOrderError, OrderNotFoundError
from oms.events import OrderAdded, OrderAmended, OrderRemoved, OrdersAdded
from oms.management import OrderManagement
from oms.models import MAX_INT, Order, OrderRow, check_order, new_order
from oms.order_rows import check_orders

__all__ = ["amount_change", "change_orders"]

BULK = 20
"""Above this number of new orders, a single sort is faster than individual inserts."""


def change_orders(om: OrderManagement, amounts: Mapping[int, int], new_orders: Sequence[Order]) -> None:
    """Set the amounts of resting orders and add new orders. Either all changes are made, or none.

    `amounts` maps order ids to new amounts, in lots. An amount of 0 removes the order. The result is the same
    as calling `amend_order`, `remove_order`, and `add_order` in a transaction. More than 20 new orders are
    added with a single `add_orders`. This function is faster than those calls. It acquires the lock only
    once, and it creates events only if there is a subscriber, a journal, or an open transaction.

    Raises InvalidOrderError if an amount or a new order is invalid. Raises OrderNotFoundError if an id in
    `amounts` is not a resting order. Raises DuplicateOrderError if a new id is repeated or belongs to a
    resting order. O(m log n) for m changes and n resting orders.

    >>> from oms import Order, OrderManagement, Side
    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
    >>> om.add_order(2, "JPM", Side.BUY, 10, 21)
    >>> change_orders(om, {1: 0, 2: 15}, [Order(3, "JPM", Side.BUY, 5, 22)])
    >>> [(order.order_id, order.amount) for order in om]
    [(2, 15), (3, 5)]

    """
    ledger, books = om._ledger, om._books
    with ledger.lock:
        if ledger.busy:
            ledger.admit()
        changes = _amendments(books.orders, amounts)
        if len(new_orders) > BULK:
            check_orders(new_orders)
            books.check_new(new_orders)
            changes.append((OrdersAdded, tuple(new_orders)))
        else:
            changes += _additions(books.orders, new_orders)
        if len(changes) == 1:
            ledger.commit(*changes[0])
        elif not ledger.needs_events:
            ledger.commit_all(changes)
        else:
            with om.transaction():
                for kind, subject in changes:
                    ledger.commit(kind, subject)


def _amendments(orders: Mapping[int, OrderRow], amounts: Mapping[int, int]) -> list[Change]:
    changes: list[Change] = []
    for order_id, amount in amounts.items():
        before = orders.get(order_id)
        if before is None:
            raise OrderNotFoundError(order_id)
        if type(amount) is not int or not 0 <= amount <= MAX_INT:
            raise InvalidOrderError("amounts", amount, f"ints in 0..{MAX_INT}")
        change = amount_change(before, amount)
        if change is not None:
            changes.append(change)
    return changes


def amount_change(order: OrderRow, amount: int) -> Change | None:
    """Return the change that sets the amount of an order, or None if the order already has this amount.

    If the amount is 0, the change removes the order.
    """
    if not amount:
        return OrderRemoved, order
    if amount == order[3]:
        return None
    return OrderAmended, (new_order(order), new_order((*order[:3], amount, order[4])))


def _additions(orders: Mapping[int, OrderRow], new_orders: Sequence[Order]) -> list[Change]:
    new_ids: set[int] = set()
    for order in new_orders:
        check_order(*order)
        if order.order_id in orders or order.order_id in new_ids:
            raise DuplicateOrderError(order.order_id)
        new_ids.add(order.order_id)
    return [(OrderAdded, order) for order in new_orders]
