"""One side of one symbol: the resting orders, best first. All mutable state of the books is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sortedcontainers import SortedList

from oms.models import Order, PriceLevel, Side

__all__ = ["OrderBook"]


class OrderBook:
    """The resting orders that serve the trades of one side of one symbol, pre-sorted, best first.

    The book is a SortedList keyed by (rank, order_id). A rank is the price with a sign that
    makes the better price the smaller number; no other line of the library knows that one side
    counts backwards. Beside the orders stand the totals per price level, so that pricing walks
    levels, not orders. The caller has validated what comes in.

    >>> book = OrderBook("JPM", Side.SELL)
    >>> book.add(Order(1, "JPM", Side.SELL, 20, 19))
    >>> book.add(Order(2, "JPM", Side.SELL, 10, 21))
    >>> [order.order_id for order in book]
    [2, 1]
    >>> book.best_price()
    21

    """

    __slots__ = ("_keys", "_orders", "_ranks", "_sign", "_totals", "side", "symbol")

    def __init__(self, symbol: str, side: Side) -> None:
        self.symbol = symbol
        self.side = side
        self._sign = 1 if side is Side.BUY else -1
        self._orders: dict[int, Order] = {}
        self._keys: SortedList[tuple[int, int]] = SortedList()
        self._ranks: SortedList[int] = SortedList()  # of the levels that hold something
        self._totals: dict[int, int] = {}  # rank -> amount

    # ------------------------------------------------------------------ questions

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._orders

    def __getitem__(self, order_id: int) -> Order:
        return self._orders[order_id]

    def __iter__(self) -> Iterator[Order]:
        """The orders, best first; the book must not change meanwhile."""
        return self.orders()

    def orders(self, limit_price: int | None = None) -> Iterator[Order]:
        """The orders no worse than the limit, best first; the book must not change meanwhile."""
        orders, worst = self._orders, self._worst_rank(limit_price)
        for rank, order_id in self._keys:
            if worst is not None and rank > worst:
                return
            yield orders[order_id]

    def levels(self, limit_price: int | None = None) -> Iterator[tuple[int, int]]:
        """(price, amount) of each level no worse than the limit, best first, as above."""
        sign, totals, worst = self._sign, self._totals, self._worst_rank(limit_price)
        for rank in self._ranks:
            if worst is not None and rank > worst:
                return
            yield sign * rank, totals[rank]

    def _worst_rank(self, limit_price: int | None) -> int | None:
        return None if limit_price is None else self._sign * limit_price

    def best_price(self) -> int | None:
        """The price that the next trade starts at, in O(1); None if nothing rests."""
        return self._sign * self._ranks[0] if self._ranks else None

    def depth(self, levels: int | None = None) -> tuple[PriceLevel, ...]:
        """The best `levels` price levels (all if None), in O(levels * log n)."""
        return tuple(
            PriceLevel(self._sign * rank, self._totals[rank], self._count(rank))
            for rank in self._ranks.islice(stop=levels)
        )

    def _count(self, rank: int) -> int:
        return self._keys.bisect_left((rank + 1, -1)) - self._keys.bisect_left((rank, -1))

    # ------------------------------------------------------------------ changes

    def add(self, order: Order) -> None:
        """Rest an order, in O(log n)."""
        rank = self._sign * order.price
        self._orders[order.order_id] = order
        self._keys.add((rank, order.order_id))
        self._shift_total(rank, order.amount)

    def update(self, orders: Iterable[Order]) -> None:
        """Rest many orders with one sort, in O(m log m) for m of them and at most O(n) besides."""
        keys: list[tuple[int, int]] = []
        totals: dict[int, int] = {}
        for order in orders:
            rank = self._sign * order.price
            self._orders[order.order_id] = order
            keys.append((rank, order.order_id))
            totals[rank] = totals.get(rank, 0) + order.amount
        self._keys.update(keys)
        for rank, amount in totals.items():
            self._shift_total(rank, amount)

    def remove(self, order_id: int) -> Order:
        """Take an order out, in O(log n)."""
        order = self._orders.pop(order_id)
        rank = self._sign * order.price
        self._keys.remove((rank, order_id))
        self._shift_total(rank, -order.amount)
        return order

    def resize(self, order_id: int, amount: int) -> None:
        """Change what rests of an order, in O(1); it keeps its place."""
        order = self._orders[order_id]
        self._orders[order_id] = Order(order_id, order.symbol, order.side, amount, order.price)
        self._shift_total(self._sign * order.price, amount - order.amount)

    def clear(self) -> None:
        """Take everything out, in O(n)."""
        self._orders.clear()
        self._keys.clear()
        self._ranks.clear()
        self._totals.clear()

    def _shift_total(self, rank: int, amount: int) -> None:
        before = self._totals.get(rank, 0)
        total = before + amount
        if not total:  # every order holds at least 1, so an empty total is an empty level
            del self._totals[rank]
            self._ranks.remove(rank)
            return
        if not before:
            self._ranks.add(rank)
        self._totals[rank] = total

    # ------------------------------------------------------------------ the truth

    def _check(self) -> None:
        """Assert every invariant, in O(n log n); for tests and debugging."""
        totals: dict[int, int] = {}
        for order_id, order in self._orders.items():
            assert order_id == order.order_id, "an order is found under its own id"
            assert (order.symbol, order.side) == (self.symbol, self.side), "an order rests in its own book"
            assert order.amount >= 1, "an order without an amount is not resting"
            rank = self._sign * order.price
            totals[rank] = totals.get(rank, 0) + order.amount
        keys = [(self._sign * order.price, order.order_id) for order in self._orders.values()]
        assert list(self._keys) == sorted(keys), "the sorted keys are those of the orders"
        assert list(self._ranks) == sorted(totals), "a level is listed while it holds something"
        assert self._totals == totals, "a level's total is the sum of its orders"
