"""One side of one symbol: the resting orders, best first. All mutable state of the books is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, takewhile
from operator import itemgetter, neg

from sortedcontainers import SortedList

from oms.errors import InsufficientLiquidityError
from oms.models import Order, OrderFill, OrderRow, PriceLevel, Side, new_order
from oms.order_keys import ID_BITS, OrderKeys, id_of
from oms.price_sums import PriceSums

__all__ = ["OrderBook"]

_ORDER_ID = itemgetter(0)


class OrderBook:
    """The resting orders that serve the trades of one side of one symbol, pre-sorted, best first.

    The book is a SortedList keyed by (rank, order_id), see OrderKeys. A rank is the price with a sign that
    makes the better price the smaller number; no other line of the library knows that one side
    counts backwards. Beside the keys stand the totals per price level, so that pricing walks
    levels, not orders, and sums over the best levels, so that most questions walk nothing.
    The orders themselves are in a dict by id, which all books of one OrderManagement share.

    The caller has validated what comes in.

    >>> book = OrderBook("JPM", Side.SELL)
    >>> book.add(Order(1, "JPM", Side.SELL, 20, 19))
    >>> book.add(Order(2, "JPM", Side.SELL, 10, 21))
    >>> [order.order_id for order in book.orders()]
    [2, 1]
    >>> book.best_price()
    21

    """

    __slots__ = (
        "_keys",
        "_orders",
        "_ranks",
        "_sign",
        "_sums",
        "known_price",
        "side",
        "symbol",
        "totals",
    )

    def __init__(self, symbol: str, side: Side, orders: dict[int, OrderRow] | None = None) -> None:
        self.symbol = symbol
        self.side = side
        self._sign = 1 if side is Side.BUY else -1
        self._orders: dict[int, OrderRow] = {} if orders is None else orders
        self._keys = OrderKeys()
        self._ranks: SortedList[int] = SortedList()  # of the levels that hold something
        self.totals: dict[int, int] = {}  # rank -> amount; nobody else changes it
        self._sums = PriceSums(self.totals)
        self.known_price = self._sums.price

    # ------------------------------------------------------------------ questions

    def __len__(self) -> int:
        """How many orders rest here."""
        return len(self._keys)

    def orders(self) -> Iterator[Order]:
        """All orders, best first; the book must not change meanwhile."""
        return map(new_order, self.rows())

    def count_levels(self) -> int:
        """How many price levels hold something, in O(1)."""
        return len(self.totals)

    def rows(self, limit_price: int | None = None) -> Iterator[OrderRow]:
        """The fields of each order no worse than the limit, as above."""
        keys: Iterable[int] = self._keys
        if limit_price is not None:
            keys = takewhile(((self._sign * limit_price + 1) << ID_BITS).__gt__, keys)
        return map(self._orders.__getitem__, map(id_of, keys))

    def levels(self, limit_price: int | None = None) -> Iterator[tuple[int, int]]:
        """(price, amount) of each level no worse than the limit, best first, as above."""
        ranks: Iterable[int] = self._ranks
        if limit_price is not None:
            worst = self._sign * limit_price
            ranks = list(takewhile(lambda rank: rank <= worst, ranks))
        prices = ranks if self._sign == 1 else map(neg, ranks)
        return zip(prices, map(self.totals.__getitem__, ranks), strict=True)

    def best_price(self) -> int | None:
        """The price that the next trade starts at, in O(1); None if nothing rests."""
        return self._sign * self._ranks[0] if self._ranks else None

    def depth(self, levels: int | None = None) -> tuple[PriceLevel, ...]:
        """The best `levels` price levels (all if None), in O(levels * log n)."""
        return tuple(
            PriceLevel(self._sign * rank, self.totals[rank], self._keys.count_rank(rank))
            for rank in self._ranks.islice(stop=levels)
        )

    # ------------------------------------------------------------------ prices

    def find_price(self, amount: int) -> int:
        """What an amount costs, in at most O(k); raises InsufficientLiquidityError."""
        price = self.known_price(amount)
        if price is None:
            available = self._sums.grow(self._ranks, amount)
            if available < amount:
                raise InsufficientLiquidityError(self.symbol, self.side, amount, available)
            price = self.known_price(amount)
            assert price is not None, "the sums reach as far as they grew"
        return price

    # ------------------------------------------------------------------ changes

    def add(self, order: OrderRow) -> None:
        """Rest an order, in O(log n)."""
        order_id, _, _, amount, price = order
        rank = self._sign * price
        self._orders[order_id] = order
        self._keys.add(rank << ID_BITS | order_id)
        self._shift_total(rank, amount)

    def update(self, orders: Sequence[OrderRow]) -> None:
        """Rest m orders in O(m log n), with one sort where they are many beside what rests."""
        sign = self._sign
        gained: dict[int, int] = {}
        arrived: dict[int, list[int]] = {}
        for order_id, _, _, amount, price in orders:
            rank = sign * price
            if rank in gained:
                gained[rank] += amount
                arrived[rank].append(order_id)
            else:
                gained[rank] = amount
                arrived[rank] = [order_id]
        self._orders.update(zip(map(_ORDER_ID, orders), orders, strict=True))
        # Sorted level by level, because that compares small numbers, where keys are large ones.
        by_level = ((rank << ID_BITS, sorted(arrived[rank])) for rank in sorted(arrived))
        self._keys.update(chain.from_iterable(map(level.__add__, ids) for level, ids in by_level))
        self._sums.forget()
        self._ranks.update(gained.keys() - self.totals.keys())
        for rank, amount in gained.items():
            self.totals[rank] = self.totals.get(rank, 0) + amount

    def remove(self, order: OrderRow) -> None:
        """Take an order out, in O(log n)."""
        order_id, _, _, amount, price = order
        rank = self._sign * price
        del self._orders[order_id]
        self._keys.remove(rank << ID_BITS | order_id)
        self._shift_total(rank, -amount)

    def resize(self, order: OrderRow, amount: int) -> None:
        """Change what rests of an order, in O(1); it keeps its place."""
        order_id, symbol, side, before, price = order
        self._orders[order_id] = (order_id, symbol, side, amount, price)
        self._shift_total(self._sign * price, amount - before)

    def take(self, fills: Sequence[OrderFill], amount: int) -> None:
        """Take fills of the best orders, `amount` in all, out of the book, in O(k log n).

        Being the best they need not be looked up, and every level but the last goes as a whole.
        """
        orders = self._orders
        last_id, last_amount, last_price = fills[-1]
        left = orders[last_id][3] - last_amount
        if left:
            orders[last_id] = (last_id, self.symbol, self.side, left, last_price)
            fills = fills[:-1]
        for order_id, _, _ in fills:
            del orders[order_id]
        self._keys.drop(len(fills))
        worst = self._sign * last_price
        if fills and fills[0].price != last_price:
            for rank in list(takewhile(worst.__gt__, self._ranks)):
                amount -= self.totals[rank]
                self._shift_total(rank, -self.totals[rank])
        self._shift_total(worst, -amount)

    def clear(self) -> None:
        """Take everything out, in O(n)."""
        for order_id in map(id_of, self._keys):
            del self._orders[order_id]
        self._sums.forget()
        self._keys.clear()
        self._ranks.clear()
        self.totals.clear()

    def _shift_total(self, rank: int, change: int) -> None:
        totals = self.totals
        total = totals.get(rank, 0) + change
        if total == change:
            self._ranks.add(rank)
            totals[rank] = total
        elif total:
            totals[rank] = total
        else:  # every order holds at least 1, so an empty total is an empty level
            del totals[rank]
            self._ranks.remove(rank)
        if rank <= self._sums.worst:
            self._sums.shift(rank, change, total)

    # ------------------------------------------------------------------ the truth

    def _check(self) -> None:
        """Assert every invariant, in O(n log n); for tests and debugging."""
        totals: dict[int, int] = {}
        for key in self._keys:
            rank, order_id = key >> ID_BITS, id_of(key)
            order = new_order(self._orders[order_id])
            assert order_id == order.order_id, "an order is found under its own id"
            assert (order.symbol, order.side) == (self.symbol, self.side), "an order rests in its own book"
            assert rank == self._sign * order.price, "an order is ranked by its price"
            assert order.amount >= 1, "an order without an amount is not resting"
            totals[rank] = totals.get(rank, 0) + order.amount
        assert list(self._keys) == sorted(set(self._keys)), "keys are sorted and unique"
        assert list(self._ranks) == sorted(totals), "a level is listed while it holds something"
        assert self.totals == totals, "a level's total is the sum of its orders"
        self._sums._check(self._ranks)
