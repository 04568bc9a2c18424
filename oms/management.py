"""OrderManagement: the facade over the books of many symbols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import RLock

from oms.errors import DuplicateOrderError, InsufficientLiquidityError, InvalidOrderError, OrderNotFoundError
from oms.execution import execute
from oms.models import (
    Order,
    PriceLevel,
    Side,
    Trade,
    check_book,
    check_order,
    check_order_id,
    check_positive,
    check_resting,
    check_side,
    check_symbol,
)
from oms.order_book import OrderBook
from oms.pricing import fills, total_price

__all__ = ["OrderManagement"]


class OrderManagement:
    """Resting orders in sorted books: says exactly what an amount would cost, and executes trades.

    All amounts, prices and totals are exact integers (lots, ticks, ticks times lots). A verb that
    raises has changed nothing. Any number of threads may share one OrderManagement.

    >>> from oms import OrderManagement, Side
    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
    >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
    >>> om.calculate_price("JPM", Side.BUY, 20)
    400
    >>> om.calculate_price("JPM", Side.BUY, 10)
    200
    >>> om.calculate_price("JPM", Side.BUY, 22)  # 20 at 20 and 2 at 21
    442
    >>> trade = om.place_trade("JPM", Side.BUY, 22)
    >>> trade.total_price
    442
    >>> 1 in om, om.get_order(4).amount
    (False, 8)

    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._books: dict[tuple[str, Side], OrderBook] = {}  # none is empty
        self._book_of: dict[int, OrderBook] = {}
        self._next_trade_id = 1

    # ------------------------------------------------------------------ the four verbs

    def add_order(self, order_id: int, symbol: str, side: Side, amount: int, price: int) -> None:
        """Rest an order of `amount` lots at `price` ticks, in O(log n); adding never matches.

        Raises InvalidOrderError (id in 0..2^63-1, amount and price in 1..2^63-1) and
        DuplicateOrderError. An id is free again once its order is filled or removed.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.get_order(1)
        Order(order_id=1, symbol='JPM', side=<Side.BUY: 'BUY'>, amount=20, price=20)

        """
        check_order(order_id, symbol, side, amount, price)
        with self._lock:
            if order_id in self._book_of:
                raise DuplicateOrderError(order_id)
            book = self._open_book(symbol, side)
            book.add(Order(order_id, symbol, side, amount, price))
            self._book_of[order_id] = book

    def remove_order(self, order_id: int) -> None:
        """Take a resting order out of its book, in O(log n).

        Raises InvalidOrderError and OrderNotFoundError.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.remove_order(1)
        >>> 1 in om
        False

        """
        check_order_id(order_id)
        with self._lock:
            book = self._find_book(order_id)
            book.remove(order_id)
            self._forget(book, (order_id,))

    def calculate_price(self, symbol: str, side: Side, amount: int) -> int:
        """Say what a trade of `amount` lots would cost (BUY) or raise (SELL), in ticks times lots.

        Raises InvalidOrderError (the amount is any int >= 1) and InsufficientLiquidityError. At most
        O(k) in the k orders that the trade would consume, whatever the size of the book.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.SELL, 20, 19)
        >>> om.add_order(2, "JPM", Side.SELL, 10, 21)
        >>> om.calculate_price("JPM", Side.SELL, 12)  # 10 at 21 and 2 at 19
        248

        """
        check_book(symbol, side)
        check_positive("amount", amount)
        with self._lock:
            return total_price(self._book_to_trade(symbol, side, amount), amount)

    def place_trade(self, symbol: str, side: Side, amount: int) -> Trade:
        """Trade `amount` lots against the book, all or nothing, best price first.

        The trade costs exactly what `calculate_price` said. Raises InvalidOrderError and
        InsufficientLiquidityError. O(k log n) for the k orders consumed.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.place_trade("JPM", Side.BUY, 5).fills
        (OrderFill(order_id=1, amount=5, price=20),)

        """
        check_book(symbol, side)
        check_positive("amount", amount)
        with self._lock:
            book = self._book_to_trade(symbol, side, amount)
            taken = fills(book, amount)
            total = sum(fill.amount * fill.price for fill in taken)
            trade = Trade(self._next_trade_id, symbol, side, amount, total, taken)
            self._next_trade_id += 1
            self._forget(book, execute(book, taken))
            return trade

    # ------------------------------------------------------------------ more changes

    def amend_order(self, order_id: int, *, amount: int | None = None, price: int | None = None) -> Order:
        """Change what rests of an order (`amount`, lots), its `price` (ticks), or both; return it.

        An order amended in amount alone keeps its place, in O(1); at another price it takes the
        place of its id there, in O(log n). Raises InvalidOrderError (also if neither is given)
        and OrderNotFoundError.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.amend_order(1, amount=5).amount
        5

        """
        check_order_id(order_id)
        if amount is None and price is None:
            raise InvalidOrderError("amount", None, "given, or price, or both")
        if amount is not None:
            check_resting("amount", amount)
        if price is not None:
            check_resting("price", price)
        with self._lock:
            book = self._find_book(order_id)
            before = book[order_id]
            after = before._replace(
                amount=before.amount if amount is None else amount,
                price=before.price if price is None else price,
            )
            if after.price != before.price:
                book.remove(order_id)
                book.add(after)
            elif after.amount != before.amount:
                book.resize(order_id, after.amount)
            return after

    def add_orders(self, orders: Iterable[Order]) -> None:
        """Rest many orders, all or nothing: m of them with one sort a book, not m inserts.

        Raises InvalidOrderError and DuplicateOrderError. O(m log m), and at most O(n) besides.

        >>> om = OrderManagement()
        >>> om.add_orders(Order(n, "JPM", Side.BUY, 10, 20 + n) for n in range(1000))
        >>> len(om)
        1000

        """
        if not isinstance(orders, Iterable):
            raise InvalidOrderError("orders", orders, "an iterable of Order")
        incoming = list(orders)
        for order in incoming:
            if type(order) is not Order:
                raise InvalidOrderError("orders", order, "an iterable of Order")
            check_order(*order)
        with self._lock:
            self._refuse_duplicates(incoming)
            groups: dict[tuple[str, Side], list[Order]] = {}
            for order in incoming:
                groups.setdefault((order.symbol, order.side), []).append(order)
            for (symbol, side), group in groups.items():
                book = self._open_book(symbol, side)
                book.update(group)
                self._book_of.update((order.order_id, book) for order in group)

    def remove_orders(self, symbol: str | None = None, side: Side | None = None) -> tuple[Order, ...]:
        """Take out all orders of a symbol, a side, both, or all there are, and return them.

        Raises InvalidOrderError. O(m) for m orders removed, besides the number of books.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "JPM", Side.SELL, 20, 19)
        >>> [order.order_id for order in om.remove_orders("JPM", Side.SELL)]
        [2]

        """
        with self._lock:
            books = self._select(symbol, side)
            removed = tuple(order for book in books for order in book)
            for book in books:
                del self._books[book.symbol, book.side]
            for order in removed:
                del self._book_of[order.order_id]
            return removed

    # ------------------------------------------------------------------ questions

    def get_order(self, order_id: int) -> Order:
        """Look an order up by its id, in O(1). Raises InvalidOrderError and OrderNotFoundError."""
        check_order_id(order_id)
        with self._lock:
            return self._find_book(order_id)[order_id]

    def orders(self, symbol: str | None = None, side: Side | None = None) -> tuple[Order, ...]:
        """List the orders of a symbol, a side, both, or all: symbols sorted, BUY first, best first.

        The answer is a snapshot. Raises InvalidOrderError. O(m) for m orders listed.
        """
        with self._lock:
            return tuple(order for book in self._select(symbol, side) for order in book)

    def symbols(self) -> tuple[str, ...]:
        """List the symbols for which something rests, sorted."""
        with self._lock:
            return tuple(sorted({symbol for symbol, _ in self._books}))

    def best_price(self, symbol: str, side: Side) -> int | None:
        """Say at what price (ticks) the next trade starts, in O(1); None if nothing rests.

        Raises InvalidOrderError.
        """
        check_book(symbol, side)
        with self._lock:
            book = self._books.get((symbol, side))
            return None if book is None else book.best_price()

    def depth(self, symbol: str, side: Side, levels: int | None = None) -> tuple[PriceLevel, ...]:
        """List the best `levels` price levels (all if None), best first, in O(levels * log n).

        Raises InvalidOrderError.

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
            book = self._books.get((symbol, side))
            return () if book is None else book.depth(levels)

    def __contains__(self, order_id: object) -> bool:
        """Whether an order with this id is resting, in O(1)."""
        return type(order_id) is int and order_id in self._book_of

    def __len__(self) -> int:
        """How many orders are resting."""
        return len(self._book_of)

    def __iter__(self) -> Iterator[Order]:
        """Walk a snapshot of all orders, in the order of `orders`."""
        return iter(self.orders())

    def __repr__(self) -> str:
        with self._lock:
            return f"<OrderManagement: {len(self._book_of)} orders in {len(self._books)} books>"

    # ------------------------------------------------------------------ books

    def _find_book(self, order_id: int) -> OrderBook:
        try:
            return self._book_of[order_id]
        except KeyError:
            raise OrderNotFoundError(order_id) from None

    def _refuse_duplicates(self, incoming: Iterable[Order]) -> None:
        seen: set[int] = set()
        for order in incoming:
            if order.order_id in self._book_of or order.order_id in seen:
                raise DuplicateOrderError(order.order_id)
            seen.add(order.order_id)

    def _open_book(self, symbol: str, side: Side) -> OrderBook:
        book = self._books.get((symbol, side))
        if book is None:
            book = self._books[symbol, side] = OrderBook(symbol, side)
        return book

    def _book_to_trade(self, symbol: str, side: Side, amount: int) -> OrderBook:
        book = self._books.get((symbol, side))
        if book is None:
            raise InsufficientLiquidityError(symbol, side, amount, 0)
        return book

    def _select(self, symbol: str | None, side: Side | None) -> list[OrderBook]:
        """The books asked for, in the order of iteration."""
        if symbol is not None:
            check_symbol(symbol)
        if side is not None:
            check_side(side)
        symbols = sorted({name for name, _ in self._books}) if symbol is None else [symbol]
        sides = Side if side is None else [side]
        keys = [(name, each) for name in symbols for each in sides]
        return [self._books[key] for key in keys if key in self._books]

    def _forget(self, book: OrderBook, order_ids: Iterable[int]) -> None:
        """Prune what has left a book from the index, and the book itself once it is empty."""
        for order_id in order_ids:
            del self._book_of[order_id]
        if not book:
            del self._books[book.symbol, book.side]

    def _check(self) -> None:
        """Assert every invariant, in O(n log n); for tests and debugging."""
        with self._lock:
            for key, book in self._books.items():
                assert key == (book.symbol, book.side), "a book is found under its own name"
                assert len(book), "an empty book is forgotten"
                book._check()
            held = {order.order_id: book for book in self._books.values() for order in book}
            assert held == self._book_of, "the index names each order's own book, and no other id"
