"""Change many resting orders at once, for feeds that update a book in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import filterfalse, islice

from oms.books import BULK, Batch, Change
from oms.errors import InvalidOrderError, OrderNotFoundError
from oms.events import OrderAdded, OrderAmended, OrderRemoved, OrdersAdded
from oms.management import OrderManagement
from oms.models import MAX_INT, OrderRow, new_order
from oms.order_rows import check_rows

__all__ = ["amount_change", "change_orders", "unused_ids"]


def change_orders(om: OrderManagement, amounts: Mapping[int, int], new_orders: Sequence[OrderRow]) -> None:
    """Set the amounts of resting orders and add new orders. Either all changes are made, or none.

    `amounts` maps order ids to new amounts, in lots. An amount of 0 removes the order. `new_orders` contains
    Orders, or plain tuples of their fields. The result is the same as with `amend_order`, `remove_order`, and
    `add_order` in a transaction. More than 20 new orders are added with a single `add_orders`.

    This function is faster than those calls. It acquires the lock only once, and it creates events only if
    there is a subscriber, a journal, or an open transaction.

    Raises InvalidOrderError if an amount or a new order is invalid. Raises OrderNotFoundError if an id in
    `amounts` does not belong to a resting order. Raises DuplicateOrderError if a new id is repeated or
    belongs to a resting order. O(m log n) for m changes and n resting orders.

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
        changed = _changed(books.orders, amounts)
        if new_orders:
            check_rows(new_orders)
            books.check_new(new_orders)
        if ledger.needs_events:
            _commit_with_events(om, changed, new_orders)
        else:
            added = 1 if len(new_orders) > BULK else len(new_orders)
            ledger.commit_batch(Batch(changed, new_orders, len(changed) + added))


def _changed(orders: Mapping[int, OrderRow], amounts: Mapping[int, int]) -> list[tuple[OrderRow, int]]:
    """Return each order whose amount changes, and its new amount. Check all ids and amounts."""
    values = amounts.values()
    if not (amounts.keys() <= orders.keys() and _are_valid(values)):
        order_id, amount = next(
            (order_id, amount)
            for order_id, amount in amounts.items()
            if order_id not in orders or not _are_valid([amount])
        )
        if order_id not in orders:
            raise OrderNotFoundError(order_id)
        raise InvalidOrderError("amounts", amount, f"ints in 0..{MAX_INT}")
    rows = map(orders.__getitem__, amounts)
    return [(row, amount) for row, amount in zip(rows, values, strict=True) if amount != row[3]]


def _are_valid(amounts: Collection[int]) -> bool:
    kinds = set(map(type, amounts))
    return not kinds or (kinds == {int} and 0 <= min(amounts) <= max(amounts) <= MAX_INT)


def _commit_with_events(
    om: OrderManagement, changed: Iterable[tuple[OrderRow, int]], new_orders: Sequence[OrderRow]
) -> None:
    changes = [amount_change(order, amount) for order, amount in changed]
    if len(new_orders) > BULK:
        changes.append((OrdersAdded, tuple(map(new_order, new_orders))))
    else:
        changes += [(OrderAdded, new_order(order)) for order in new_orders]
    if len(changes) == 1:
        om._ledger.commit(*changes[0])
        return
    with om.transaction():
        for kind, subject in changes:
            om._ledger.commit(kind, subject)


def amount_change(order: OrderRow, amount: int) -> Change:
    """Return the change that sets the amount of an order, or that removes the order if the amount is 0."""
    if not amount:
        return OrderRemoved, order
    return OrderAmended, (new_order(order), new_order((*order[:3], amount, order[4])))


def unused_ids(om: OrderManagement, ids: Iterator[int], number: int) -> list[int]:
    """Return the next `number` ids from an iterator, without those of resting orders. O(1) for each id.

    >>> from itertools import count
    >>> from oms import OrderManagement, Side
    >>> om = OrderManagement()
    >>> om.add_order(2, "JPM", Side.BUY, 20, 20)
    >>> unused_ids(om, count(1), 3)
    [1, 3, 4]

    """
    with om._ledger.lock:
        if om._ledger.busy:
            om._ledger.admit()
        return list(islice(filterfalse(om._books.orders.__contains__, ids), number))
