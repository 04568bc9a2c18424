"""One side of one symbol: the resting orders, best first. All mutable state of the books is here."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice, takewhile
from operator import itemgetter, mul, neg

from sortedcontainers import SortedList

from oms.errors import InsufficientLiquidityError
from oms.models import Order, OrderFill, PriceLevel, Side

__all__ = ["OrderBook"]

_ORDER_ID = itemgetter(1)  # of a key

Sums = tuple[list[int], list[int], list[int]]
_NO_SUMS: Sums = ([], [], [])


class OrderBook:
    """The resting orders that serve the trades of one side of one symbol, pre-sorted, best first.

    The book is a SortedList keyed by (rank, order_id). A rank is the price with a sign that
    makes the better price the smaller number; no other line of the library knows that one side
    counts backwards. Beside the keys stand the totals per price level, so that pricing walks
    levels, not orders, and sums over the best levels, so that a repeated question walks nothing.
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
        "_totals",
        "_walked",
        "_walked_for",
        "side",
        "symbol",
    )

    def __init__(self, symbol: str, side: Side, orders: dict[int, Order] | None = None) -> None:
        self.symbol = symbol
        self.side = side
        self._sign = 1 if side is Side.BUY else -1
        self._orders: dict[int, Order] = {} if orders is None else orders
        self._keys: SortedList[tuple[int, int]] = SortedList()
        self._ranks: SortedList[int] = SortedList()  # of the levels that hold something
        self._totals: dict[int, int] = {}  # rank -> amount
        # Down to each of the best levels, as far as questions went: its rank, all amount, and all
        # rank times amount. Replaced as one, so that nobody meets three that do not fit; a
        # question adds to them, a change cuts them at its level.
        self._sums: Sums = _NO_SUMS
        self._walked = self._walked_for = 0  # levels and amount of the deepest walk since a change

    # ------------------------------------------------------------------ questions

    def __len__(self) -> int:
        """How many orders rest here."""
        return len(self._keys)

    def is_empty(self) -> bool:
        """Whether nothing rests here."""
        return not self._totals

    def count_levels(self) -> int:
        """How many price levels hold something, in O(1)."""
        return len(self._totals)

    def orders(self, limit_price: int | None = None) -> Iterator[Order]:
        """The orders no worse than the limit, best first; the book must not change meanwhile."""
        keys: Iterable[tuple[int, int]] = self._keys
        if limit_price is not None:
            worst = self._sign * limit_price
            keys = takewhile(lambda key: key[0] <= worst, keys)
        return map(self._orders.__getitem__, map(_ORDER_ID, keys))

    def levels(self, limit_price: int | None = None) -> Iterator[tuple[int, int]]:
        """(price, amount) of each level no worse than the limit, best first, as above."""
        ranks: Iterable[int] = self._ranks
        if limit_price is not None:
            worst = self._sign * limit_price
            ranks = list(takewhile(lambda rank: rank <= worst, ranks))
        prices = ranks if self._sign == 1 else map(neg, ranks)
        return zip(prices, map(self._totals.__getitem__, ranks), strict=True)

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

    # ------------------------------------------------------------------ prices

    def known_price(self, amount: int) -> int | None:
        """What an amount costs as far as the sums reach, in O(log n); None beyond."""
        ranks, reach, spent = self._sums
        if not reach or amount > reach[-1]:
            return None
        at = bisect_left(reach, amount)
        return abs(spent[at] - (reach[at] - amount) * ranks[at])

    def find_price(self, amount: int) -> int:
        """What an amount costs, in at most O(k); raises InsufficientLiquidityError.

        The first question after a change walks the levels. One for as much or more sums up what
        that walk saw, and walks on from there: sums are worth their while only from the second
        question on, and no question looks at more than it consumes.
        """
        if self._walked and amount >= self._walked_for:
            self._sum_up(self._walked)
        price = self.known_price(amount)
        if price is not None:
            return price
        ranks, reach, sums = self._sums
        known, totals = len(ranks), self._totals
        spent, left = (sums[-1], amount - reach[-1]) if known else (0, amount)
        for levels, rank in enumerate(islice(self._ranks, known, None) if known else self._ranks, known + 1):
            available = totals[rank]
            if left <= available:
                if amount >= self._walked_for:
                    self._walked, self._walked_for = levels, amount
                return abs(spent + left * rank)
            spent += available * rank
            left -= available
        raise InsufficientLiquidityError(self.symbol, self.side, amount, amount - left)

    def _sum_up(self, levels: int) -> None:
        ranks, reach, spent = self._sums
        more = list(islice(self._ranks, len(ranks), levels))
        amounts = list(map(self._totals.__getitem__, more))
        self._sums = (ranks + more, _running(reach, amounts), _running(spent, map(mul, more, amounts)))

    # ------------------------------------------------------------------ changes

    def add(self, order: Order) -> None:
        """Rest an order, in O(log n)."""
        order_id, _, _, amount, price = order
        rank = self._sign * price
        self._orders[order_id] = order
        self._keys.add((rank, order_id))
        self._shift_total(rank, amount)

    def update(self, orders: Sequence[Order]) -> None:
        """Rest m orders in O(m log n), with one sort where they are many beside what rests."""
        ids: tuple[int, ...]
        amounts: tuple[int, ...]
        prices: tuple[int, ...]
        ids, _, _, amounts, prices = zip(*orders, strict=True)
        ranks = prices if self._sign == 1 else tuple(map(neg, prices))
        self._orders.update(zip(ids, orders, strict=True))
        self._keys.update(zip(ranks, ids, strict=True))
        gained: dict[int, int] = {}
        for rank, amount in zip(ranks, amounts, strict=True):
            gained[rank] = gained.get(rank, 0) + amount
        self._forget_sums(min(gained))
        self._ranks.update(gained.keys() - self._totals.keys())
        for rank, amount in gained.items():
            self._totals[rank] = self._totals.get(rank, 0) + amount

    def remove(self, order: Order) -> None:
        """Take an order out, in O(log n)."""
        order_id, _, _, amount, price = order
        rank = self._sign * price
        del self._orders[order_id]
        self._keys.remove((rank, order_id))
        self._shift_total(rank, -amount)

    def resize(self, order: Order, amount: int) -> None:
        """Change what rests of an order, in O(1); it keeps its place."""
        order_id, symbol, side, before, price = order
        self._orders[order_id] = Order(order_id, symbol, side, amount, price)
        self._shift_total(self._sign * price, amount - before)

    def take(self, fills: Sequence[OrderFill], amount: int) -> None:
        """Take fills of the best orders, `amount` in all, out of the book, in O(k log n).

        Being the best they need not be looked up, and every level but the last goes as a whole.
        """
        last = fills[-1]
        order = self._orders[last.order_id]
        if order.amount > last.amount:
            left = order.amount - last.amount
            self._orders[last.order_id] = Order(last.order_id, self.symbol, self.side, left, last.price)
            fills = fills[:-1]
        pop_key = self._keys.pop
        for order_id, _, _ in fills:
            del self._orders[order_id]
            pop_key(0)
        worst = self._sign * last.price
        if fills and fills[0].price != last.price:
            amount -= self._take_levels(worst)
        self._shift_total(worst, -amount)

    def _take_levels(self, worst: int) -> int:
        """Take out all levels better than a rank, and return the amount that was there."""
        amount = 0
        for rank in takewhile(worst.__gt__, self._ranks):
            amount += self._totals.pop(rank)
        self._forget_sums(self._ranks[0])
        del self._ranks[: self._ranks.bisect_left(worst)]
        return amount

    def clear(self) -> None:
        """Take everything out, in O(n)."""
        for _, order_id in self._keys:
            del self._orders[order_id]
        self._forget_sums(self._ranks[0])
        self._keys.clear()
        self._ranks.clear()
        self._totals.clear()

    def _shift_total(self, rank: int, amount: int) -> None:
        totals = self._totals
        before = totals.get(rank)
        if before is None:
            self._ranks.add(rank)
            totals[rank] = amount
        elif before + amount:
            totals[rank] = before + amount
        else:  # every order holds at least 1, so an empty total is an empty level
            del totals[rank]
            self._ranks.remove(rank)
        if self._walked or self._sums is not _NO_SUMS:
            self._forget_sums(rank)

    def _forget_sums(self, rank: int) -> None:
        """Cut the sums where a level changed: what is better than it stays known."""
        self._walked = self._walked_for = 0
        ranks, reach, spent = self._sums
        at = bisect_left(ranks, rank)
        self._sums = (ranks[:at], reach[:at], spent[:at]) if at else _NO_SUMS

    # ------------------------------------------------------------------ the truth

    def _check(self) -> None:
        """Assert every invariant, in O(n log n); for tests and debugging."""
        totals: dict[int, int] = {}
        for rank, order_id in self._keys:
            order = self._orders[order_id]
            assert order_id == order.order_id, "an order is found under its own id"
            assert (order.symbol, order.side) == (self.symbol, self.side), "an order rests in its own book"
            assert rank == self._sign * order.price, "an order is ranked by its price"
            assert order.amount >= 1, "an order without an amount is not resting"
            totals[rank] = totals.get(rank, 0) + order.amount
        assert list(self._keys) == sorted(set(self._keys)), "keys are sorted and unique"
        assert list(self._ranks) == sorted(totals), "a level is listed while it holds something"
        assert self._totals == totals, "a level's total is the sum of its orders"
        ranks, reach, spent = self._sums
        assert ranks == list(self._ranks)[: len(ranks)], "the sums are over the best levels"
        assert reach == _running([], [totals[rank] for rank in ranks]), "sums of amounts are true"
        assert spent == _running([], [rank * totals[rank] for rank in ranks]), "sums of money are true"
        assert self._walked <= len(totals), "no walk saw more levels than there are"


def _running(sums: list[int], values: Iterable[int]) -> list[int]:
    """Running sums, extended by values."""
    return [*sums[:-1], *accumulate(values, initial=sums[-1])] if sums else list(accumulate(values))
