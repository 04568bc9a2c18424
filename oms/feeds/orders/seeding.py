"""The orders that a recording refers to but never submits: how much of each must have rested.

The amount of such an order is the sum of what its later messages took. It rests from the start
if its id is below the first submitted one; otherwise it came, unseen, just before the first
submission with a larger id, and at the latest when a message refers to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from oms.errors import InvalidArgumentError
from oms.feeds.orders.messages import Kind, Message
from oms.models import Order

__all__ = ["Seeds", "find_seeds"]

_TAKES = frozenset((Kind.REDUCED, Kind.DELETED, Kind.EXECUTED))
_RESTS = frozenset((Kind.CREATED, Kind.CHANGED))


class Seeds:
    """The unseen orders that have not been added yet, in the order of their ids.

    `first_submitted` is the smallest id that does not rest from the start; None if all do.
    """

    def __init__(self, orders: Iterable[Order], first_submitted: int | None) -> None:
        self._waiting = {order.order_id: order for order in sorted(orders)}
        self._queue = iter(tuple(self._waiting))
        self._next = next(self._queue, None)
        self._first_submitted = first_submitted

    def __len__(self) -> int:
        return len(self._waiting)

    def from_the_start(self) -> Iterator[Order]:
        """Yield the orders that rested before the recording began."""
        return self.before(self._first_submitted)

    def before(self, order_id: int | None) -> Iterator[Order]:
        """Yield the orders that precede the submission of `order_id`; None = all."""
        while self._next is not None and (order_id is None or self._next < order_id):
            order = self._waiting.pop(self._next, None)
            self._next = next(self._queue, None)
            if order is not None:
                yield order

    def take(self, order_id: int) -> Order | None:
        """Remove and return one order, whatever its place; None if it is not here."""
        return self._waiting.pop(order_id, None)


def find_seeds(messages: Iterable[Message], symbol: str, ignore: Collection[int] = ()) -> Seeds:
    """Find the unseen orders, in two passes over the messages.

    Raises InvalidArgumentError for messages that cannot be read twice or do not say what they took
    (Bitstamp's say what is left). O(m) for m messages; memory only for orders that rest or are unseen.
    """
    if iter(messages) is messages:
        raise InvalidArgumentError("recording", messages, "iterable more than once for 'seed'")
    unseen, first_submitted = _referred_to_unseen(messages, symbol, ignore)
    if unseen:
        # An order that is submitted somewhere is not missing: its rows contradict each other.
        for message in messages:
            if message.kind is Kind.SUBMITTED:
                unseen.pop(message.order_id, None)
    return Seeds((order for order in unseen.values() if order is not None), first_submitted)


def _referred_to_unseen(
    messages: Iterable[Message], symbol: str, ignore: Collection[int]
) -> tuple[dict[int, Order | None], int | None]:
    """The ids referred to while they do not rest (None = its messages contradict each other)."""
    resting: dict[int, int] = {}
    unseen: dict[int, Order | None] = {}
    first_submitted: int | None = None
    for message in messages:
        order_id = message.order_id
        if message.kind in _RESTS:
            raise InvalidArgumentError(
                "unknown", "seed", "'skip' or 'raise' for a feed that says only what is left"
            )
        if order_id in ignore:
            continue
        if message.kind is Kind.SUBMITTED:
            resting.setdefault(order_id, message.amount)
            if first_submitted is None:
                first_submitted = order_id
        elif message.kind in _TAKES:
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
