"""Seeds: the orders that a recording refers to but never submits, and their estimated amounts.

The amount of a seed is the sum of the amounts that its messages remove. If its id is below the first
submitted id, the seed is added at the start of the replay. Otherwise it is added just before the first
submission with a larger id, or before the first message that refers to it, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from oms.errors import InvalidArgumentError
from oms.feeds.orders.messages import Kind, Message
from oms.models import Order

__all__ = ["Seeds", "find_seeds"]

_REMOVES = frozenset((Kind.REDUCED, Kind.DELETED, Kind.EXECUTED))
_WITHOUT_REMOVED_AMOUNT = frozenset((Kind.CREATED, Kind.CHANGED))


class Seeds:
    """The seeds that have not been added yet, in the order of their ids.

    `first_submitted` is the id of the first submitted order. Seeds with smaller ids are added at the start.
    If it is None, all seeds are added at the start.
    """

    def __init__(self, orders: Iterable[Order], first_submitted: int | None) -> None:
        self._waiting = {order.order_id: order for order in sorted(orders)}
        self._queue = iter(tuple(self._waiting))
        self._next = next(self._queue, None)
        self._first_submitted = first_submitted

    def __len__(self) -> int:
        return len(self._waiting)

    def from_the_start(self) -> Iterator[Order]:
        """Remove and yield the orders that were resting before the recording began."""
        return self.before(self._first_submitted)

    def before(self, order_id: int | None) -> Iterator[Order]:
        """Remove and yield the orders with ids below `order_id`, or all orders if `order_id` is None."""
        while self._next is not None and (order_id is None or self._next < order_id):
            order = self._waiting.pop(self._next, None)
            self._next = next(self._queue, None)
            if order is not None:
                yield order

    def take(self, order_id: int) -> Order | None:
        """Remove and return the order with this id, or return None if there is none."""
        return self._waiting.pop(order_id, None)


def find_seeds(messages: Iterable[Message], symbol: str, ignore: Collection[int] = ()) -> Seeds:
    """Return the orders that messages refer to but never submit. This takes two passes over the messages.

    Raise InvalidArgumentError for messages that cannot be read twice, and for Bitstamp messages, which
    contain the remaining amount instead of the removed amount. O(m) time for m messages, and O(k) memory for
    k resting and unseen orders.
    """
    if iter(messages) is messages:
        raise InvalidArgumentError(
            "recording", messages, "iterable more than once for unknown='seed'; pass a list"
        )
    unseen, first_submitted = _referred_to_unseen(messages, symbol, ignore)
    if unseen:
        # An order that is submitted later is not a seed; its rows contradict each other.
        for message in messages:
            if message.kind is Kind.SUBMITTED:
                unseen.pop(message.order_id, None)
    return Seeds((order for order in unseen.values() if order is not None), first_submitted)


def _referred_to_unseen(
    messages: Iterable[Message], symbol: str, ignore: Collection[int]
) -> tuple[dict[int, Order | None], int | None]:
    """Return the orders that messages refer to while they are not resting, and the first submitted id.

    An order is None if its messages contradict each other.
    """
    resting: dict[int, int] = {}
    unseen: dict[int, Order | None] = {}
    first_submitted: int | None = None
    for message in messages:
        order_id = message.order_id
        if message.kind in _WITHOUT_REMOVED_AMOUNT:
            raise InvalidArgumentError(
                "unknown", "seed", "'skip' or 'raise' for messages that contain only remaining amounts"
            )
        if order_id in ignore:
            continue
        if message.kind is Kind.SUBMITTED:
            resting.setdefault(order_id, message.amount)
            if first_submitted is None:
                first_submitted = order_id
        elif message.kind in _REMOVES:
            if order_id in resting:
                resting[order_id] -= message.amount
                if message.kind is Kind.DELETED or resting[order_id] <= 0:
                    del resting[order_id]
            else:
                unseen[order_id] = _grown(unseen.get(order_id, _first(message, symbol)), message)
    return unseen, first_submitted


def _first(message: Message, symbol: str) -> Order:
    return Order(message.order_id, symbol, message.side, 0, message.price)


def _grown(order: Order | None, message: Message) -> Order | None:
    if order is None or (order.side, order.price) != (message.side, message.price) or message.amount < 1:
        return None
    return order._replace(amount=order.amount + message.amount)
