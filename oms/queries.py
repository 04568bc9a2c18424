"""Queries about the books: prices, quotes, and depth. A side is always the side of a trade."""

from __future__ import annotations

from collections.abc import Iterable

from oms import pricing
from oms.facade import Facade
from oms.models import (
    PriceLevel,
    Quote,
    Side,
    as_amounts,
    check_book,
    check_fill,
    check_limit,
    check_positive,
    check_slippage,
)
from oms.top_of_book import TopOfBook

__all__ = ["Queries"]


class Queries(Facade):
    """The queries that OrderManagement and MatchingEngine share."""

    def calculate_price(self, symbol: str, side: Side, amount: int) -> int:
        """Return what a trade of `amount` lots would cost (BUY) or bring in (SELL), in ticks times lots.

        `amount` is an integer of at least 1. The book does not change.

        Raises InvalidOrderError if an argument is invalid, and InsufficientLiquidityError if fewer than
        `amount` lots are available. At most O(k) for the k orders that the trade would fill. Running
        totals are cached, so most later calls take O(log k).

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.SELL, 20, 19)
        >>> om.add_order(2, "JPM", Side.SELL, 10, 21)
        >>> om.calculate_price("JPM", Side.SELL, 12)  # 10 at 21 and 2 at 19
        248

        """
        if not (type(symbol) is str and type(side) is Side and type(amount) is int and amount > 0):
            check_book(symbol, side)
            check_positive("amount", amount)
        # A lock-free read of the cache. The price is valid if the version has not changed in the meantime.
        version = self._ledger.version
        book = self._by_name.get((symbol, side))
        if book is not None and not version & 1:
            price = book.cached_price(amount)
            if price is not None and self._ledger.version == version:
                return price
        with self._lock:
            return self._find_book(symbol, side).find_price(amount)

    def calculate_prices(self, symbol: str, side: Side, amounts: Iterable[int]) -> list[int]:
        """Return the total price of each of several amounts, in ticks times lots.

        `amounts` contains integers of at least 1, in lots. Each price is what a separate trade of that
        amount would cost (BUY) or bring in (SELL). All prices are based on the same state of the book.

        Raises InvalidOrderError if an argument is invalid, and InsufficientLiquidityError for the first
        amount that is not available. At most O(k) for the k orders that the largest trade would fill, plus
        O(log k) for each amount.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
        >>> om.calculate_prices("JPM", Side.BUY, [22, 10, 20])
        [442, 200, 400]

        """
        check_book(symbol, side)
        lots = as_amounts(amounts)
        with self._lock:
            return pricing.total_prices(self._find_book(symbol, side), lots)

    def quote(
        self,
        symbol: str,
        side: Side,
        amount: int,
        *,
        limit_price: int | None = None,
        allow_partial: bool = False,
    ) -> Quote:
        """Return the fills and the total price of a trade of `amount` lots, without placing the trade.

        `limit_price` (ticks) is the highest price that a BUY trade accepts, or the lowest that a SELL
        trade accepts. With `allow_partial`, the quote may cover less than `amount`, but at least one lot.

        Raises InvalidOrderError if an argument is invalid, and InsufficientLiquidityError if not enough is
        available at the limit price or better. O(k) for the k orders that the trade would fill.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
        >>> quote = om.quote("JPM", Side.BUY, 22)
        >>> quote.total_price, quote.worst_price, quote.slippage
        (442, 21, 2)
        >>> om.quote("JPM", Side.BUY, 22, limit_price=20, allow_partial=True).shortfall
        2

        """
        with self._lock:
            filled = self._fill(symbol, side, amount, limit_price, allow_partial)
        return pricing.quote(symbol, side, amount, filled)

    def best_price(self, symbol: str, side: Side) -> int | None:
        """Return a book's best price in ticks, or None if the book is empty.

        The best price is the lowest price of a BUY book and the highest price of a SELL book.

        Raises InvalidOrderError if an argument is invalid. O(1).
        """
        check_book(symbol, side)
        with self._lock:
            return self._find_book(symbol, side).best_price()

    def top(self, symbol: str) -> TopOfBook:
        """Return the best bid and the best ask, with the amount at each, the spread, and the mid price.

        Raises InvalidOrderError if the symbol is invalid. O(1).

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "JPM", Side.SELL, 15, 17)
        >>> top = om.top("JPM")
        >>> top
        TopOfBook(symbol='JPM', bid=17, ask=20, bid_amount=15, ask_amount=20)
        >>> top.spread, top.mid
        (3, Fraction(37, 2))

        """
        with self._lock:
            return pricing.top(*(self._find_book(symbol, side) for side in Side))

    def depth(self, symbol: str, side: Side, levels: int | None = None) -> tuple[PriceLevel, ...]:
        """Return the best `levels` price levels of a book, best first, or all of them if `levels` is None.

        Raises InvalidOrderError if an argument is invalid. O(k) for k returned levels.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "JPM", Side.BUY, 10, 20)
        >>> om.depth("JPM", Side.BUY)
        (PriceLevel(price=20, amount=30, orders=2),)

        """
        check_book(symbol, side)
        if levels is not None:
            check_positive("levels", levels)
        with self._lock:
            return self._find_book(symbol, side).depth(levels)

    def price_curve(self, symbol: str, side: Side, levels: int | None = None) -> dict[str, list[int]]:
        """Return a book's price levels and their running totals as a dict of columns.

        There is one row for each of the best `levels` price levels, or for all of them if `levels` is
        None. The columns are `price` (ticks), `amount` (lots), `cumulative_amount` (lots), and
        `cumulative_price` (ticks times lots). You can pass the dict to a pandas or polars DataFrame.

        Raises InvalidOrderError if an argument is invalid. O(k) for k rows.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
        >>> om.price_curve("JPM", Side.BUY)["cumulative_price"]
        [400, 610]

        """
        check_book(symbol, side)
        if levels is not None:
            check_positive("levels", levels)
        with self._lock:
            return pricing.price_curve(self._find_book(symbol, side).amounts(), levels)

    def calculate_amount(
        self, symbol: str, side: Side, budget: int, *, limit_price: int | None = None
    ) -> int:
        """Return the amount (lots) that `budget` can buy, or that must be sold to raise `budget`.

        `budget` is in ticks times lots. For BUY, the result is the largest available amount that costs at
        most `budget`. It is 0 if the budget is too small for one lot. For SELL, the result is the smallest
        amount that brings in at least `budget`. Orders worse than `limit_price` (ticks) are ignored.

        Raises InvalidOrderError if an argument is invalid. For SELL, raises InsufficientLiquidityError
        with the unit "money" if the available amount brings in less than `budget`. O(k) for the k orders
        that a trade of this amount would fill.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
        >>> om.calculate_amount("JPM", Side.BUY, 450)
        22

        """
        check_book(symbol, side)
        check_positive("budget", budget)
        check_limit(limit_price)
        with self._lock:
            return pricing.amount_for(self._find_book(symbol, side), budget, limit_price)

    def available_amount(self, symbol: str, side: Side, *, limit_price: int | None = None) -> int:
        """Return the amount (lots) that can be traded at `limit_price` (ticks) or better.

        Without a limit price, return the total amount in the book.

        Raises InvalidOrderError if an argument is invalid. O(k) for k price levels at the limit or better.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.available_amount("JPM", Side.BUY, limit_price=20)
        20

        """
        check_book(symbol, side)
        check_limit(limit_price)
        with self._lock:
            return pricing.available_amount(self._find_book(symbol, side), limit_price)

    def amount_within(self, symbol: str, side: Side, max_slippage_bps: int) -> int:
        """Return the largest amount (lots) that you can trade with at most this much slippage.

        `max_slippage_bps` is an integer of at least 0, in basis points. It applies to the exact slippage,
        not to the rounded float that `Quote.slippage_bps` returns. The result is 0 if the book is empty.

        Raises InvalidOrderError if an argument is invalid. O(k) for the k orders that a trade of this
        amount would fill.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
        >>> om.amount_within("JPM", Side.BUY, 50)  # 22 lots would slip by 45.5 bps, 23 by 65.2
        22

        """
        check_book(symbol, side)
        check_slippage(max_slippage_bps)
        with self._lock:
            return pricing.amount_within(self._find_book(symbol, side).amounts(), max_slippage_bps)

    def _fill(
        self, symbol: str, side: Side, amount: int, limit_price: int | None, allow_partial: bool
    ) -> pricing.Filled:
        book = self._find_book(symbol, side)
        check_fill(amount, limit_price, allow_partial)
        return pricing.fill(book, amount, limit_price, allow_partial=allow_partial)
