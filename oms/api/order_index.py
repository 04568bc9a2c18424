"""An index of the open orders by number, so that reading a page takes time proportional to its length.

The problem. The books sort orders by price. A page is sorted by order id (or, in a MatchingEngine, by arrival
number), so without an index, each page needs a sort of all orders.

What does not work. An index in the books would slow down every change, even in programs that serve no pages.

The solution. A subscriber keeps the numbers of all orders in sorted lists: one for all orders, one for each
side, and one for each symbol and side. In a MatchingEngine, each owner has such lists too. A page of both
sides of one symbol merges two lists, and each other page reads one list.

If the index misses an event, the next page builds it again, in O(n log n) for n orders. See
`oms.api.followers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import chain, islice
from typing import NamedTuple, TypeAlias

from sortedcontainers import SortedList

from oms.api.followers import Follower
from oms.events import Event, OrderAdded, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.facade import Facade
from oms.management import OrderManagement
from oms.models import Side

__all__ = ["Contents", "Indexed", "IndexedChange", "NumberPage", "OrderIndex", "index_of_books"]


class Indexed(NamedTuple):
    """An open order in the index: its number, its book, and its owner."""

    number: int
    symbol: str
    side: Side
    owner: str | None = None


Book: TypeAlias = tuple[str, Side]
Contents: TypeAlias = dict[str | None, dict[Book, list[int]]]
"""The numbers of all open orders by owner and by book. The owner None stands for all orders."""

IndexedChange: TypeAlias = tuple[Indexed, bool]
"""An order, and True if it was added, or False if it was removed."""


class NumberPage(NamedTuple):
    """The numbers of a page's orders, the last number if more orders follow, and the number of all orders."""

    numbers: list[int]
    following: int | None
    total: int


class _Numbers:
    """The numbers of some orders in ascending order: all numbers, and the numbers of each side and book."""

    def __init__(self, by_book: Mapping[Book, list[int]]) -> None:
        self._all: SortedList[int] = SortedList(chain.from_iterable(by_book.values()))
        self._by_side: dict[Side, SortedList[int]] = {
            side: SortedList(
                chain.from_iterable(numbers for (_, each), numbers in by_book.items() if each is side)
            )
            for side in Side
        }
        self._by_book = {name: SortedList(numbers) for name, numbers in by_book.items()}

    def add(self, name: Book, number: int) -> None:
        """Add a number. O(log n) for n numbers."""
        self._all.add(number)
        self._by_side[name[1]].add(number)
        self._by_book.setdefault(name, SortedList()).add(number)

    def remove(self, name: Book, number: int) -> None:
        """Remove a number. O(log n) for n numbers."""
        self._all.remove(number)
        self._by_side[name[1]].remove(number)
        book = self._by_book[name]
        book.remove(number)
        if not book:
            del self._by_book[name]

    @property
    def is_empty(self) -> bool:
        """True if there are no numbers."""
        return not self._all

    def select(self, symbol: str | None, side: Side | None) -> list[SortedList[int]]:
        """Return the lists of the selected numbers, which are at most two. O(1)."""
        if symbol is None:
            return [self._all if side is None else self._by_side[side]]
        names = [(symbol, each) for each in Side if side in (None, each)]
        return [self._by_book[name] for name in names if name in self._by_book]


class OrderIndex(Follower):
    """The numbers of the open orders, in total and by owner. An index subscribes to the books.

    `contents` returns all open orders, and `changes` the orders that an event adds or removes. The caller of
    `page`, `count`, and `after` holds the lock.
    """

    def __init__(
        self,
        om: Facade,
        contents: Callable[[], Contents],
        changes: Callable[[Event], Iterable[IndexedChange]],
    ) -> None:
        super().__init__(om)
        self._contents = contents
        self._changes = changes
        self._by_owner: dict[str | None, _Numbers] = {}
        with om.locked():  # so that no event is published before the subscription
            self.catch_up()
            om.subscribe(self)

    def _apply(self, event: Event) -> None:
        """Apply an event. O(m log n) for m orders that it adds or removes."""
        for order, is_added in self._changes(event):
            for owner in {None, order.owner}:
                if is_added:
                    numbers = self._by_owner.setdefault(owner, _Numbers({}))
                    numbers.add(order[1:3], order.number)
                else:
                    self._remove(owner, order)

    def _remove(self, owner: str | None, order: Indexed) -> None:
        numbers = self._by_owner[owner]
        numbers.remove(order[1:3], order.number)
        if owner is not None and numbers.is_empty:
            del self._by_owner[owner]

    def page(
        self, symbol: str | None, side: Side | None, owner: str | None, after: int, limit: int
    ) -> NumberPage:
        """Return the first `limit` numbers above `after` of the selected orders.

        O(limit + log n) for n orders.
        """
        lists = self._selected(symbol, side, owner)
        # One extra number reveals whether there is a next page.
        numbers = list(islice(_merged(lists, after), limit + 1))
        following = numbers[limit - 1] if len(numbers) > limit else None
        return NumberPage(numbers[:limit], following, sum(map(len, lists)))

    def count(self, owner: str | None) -> int:
        """Return the number of the open orders of an owner, or of all orders if it is None. O(1)."""
        return sum(map(len, self._selected(None, None, owner)))

    def after(self, number: int, owner: str | None) -> Iterator[int]:
        """Iterate over the larger numbers of an owner, or of all orders. O(log n) in total, O(1) for each."""
        return _merged(self._selected(None, None, owner), number)

    def _selected(self, symbol: str | None, side: Side | None, owner: str | None) -> list[SortedList[int]]:
        self.catch_up()
        numbers = self._by_owner.get(owner)
        return [] if numbers is None else numbers.select(symbol, side)

    def _build(self) -> None:
        self._by_owner = {owner: _Numbers(by_book) for owner, by_book in self._contents().items()}


def _merged(lists: Iterable[SortedList[int]], after: int) -> Iterator[int]:
    """Iterate over the numbers above `after`, in ascending order."""
    return merge(*(numbers.irange(after, inclusive=(False, True)) for numbers in lists))


def index_of_books(om: OrderManagement) -> OrderIndex:
    """Return an index of an OrderManagement by order id. O(n log n) for n orders."""

    def contents() -> Contents:
        return {None: {name: [row[0] for row in book.rows()] for name, book in om._books.by_name.items()}}

    return OrderIndex(om, contents, _changes)


def _changes(event: Event) -> Iterator[IndexedChange]:
    """Yield the orders that an event adds or removes. An amended order keeps its id and its book."""
    match event:
        case OrderAdded(order):
            yield Indexed(*order[:3]), True
        case OrdersAdded(orders):
            for order in orders:
                yield Indexed(*order[:3]), True
        case OrderRemoved(order):
            yield Indexed(*order[:3]), False
        case OrdersRemoved(orders):
            for order in orders:
                yield Indexed(*order[:3]), False
        case TradePlaced(trade, remaining):
            for fill in trade.fills[:-1] if remaining else trade.fills:
                yield Indexed(fill.order_id, trade.symbol, trade.side), False
        case _:
            pass
