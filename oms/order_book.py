"""The order book of one symbol and side: its resting orders, its price levels, and its prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat, takewhile, tee
from operator import attrgetter, itemgetter, neg

from sortedcontainers import SortedList

from oms.errors import InsufficientLiquidityError
from oms.level import Level
from oms.models import Order, OrderFill, OrderRow, PriceLevel, Side, Trade, new_order
from oms.price_sums import PriceSums

__all__ = ["OrderBook"]

_ORDER_ID = itemgetter(0)
_IDS = attrgetter("ids")
_AMOUNT = attrgetter("amount")
_AMOUNT_OF = itemgetter(3)

NO_RANK = 2**63
"""The best rank of an empty book. It is worse than the rank of any price."""

Columns = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]]
"""The level prices, the number of orders at each level, the order ids, and the order amounts."""


class OrderBook:
    """The resting orders of one symbol and one side, sorted best first.

    Orders are sorted by price and then by order id. The book stores each price as its rank, which is the
    price times `side.sign`, so the better price has the smaller rank. The ladder is a SortedList of the ranks
    of all price levels. Each level stores its total amount and its order ids in ascending order. Most price
    queries are answered from cached running totals, without reading the levels. The orders themselves are in
    a dict keyed by id, which is shared by all books of an OrderManagement. To save memory, orders at the same
    price share one `int` object.

    The methods do not check their arguments. The caller must validate them first.

    >>> book = OrderBook("JPM", Side.SELL)
    >>> book.add(Order(1, "JPM", Side.SELL, 20, 19))
    >>> book.add(Order(2, "JPM", Side.SELL, 10, 21))
    >>> [order.order_id for order in book.orders()]
    [2, 1]
    >>> book.best_price()
    21

    """

    __slots__ = (
        "_ladder",
        "_orders",
        "_sign",
        "_sums",
        "best_rank",
        "cached_price",
        "levels",
        "side",
        "symbol",
    )

    def __init__(self, symbol: str, side: Side, orders: dict[int, OrderRow] | None = None) -> None:
        self.symbol = symbol
        self.side = side
        self._sign = side.sign
        self._orders: dict[int, OrderRow] = {} if orders is None else orders
        self._ladder: SortedList[int] = SortedList()  # the rank of each price level
        self.levels: dict[int, Level] = {}  # by rank; read-only for other classes
        self.best_rank = NO_RANK  # of the best level; read-only for other classes
        self._sums = PriceSums(self.levels)
        self.cached_price = self._sums.price

    # ------------------------------------------------------------------ queries

    def __len__(self) -> int:
        """Return the number of resting orders. O(k) for k levels."""
        return sum(map(len, map(_IDS, self.levels.values())))

    def orders(self) -> Iterator[Order]:
        """Iterate over all orders, best first. The book must not change during the iteration."""
        return map(new_order, self.rows())

    def rows(self, limit_price: int | None = None) -> Iterator[OrderRow]:
        """Iterate over the fields of each order at the limit price or better, best first.

        The book must not change during the iteration.
        """
        levels = map(self.levels.__getitem__, self._ranks(limit_price))
        return map(self._orders.__getitem__, chain.from_iterable(map(_IDS, levels)))

    def rows_after(self, price: int, order_id: int) -> Iterator[OrderRow]:
        """Iterate over the fields of the orders behind a price and an id, best first. O(log n) to begin.

        The price and the id belong to an order that rests or has rested here. The book must not change during
        the iteration.
        """
        rank = self._sign * price
        level = self.levels.get(rank)
        first = () if level is None else level.ids_after(order_id)
        worse = map(self.levels.__getitem__, self._ladder.irange(rank, inclusive=(False, True)))
        return map(self._orders.__getitem__, chain(first, chain.from_iterable(map(_IDS, worse))))

    def levels_after(self, price: int | None) -> Iterator[PriceLevel]:
        """Iterate over the levels behind a price, or all levels if it is None, best first. O(log n) to begin.

        The book must not change during the iteration.
        """
        rank = None if price is None else self._sign * price
        for each in self._ladder.irange(rank, inclusive=(False, True)):
            level = self.levels[each]
            yield PriceLevel(level.price, level.amount, len(level.ids))

    def amounts(self, limit_price: int | None = None) -> Iterator[tuple[int, int]]:
        """Iterate over the (price, amount) of each level at the limit price or better, best first.

        The book must not change during the iteration.
        """
        prices, ranks = tee(self._ranks(limit_price))  # lazy, because a query may stop early
        if self._sign != 1:
            prices = map(neg, prices)
        return zip(prices, map(_AMOUNT, map(self.levels.__getitem__, ranks)), strict=True)

    def best_price(self) -> int | None:
        """Return the best price, or None if the book is empty. O(1)."""
        return self._sign * self.best_rank if self.levels else None

    def is_crossed_by(self, price: int | None) -> bool:
        """Return True if a trade up to this price, or without a limit, would fill an order. O(1)."""
        return price is None or self.best_rank <= self._sign * price

    def best_level(self) -> tuple[int, int] | None:
        """Return the best level's price and total amount, or None if the book is empty. O(1)."""
        if not self.levels:
            return None
        rank = self.best_rank
        return self._sign * rank, self.levels[rank].amount

    def best_order(self) -> OrderRow | None:
        """Return the order that trades fill first, or None if the book is empty. O(1)."""
        if not self.levels:
            return None
        return self._orders[self.levels[self.best_rank].ids[0]]

    def queue_ahead(self, order: OrderRow) -> tuple[int, int]:
        """Return the number and the total amount of the orders ahead of an order in the queue at its price.

        O(k) for k orders ahead.
        """
        ids = self.levels[self._sign * order[4]].ids
        amounts = [self._orders[order_id][3] for order_id in takewhile(order[0].__ne__, ids)]
        return len(amounts), sum(amounts)

    def depth(self, levels: int | None = None) -> tuple[PriceLevel, ...]:
        """Return the best `levels` price levels, or all if `levels` is None. O(k) for k returned levels."""
        return tuple(
            PriceLevel(self._sign * rank, level.amount, len(level.ids))
            for rank in self._ladder.islice(stop=levels)
            for level in (self.levels[rank],)
        )

    def _ranks(self, limit_price: int | None) -> Iterable[int]:
        if limit_price is None:
            return self._ladder
        return self._ladder.irange(maximum=self._sign * limit_price)

    # ------------------------------------------------------------------ prices

    def find_price(self, amount: int) -> int:
        """Return the total price of an amount. At most O(k) for the k levels that it covers.

        Raises InsufficientLiquidityError if the book contains less than `amount`.
        """
        price = self.cached_price(amount)
        if price is None:
            available = self._sums.grow(self._ladder, amount)
            if available < amount:
                raise InsufficientLiquidityError(self.symbol, self.side, amount, available)
            price = self.cached_price(amount)
            assert price is not None, "the cached sums cover the amount"
        return price

    @property
    def cached_levels(self) -> int:
        """The number of best levels that the cached sums cover. O(1)."""
        return self._sums.covered_levels

    def cache_sums(self, amount: int, most_levels: int) -> bool:
        """Extend the cached sums by up to `most_levels` levels, until they cover an amount.

        Return True if they cover the amount or all levels. `find_price` is then fast. Otherwise, call this
        method again. O(c) for c levels that the sums cover afterwards, most of which are only copied.
        """
        most = self._sums.covered_levels + most_levels
        return self._sums.grow(islice(self._ladder, most), amount) >= amount or most >= len(self._ladder)

    def find_prices(self, amounts: Sequence[int]) -> list[int]:
        """Return the total price of each of m ascending amounts.

        At most O(k) for the k levels that the largest amount covers, plus O(m log k). Raises
        InsufficientLiquidityError if the book contains less than the largest amount.
        """
        if not amounts:
            return []
        self.find_price(amounts[-1])
        return self._sums.prices(amounts)

    # ------------------------------------------------------------------ changes

    def add(self, order: OrderRow) -> None:
        """Add an order. O(log n) for n orders in the book."""
        order_id, symbol, side, amount, price = order
        rank = self._sign * price
        level = self.levels.get(rank)
        if level is None:
            level = self.levels[rank] = Level(price, amount, [order_id])
            self._ladder.add(rank)
            self.best_rank = min(self.best_rank, rank)
        else:
            level.add(order_id, amount)
            order = order_id, symbol, side, amount, level.price  # all orders of a level share one int object
        self._orders[order_id] = order
        if rank <= self._sums.worst:
            self._sums.add_correction(rank, amount, level.amount)

    def update(self, orders: Sequence[OrderRow]) -> None:
        """Add m orders. O(m log n) for n orders in the book."""
        sign, levels = self._sign, self.levels
        ids_by_price: defaultdict[int, list[int]] = defaultdict(list)
        amount_by_price: defaultdict[int, int] = defaultdict(int)
        for order_id, _, _, amount, price in orders:
            ids_by_price[price].append(order_id)
            amount_by_price[price] += amount
        self._orders.update(zip(map(_ORDER_ID, orders), orders, strict=True))
        self._sums.clear()
        self._ladder.update([sign * price for price in ids_by_price if sign * price not in levels])
        self.best_rank = self._ladder[0]
        for price, ids in ids_by_price.items():
            ids.sort()
            level = levels.get(sign * price)
            if level is None:
                levels[sign * price] = Level(price, amount_by_price[price], ids)
            else:
                level.extend(ids, amount_by_price[price])

    def remove(self, order: OrderRow) -> None:
        """Remove an order. O(log n) for n orders in the book."""
        order_id, _, _, amount, price = order
        rank = self._sign * price
        del self._orders[order_id]
        level = self.levels[rank]
        if len(level.ids) == 1:
            self._drop_level(rank)
        else:
            level.remove(order_id, amount)
            if rank <= self._sums.worst:
                self._sums.add_correction(rank, -amount, level.amount)

    def resize(self, order: OrderRow, amount: int) -> None:
        """Change an order's amount. The order keeps its place in the queue. O(1)."""
        order_id, symbol, side, before, price = order
        self._orders[order_id] = (order_id, symbol, side, amount, price)
        self._resize_level(self._sign * price, amount - before)

    def remove_fills(self, trade: Trade) -> None:
        """Remove a trade's fills from the book. O(k log n) for k fills and n orders.

        The filled orders are always the best in the book. So every level except the last is removed
        completely, and the last level loses its first orders.
        """
        orders = self._orders
        fills: Sequence[OrderFill] = trade.fills
        last_id, last_amount, last_price = fills[-1]
        remaining = orders[last_id][3] - last_amount
        if remaining:
            orders[last_id] = (last_id, self.symbol, self.side, remaining, last_price)
            fills = fills[:-1]
        for order_id, _, _ in fills:
            del orders[order_id]
        amount, filled, worst = trade.amount, len(fills), self._sign * last_price
        while (rank := self.best_rank) != worst:
            level = self.levels[rank]
            amount -= level.amount
            filled -= len(level.ids)
            self._drop_level(rank)
        level = self.levels[worst]
        if filled == len(level.ids):
            self._drop_level(worst)
        else:
            del level.ids[:filled]
            self._resize_level(worst, -amount)

    def restore_fills(self, trade: Trade) -> None:
        """Undo `remove_fills`: put the filled amounts back into the book. O(k log n) for k fills."""
        for order_id, amount, price in trade.fills:
            resting = self._orders.get(order_id)
            if resting is None:
                self.add((order_id, trade.symbol, trade.side, amount, price))
            else:
                self.resize(resting, resting[3] + amount)

    def clear(self) -> None:
        """Remove all n orders. O(n)."""
        for order_id in chain.from_iterable(map(_IDS, self.levels.values())):
            del self._orders[order_id]
        self._sums.clear()
        self._ladder.clear()
        self.best_rank = NO_RANK
        self.levels.clear()

    def _resize_level(self, rank: int, change: int) -> None:
        level = self.levels[rank]
        level.amount += change
        if rank <= self._sums.worst:
            self._sums.add_correction(rank, change, level.amount)

    def _drop_level(self, rank: int) -> None:
        level = self.levels.pop(rank)
        self._ladder.remove(rank)
        if rank == self.best_rank:
            self.best_rank = self._ladder[0] if self.levels else NO_RANK
        if rank <= self._sums.worst:
            self._sums.add_correction(rank, -level.amount, 0)

    # ------------------------------------------------------------------ the whole book

    def columns(self) -> Columns:
        """Return all levels and orders as columns, best first. O(n) for n orders."""
        ranks = list(self._ladder)
        levels = list(map(_IDS, map(self.levels.__getitem__, ranks)))
        ids = list(chain.from_iterable(levels))
        amounts = list(map(_AMOUNT_OF, map(self._orders.__getitem__, ids)))
        return [self._sign * rank for rank in ranks], list(map(len, levels)), ids, amounts

    def load(
        self, prices: Sequence[int], counts: Sequence[int], ids: Sequence[int], amounts: Sequence[int]
    ) -> None:
        """Fill an empty book with the columns that `columns` returned. O(n) for n orders."""
        price_of_each = chain.from_iterable(map(repeat, prices, counts))
        rows = zip(ids, repeat(self.symbol), repeat(self.side), amounts, price_of_each, strict=False)
        self._orders.update(zip(ids, rows, strict=True))
        ranks = [self._sign * price for price in prices]
        remaining_ids, remaining_amounts = iter(ids), iter(amounts)
        for rank, price, count in zip(ranks, prices, counts, strict=True):
            amount = sum(islice(remaining_amounts, count))
            self.levels[rank] = Level(price, amount, list(islice(remaining_ids, count)))
        self._ladder.update(ranks)
        self.best_rank = self._ladder[0] if ranks else NO_RANK

    def copy(self, orders: dict[int, OrderRow]) -> OrderBook:
        """Return a copy that uses `orders` as its dict of orders. O(n) for n orders."""
        other = OrderBook(self.symbol, self.side, orders)
        other.levels.update(
            (rank, Level(level.price, level.amount, list(level.ids))) for rank, level in self.levels.items()
        )
        other._ladder.update(self._ladder)
        other.best_rank = self.best_rank
        return other

    # ------------------------------------------------------------------ self-check

    def _check(self) -> None:
        """Assert every invariant, for tests and debugging. O(n log n) for n orders."""
        assert list(self._ladder) == sorted(self.levels), "the ladder lists every level, best first"
        assert self.best_rank == min(self.levels, default=NO_RANK), "the best rank is that of the best level"
        for rank, level in self.levels.items():
            ids = list(level.ids)
            assert ids, "a level has an order"
            assert ids == sorted(set(ids)), "the ids of a level are unique and ascending"
            for order_id in ids:
                order = new_order(self._orders[order_id])
                assert order_id == order.order_id, "the key of an order is its id"
                assert (order.symbol, order.side) == (self.symbol, self.side), "an order is in its own book"
                assert rank == self._sign * order.price, "an order is in the level of its price"
                assert order.amount >= 1, "a resting order has an amount"
            total = sum(self._orders[order_id][3] for order_id in ids)
            assert level.amount == total, "a level's amount is the sum of its orders"
        self._sums._check(self._ladder)
