"""Seeds: orders that a recording refers to but never submits, with estimated amounts.

A seed's amount is the sum of all later fills and cancels of the order. If its id is below the first submitted
id, the seed is added at the start of the replay. Otherwise, it is added just before the first submission with
a larger id or the first message that refers to it, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain

from oms.errors import InvalidArgumentError
from oms.feeds.orders.messages import Kind, Message, Recording
from oms.models import Order, Side

__all__ = ["Seeds", "find_seeds"]

_REMOVES = frozenset((Kind.REDUCED, Kind.DELETED, Kind.EXECUTED))
_NEVER = 1 << 64  # larger than the order id in any row
_PLACES = 1 << 22  # bytes of memory
_WITHOUT_REMOVED_AMOUNT = frozenset((Kind.CREATED, Kind.CHANGED))


class Seeds:
    """The seeds that have not been added yet, in id order.

    `first_submitted` is the id of the first submitted order. Seeds with smaller ids are added at the start.
    If `first_submitted` is None, all seeds are added at the start.
    """

    def __init__(self, orders: Iterable[Order], first_submitted: int | None) -> None:
        self._waiting = {order.order_id: order for order in sorted(orders)}
        self._queue = iter(tuple(self._waiting))
        self.next_id = next(self._queue, _NEVER)  # `before(n)` yields nothing unless n is above this id
        self._first_submitted = first_submitted

    def __len__(self) -> int:
        return len(self._waiting)

    def from_the_start(self) -> Iterator[Order]:
        """Remove and yield the orders that were resting before the recording began."""
        return self.before(self._first_submitted)

    def before(self, order_id: int | None) -> Iterator[Order]:
        """Remove and yield the orders with ids below `order_id`, or all orders if it is None."""
        while self.next_id < (_NEVER if order_id is None else order_id):
            order = self._waiting.pop(self.next_id, None)
            self.next_id = next(self._queue, _NEVER)
            if order is not None:
                yield order

    def take(self, order_id: int) -> Order | None:
        """Remove and return the order with this id. If there is none, return None."""
        return self._waiting.pop(order_id, None)


def find_seeds(messages: Iterable[Message], symbol: str, ignore: Collection[int] = ()) -> Seeds:
    """Find the orders that messages refer to but never submit, in one or two passes over the messages.

    Raise InvalidArgumentError if the messages cannot be read twice. Also raise it for Bitstamp messages,
    because they contain remaining amounts instead of removed amounts. O(m) time for m messages, and O(k)
    memory for k resting and unseen orders.
    """
    if iter(messages) is messages:
        raise InvalidArgumentError(
            "recording", messages, "iterable more than once for unknown='seed'; pass a list"
        )
    unseen, first_submitted, are_certain = _referred_to_unseen(messages, symbol, ignore)
    if not are_certain:
        # If any row submits the order, it is not a seed. Its rows contradict each other.
        for kind, order_id in _kinds_and_ids(messages):
            if kind is Kind.SUBMITTED and order_id in unseen:
                del unseen[order_id]
    return Seeds((order for order in unseen.values() if order is not None), first_submitted)


def _referred_to_unseen(
    messages: Iterable[Message], symbol: str, ignore: Collection[int]
) -> tuple[dict[int, Order | None], int | None, bool]:
    """Return `unseen`, `first_submitted`, and `are_certain`.

    `unseen` contains, by id, the orders that messages refer to while they are not resting. An order is None
    if its messages contradict each other. `first_submitted` is the first submitted id, or None.
    `are_certain` is True if none of these orders is submitted anywhere in the file. It is False if one of
    them may be.
    """
    # A set of all submitted ids could use up all memory. So each submitted id only marks the place
    # `id % _PLACES`. If an order's place is not marked, no earlier row has submitted the order.
    marks, are_certain = bytearray(_PLACES), True
    resting: dict[int, int] = {}
    unseen: dict[int, Order | None] = {}
    first_submitted: int | None = None
    submitted, deleted = Kind.SUBMITTED, Kind.DELETED
    for kind, order_id, side, amount, price in _without_times(messages):
        if order_id in ignore and kind not in _WITHOUT_REMOVED_AMOUNT:
            continue
        if kind is submitted:
            resting.setdefault(order_id, amount)
            marks[order_id % _PLACES] = 1
            are_certain = are_certain and order_id not in unseen
            if first_submitted is None:
                first_submitted = order_id
        elif kind in _REMOVES:
            remaining = resting.get(order_id)
            if remaining is None:
                are_certain = are_certain and not marks[order_id % _PLACES]
                order = unseen.get(order_id, Order(order_id, symbol, side, 0, price))
                unseen[order_id] = _grown(order, side, amount, price)
            elif kind is deleted or remaining <= amount:
                del resting[order_id]
            else:
                resting[order_id] = remaining - amount
        elif kind in _WITHOUT_REMOVED_AMOUNT:
            raise InvalidArgumentError(
                "unknown", "seed", "'skip' or 'raise' for messages that contain only remaining amounts"
            )
    return unseen, first_submitted, are_certain


def _grown(order: Order | None, side: Side, amount: int, price: int) -> Order | None:
    if order is None or (order.side, order.price) != (side, price) or amount < 1:
        return None
    return order._replace(amount=order.amount + amount)


# A pass spends most of its time converting fields, so each pass converts only the fields that it needs.


def _without_times(messages: Iterable[Message]) -> Iterator[tuple[Kind, int, Side, int, int]]:
    if not isinstance(messages, Recording):
        return (message[2:] for message in messages)
    return chain.from_iterable(
        zip(kinds, order_ids, sides, amounts, prices, strict=False)
        for _, _, kinds, order_ids, sides, amounts, prices in messages.columns()
    )


def _kinds_and_ids(messages: Iterable[Message]) -> Iterator[tuple[Kind, int]]:
    if not isinstance(messages, Recording):
        return ((message.kind, message.order_id) for message in messages)
    return chain.from_iterable(
        zip(columns.kinds, columns.order_ids, strict=False) for columns in messages.columns()
    )
