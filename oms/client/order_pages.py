"""The pages of `GET /orders` of an OrderManagement, put together to a consistent snapshot.

The problem. The service sends at most 1,000 orders per page, and the books can change between two pages. With
a million orders, a busy service changes during every read.

What does not work. Starting over after a change never ends. A snapshot that the service keeps for a reader
costs memory for each reader, even for those that never come back.

The solution. The snapshot is the state at the first page. Each page contains the sequence number of its
state. If this number is higher than the previous page's number, the client requests the events in between. So
it always knows all changes since the first page. When a later page contains an order that has changed, the
client undoes its changes.

Only the first changes of an order matter: how much was filled, and how the order was before it was added,
removed, or amended. So the client stores at most one `_Change` per order. It drops the changes of an order as
soon as it has read the page with its id.

Invariants:
- `_after` is the last id that has been read. All orders of the snapshot up to this id have been returned.
- `_changes` contains the changes after the first page up to `_sequence`, for all ids above `_after`.
- The number of all orders equals the `total` of the first page. So the read ends with the last order of the
  snapshot, even if orders with higher ids are added all the time.

If the service no longer has the events, or if its sequence numbers have gone back after a restart, the client
raises UnsteadyBooksError. The shards of a cluster have no common events, so the client then raises it too,
unless all orders come from one shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from sortedcontainers import SortedDict

from oms.client.errors import RequestRejectedError, UnsteadyBooksError
from oms.client.operations import MAX_READS, PAGE_SIZE, events
from oms.client.requests import Request, query_request
from oms.client.responses import Fields, Response, parse_order, read_response, unexpected
from oms.client.retries import Exchange
from oms.errors import OmsError
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.models import Order, Side, check_order, check_selection

__all__ = ["OrderPages", "orders"]

_NAME = "GET /orders"
_SEVERAL_SHARDS = "several shards of a cluster have no common events; read the orders of one symbol"


def orders(symbol: str | None = None, side: Side | None = None) -> Exchange[tuple[Order, ...]]:
    """Return the resting orders, optionally filtered, as `OrderManagement.orders` does.

    You can filter by symbol, side, or both. The client reads pages of 1,000 orders. The result is a
    consistent snapshot, even if the books change between two pages: it shows the state at the first page. To
    use less memory, see `orders_by_id`.

    Raises UnsteadyBooksError if, in 10 attempts, the service no longer had the events between two pages.
    """
    check_selection(symbol, side)

    def exchange() -> Exchange[tuple[Order, ...]]:
        failure = ""
        for _ in range(MAX_READS):
            try:
                return _sorted((yield from _read_all(OrderPages(symbol, side))))
            except UnsteadyBooksError as error:
                failure = error.reason
        reason = f"the books changed during each of {MAX_READS} attempts to read all pages; {failure}"
        raise UnsteadyBooksError(_NAME, reason)

    return exchange()


def _read_all(pages: OrderPages) -> Exchange[list[Order]]:
    resting: list[Order] = []
    while (page := (yield from pages.read())) is not None:
        resting += page
    return resting


def _sorted(resting: list[Order]) -> tuple[Order, ...]:
    """Return n orders, which are sorted by id, in the order of `OrderManagement.orders`. O(n log n)."""
    resting.sort(key=lambda order: order.side.sign * order.price)
    resting.sort(key=lambda order: order[1:3])  # by symbol, and BUY before SELL; sorting is stable
    return tuple(resting)


def _sum(first: Order | None, second: Order | None) -> Order | None:
    """Return `first` with the amounts of both orders. None counts as an amount of 0."""
    if first is None or second is None:
        return first or second
    return first._replace(amount=first.amount + second.amount)


class _Change(NamedTuple):
    """The changes of one order, oldest first: `filled` is filled, and then the order `before` changes.

    `filled` is None if nothing was filled. `before` is None if the order was added. If `is_known` is False,
    the order has only been filled.
    """

    filled: Order | None
    before: Order | None = None
    is_known: bool = False

    def undo(self, order: Order | None) -> Order | None:
        """Return the order as it was before the changes. `order` is its state after them, or None."""
        before = self.before if self.is_known else order
        return _sum(before, self.filled)


class OrderPages:
    """The resting orders, page by page, in ascending order of id, as they are at the first page.

    Raise InvalidOrderError if the symbol or the side is invalid.
    """

    def __init__(self, symbol: str | None, side: Side | None) -> None:
        check_selection(symbol, side)
        self._symbol = symbol
        self._side = side
        self._sequence = -1  # of the last page; -1 before the first page
        self._total = 0  # of the first page
        self._returned = 0
        self._after: int | None = None
        self._has_changed = False
        self._is_complete = False
        self._changes: SortedDict[int, _Change] = SortedDict()

    def read(self) -> Exchange[list[Order] | None]:
        """Return the next orders, or None if there are no more. The list can be empty.

        Raise UnsteadyBooksError if the books have changed, and the service no longer has the events.
        """
        if self._is_complete:
            return None
        request = query_request(
            "/orders", symbol=self._symbol, side=self._side, after=self._after, limit=PAGE_SIZE
        )
        response = yield request
        (sequence, total), page, following = read_response(request, response, _parse_page)
        self._check_page(request, response, page, following)
        if self._sequence == -1:
            self._total = total
        elif sequence != self._sequence:
            yield from self._read_changes(sequence, response.shard)
            self._has_changed = True
        self._sequence = sequence
        page = self._undone(page, following)
        self._returned += len(page)
        self._after = following
        # Orders that were added after the first page can follow. They are not in the snapshot.
        self._is_complete = following is None or (self._has_changed and self._returned == self._total)
        if self._is_complete and self._returned != self._total:
            reason = f"the pages contain {self._returned} orders, not the total of {self._total}"
            raise unexpected(request, response, reason)
        return page

    def _read_changes(self, sequence: int, shard: str | None) -> Exchange[None]:
        """Record the events after the previous page, up to this sequence number."""
        count = sequence - self._sequence
        if count < 0:
            reason = "the sequence numbers have gone back, because the service was restarted; read again"
            raise UnsteadyBooksError(_NAME, reason)
        try:
            past = yield from events(self._sequence, count, shard=shard)
        except RequestRejectedError as error:
            if error.code == "shard_required":
                raise UnsteadyBooksError(_NAME, _SEVERAL_SHARDS) from None
            if error.code != "no_longer_available":
                raise
            past = ()
        if len(past) != count:
            reason = (
                f"the events {self._sequence + 1} to {sequence} are no longer available; read again, "
                "or start the service with a journal, which keeps all events"
            )
            raise UnsteadyBooksError(_NAME, reason)
        for event in past:
            for order_id, change in _changes_of(event, self._symbol, self._side):
                if self._after is None or order_id > self._after:
                    self._record(order_id, change)

    def _record(self, order_id: int, change: _Change) -> None:
        """Add a change of an order to its earlier changes."""
        earlier = self._changes.get(order_id)
        if earlier is None:
            self._changes[order_id] = change
        elif not earlier.is_known:
            self._changes[order_id] = change._replace(filled=_sum(earlier.filled, change.filled))

    def _undone(self, page: list[Order], following: int | None) -> list[Order]:
        """Return the orders of a page as they were at the first page. O(m log n) for m changed orders."""
        changed = list(self._changes.irange(maximum=following))
        if not changed:
            return page
        resting = {order.order_id: order for order in page}
        for order_id in changed:
            before = self._changes.pop(order_id).undo(resting.pop(order_id, None))
            if before is not None:
                resting[order_id] = before
        return [resting[order_id] for order_id in sorted(resting)]

    def _check_page(
        self, request: Request, response: Response, page: list[Order], following: int | None
    ) -> None:
        """Raise an error unless a page contains only orders from the requested books, sorted by id.

        Checking that the ids increase also prevents an endless loop if the service has a bug.
        """
        ids = [-1 if self._after is None else self._after, *(order.order_id for order in page)]
        if not all(lower < higher for lower, higher in pairwise(ids)):
            raise unexpected(request, response, "the order ids do not increase")
        if following not in (None, ids[-1]) or (following is not None and not page):
            raise unexpected(request, response, f"next is {following}, not the page's last id")
        for order in page:
            try:
                check_order(*order)
            except OmsError as error:
                raise unexpected(request, response, str(error)) from None
            if not _is_selected(order, self._symbol, self._side):
                reason = f"order {order.order_id} is in a book that was not requested"
                raise unexpected(request, response, reason)


def _parse_page(fields: Fields) -> tuple[tuple[int, int], list[Order], int | None]:
    version = fields.integer("sequence"), fields.integer("total")
    return version, fields.objects("orders", parse_order), fields.integer_or_null("next")


def _is_selected(order: Order, symbol: str | None, side: Side | None) -> bool:
    return symbol in (None, order.symbol) and side in (None, order.side)


def _changes_of(event: Event, symbol: str | None, side: Side | None) -> Iterator[tuple[int, _Change]]:
    """Yield the id and the change of each selected order that an event changes. O(m) for m orders."""
    for order, change in _all_changes_of(event):
        if _is_selected(order, symbol, side):
            yield order.order_id, change


def _all_changes_of(event: Event) -> Iterator[tuple[Order, _Change]]:
    match event:
        case OrderAdded(order):
            yield order, _Change(None, None, True)
        case OrdersAdded(added):
            for order in added:
                yield order, _Change(None, None, True)
        case OrderRemoved(order):
            yield order, _Change(None, order, True)
        case OrdersRemoved(removed):
            for order in removed:
                yield order, _Change(None, order, True)
        case OrderAmended(before):
            yield before, _Change(None, before, True)
        case TradePlaced(trade):
            for order_id, amount, price in trade.fills:
                filled = Order(order_id, trade.symbol, trade.side, amount, price)
                yield filled, _Change(filled)
        case _:
            raise AssertionError(f"{type(event).__name__} is not an event of an OrderManagement")
