"""The class OrderManagement, which contains the order books of many symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import chain
from typing import Self

from oms import ladder, pricing
from oms.books import Books
from oms.clock import Clock, checked_clock
from oms.copies import Copyable
from oms.durability import DurableLedger
from oms.errors import DuplicateOrderError, InvalidArgumentError, OrderNotFoundError
from oms.events import (
    Event,
    Journal,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    TradePlaced,
)
from oms.frames import Frame
from oms.instrument import Instrument
from oms.ledger import Ledger
from oms.locked import Locked
from oms.models import (
    Order,
    PriceLevel,
    Quote,
    Side,
    Trade,
    as_amounts,
    check_amendment,
    check_book,
    check_bounds,
    check_fill,
    check_limit,
    check_note,
    check_order,
    check_order_id,
    check_positive,
    check_selection,
    check_slippage,
    check_total_price,
    new_order,
)
from oms.order_book import OrderBook
from oms.order_rows import as_rows
from oms.reference_data import ReferenceData
from oms.top_of_book import TopOfBook
from oms.transaction import Transaction

__all__ = ["OrderManagement"]


class OrderManagement(ReferenceData, Copyable):
    """The order books of many symbols, with exact prices and trades.

    Each symbol has two books. The BUY book contains the asks. BUY trades fill them from the lowest price
    up. The SELL book contains the bids. SELL trades fill them from the highest price down. At the same
    price, the order with the lowest id is filled first. Symbols are non-empty strings and do not have to
    be registered.

    All numbers are exact integers. Amounts are in lots and prices in ticks. A total price is what a whole
    trade costs or brings in, in ticks times lots. Use `Instrument` to convert decimals to and from these
    units. If you set the instrument of a symbol, with the argument `instruments` or with `set_instrument`,
    notebooks and plots show its prices and amounts in decimals.

    If a method raises an `oms` error, nothing has changed. This does not apply to errors raised by
    subscribers, which are called after the change. An OrderManagement is thread-safe.

    With a `journal`, each method stores its change in the journal before it returns. A transaction stores
    all of its changes together when it ends. If the journal cannot store a change, the call raises
    JournalError. A new OrderManagement loads its state from the journal. This takes O(n log n) for n
    stored orders and events.

    With a `clock`, each event has the time at which its change was made. The clock is a function without
    arguments that returns an integer from 0 to 2^63-1, in nanoseconds since 1970, such as `time.time_ns`.
    Times never affect a result, so they can also go back. Copies, pickles, and snapshots do not contain the
    clock.

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

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        instruments: Mapping[str, Instrument] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._books = Books()
        self._journal = journal
        self._ledger = Ledger(self._books) if journal is None else DurableLedger(self._books, journal)
        self._lock = self._ledger.lock
        self._ledger.clock = checked_clock(clock)
        self._orders, self._by_name = self._books.orders, self._books.by_name
        self._start(journal, instruments)

    def _begin(self) -> None:
        OrderManagement.__init__(self)

    # ------------------------------------------------------------------ the four basic methods

    def add_order(self, order_id: int, symbol: str, side: Side, amount: int, price: int) -> None:
        """Add a resting order of `amount` lots at `price` ticks.

        `order_id` is an integer from 0 to 2^63-1 that no other resting order uses. You can reuse an id
        once its order has been filled or removed. `amount` and `price` are integers from 1 to 2^63-1.
        Adding an order never triggers a trade.

        Raises InvalidOrderError if an argument has the wrong type or is out of range, and
        DuplicateOrderError if a resting order already has this id. O(log n) for n orders in the book.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.get_order(1)
        Order(order_id=1, symbol='JPM', side=<Side.BUY: 'BUY'>, amount=20, price=20)

        """
        check_order(order_id, symbol, side, amount, price)
        with self._lock:
            if self._ledger.busy:
                self._ledger.admit()
            if order_id in self._orders:
                raise DuplicateOrderError(order_id)
            self._ledger.commit(OrderAdded, (order_id, symbol, side, amount, price))

    def remove_order(self, order_id: int) -> None:
        """Remove a resting order.

        Raises InvalidOrderError if `order_id` is not an integer from 0 to 2^63-1, and OrderNotFoundError
        if no resting order has this id. O(log n) for n orders in the book.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.remove_order(1)
        >>> 1 in om
        False

        """
        if type(order_id) is not int:
            check_order_id(order_id)
        with self._lock:
            if self._ledger.busy:
                self._ledger.admit()
            order = self._orders.get(order_id)
            if order is None:
                check_order_id(order_id)
                raise OrderNotFoundError(order_id)
            self._ledger.commit(OrderRemoved, order)

    def calculate_price(self, symbol: str, side: Side, amount: int) -> int:
        """Return what a trade of `amount` lots would cost (BUY) or bring in (SELL), in ticks times lots.

        `amount` is an integer of at least 1. The book does not change.

        Raises InvalidOrderError if an argument is invalid, and InsufficientLiquidityError if fewer than
        `amount` lots are available. At most O(k) for the k orders that the trade would fill. Running
        totals are cached, so most later calls take O(log k).

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

    def place_trade(
        self,
        symbol: str,
        side: Side,
        amount: int,
        *,
        limit_price: int | None = None,
        max_total_price: int | None = None,
        min_total_price: int | None = None,
        allow_partial: bool = False,
    ) -> Trade:
        """Fill `amount` lots from the book, best price first, and return the trade.

        By default, a trade that cannot be filled completely raises InsufficientLiquidityError. With
        `allow_partial`, the trade fills as much as is available, and raises InsufficientLiquidityError only
        if nothing is available.

        `limit_price` (ticks) is the highest price that a BUY trade accepts, or the lowest that a SELL
        trade accepts. `max_total_price` caps the total cost of a BUY trade, in ticks times lots.
        `min_total_price` is the least that a SELL trade may bring in. To trade at a quoted price or
        better, pass the quote's `total_price` as the bound.

        Raises InvalidOrderError if an argument is invalid. Raises InsufficientLiquidityError if not enough
        is available at the limit price or better. Raises PriceBoundError if the trade would cost more than
        `max_total_price` or bring in less than `min_total_price`. Takes O(k log n) for k filled orders and
        n orders in the book.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.place_trade("JPM", Side.BUY, 5).fills
        (OrderFill(order_id=1, amount=5, price=20),)
        >>> om.place_trade("JPM", Side.BUY, 99, limit_price=20, allow_partial=True).amount
        15

        """
        if max_total_price is not None or min_total_price is not None:
            check_bounds(side, max_total_price, min_total_price)
        with self._lock:
            fills, traded, total = self._fill(symbol, side, amount, limit_price, allow_partial)
            check_total_price(total, max_total_price, min_total_price)
            trade = Trade(self._books.next_trade_id, symbol, side, traded, total, fills)
            remaining = self._books.orders[fills[-1].order_id][3] - fills[-1].amount
            self._ledger.commit(TradePlaced, (trade, remaining))
            return trade

    # ------------------------------------------------------------------ other changes

    def amend_order(self, order_id: int, *, amount: int | None = None, price: int | None = None) -> Order:
        """Change a resting order's amount (lots), price (ticks), or both, and return the new order.

        `amount` is the new resting amount. `amount` and `price` are integers from 1 to 2^63-1. Pass None
        to leave a value unchanged. If the price stays the same, the order keeps its place in the queue. At
        a new price, its place depends on its id, because the lowest id is filled first.

        Raises InvalidOrderError if an argument is invalid or if both are None, and OrderNotFoundError if
        no resting order has this id. O(log n) for n orders in the book.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.amend_order(1, amount=5).amount
        5

        """
        check_order_id(order_id)
        check_amendment(amount, price)
        with self._lock:
            before = self._find(order_id)
            _, symbol, side, old_amount, old_price = before
            after = Order(order_id, symbol, side, amount or old_amount, price or old_price)
            if after != before:
                self._ledger.commit(OrderAmended, (before, after))
            return after

    def add_orders(self, orders: Iterable[Order] | Mapping[str, object] | Frame) -> None:
        """Add many orders at once. Either all of them are added, or none.

        `orders` is an iterable of Order, a mapping of columns, a pandas or polars data frame, or an Arrow
        table. This method is faster than calling `add_order` for each order, because it updates each book
        only once.

        Each column is a list, a tuple, or a one-dimensional array. Its name is that of an Order field. A
        column of ids, amounts, or prices may contain the integers of another library, such as numpy. Sides
        can also be the strings "BUY" and "SELL". If all orders have the same symbol or side, a mapping can
        contain a single value instead of a column. For columns of decimal numbers, see `Instrument.orders`.

        Raises InvalidOrderError if an order is not valid, and DuplicateOrderError if an id occurs twice or
        belongs to a resting order. If you pass columns, the error names the row, counted from 0. Takes
        O(m log n) for m new orders and n resting orders.

        >>> om = OrderManagement()
        >>> om.add_orders(Order(n, "JPM", Side.BUY, 10, 20 + n) for n in range(1000))
        >>> len(om)
        1000
        >>> columns = {"order_id": [1001, 1002], "amount": [5, 7], "price": [19, 18]}
        >>> om.add_orders(columns | {"symbol": "JPM", "side": Side.SELL})
        >>> om.best_price("JPM", Side.SELL)
        19

        """
        incoming = as_rows(orders)
        with self._lock:
            self._admitted().check_new(incoming)
            if incoming:
                self._ledger.commit(OrdersAdded, incoming)

    def remove_orders(self, symbol: str | None = None, side: Side | None = None) -> tuple[Order, ...]:
        """Remove all resting orders, or only those with this symbol, this side, or both. Return them.

        None selects every symbol or every side, so `remove_orders()` removes all orders. The removed orders
        are sorted as in `orders`.

        Raises InvalidOrderError if an argument is invalid. O(m) for m removed orders, plus
        O(s log s) for s symbols if `symbol` is None.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "JPM", Side.SELL, 20, 19)
        >>> [order.order_id for order in om.remove_orders("JPM", Side.SELL)]
        [2]

        """
        check_selection(symbol, side)
        with self._lock:
            removed = self._list(symbol, side)
            if removed:
                self._ledger.commit(OrdersRemoved, removed)
            return removed

    # ------------------------------------------------------------------ transactions, the lock, subscribers

    def transaction(self, note: str | None = None) -> AbstractContextManager[Self]:
        """Return a context manager that commits all changes in its block together, or none of them.

        If the block raises an exception, all of its changes are rolled back. If the journal cannot store
        the changes, they are rolled back too, and leaving the block raises JournalError. Calls in the
        block see the changes made so far.

        Subscribers are notified after the commit. Calls from other threads wait until the block ends. If
        they have to wait for 30 seconds, they raise OpenTransactionError. Calls from other tasks in the same
        thread raise this error immediately.

        A nested transaction is a savepoint. It can be rolled back on its own, but it is committed only
        together with the outer transaction. `note` is attached to every event of the transaction.

        Raises InvalidArgumentError if the note is neither None nor valid text. A rollback takes about as
        long as the changes themselves.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "IBM", Side.BUY, 20, 90)
        >>> with om.transaction():  # both trades, or none
        ...     trades = [om.place_trade(symbol, Side.BUY, 10) for symbol in ("JPM", "IBM")]
        >>> [trade.total_price for trade in trades]
        [200, 900]

        """
        check_note(note)
        return Transaction(self, self._ledger, keep=True, note=note)

    def what_if(self) -> AbstractContextManager[Self]:
        """Return a context manager that rolls back all changes in its block when the block ends.

        Use it to try out changes, for example to see how they would affect a price. Calls in the block see
        the changes, but subscribers and the journal do not. As with a transaction, calls from other threads
        wait until the block ends. The rollback takes about as long as the changes themselves, however large
        the books are.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
        >>> with om.what_if():
        ...     om.remove_order(1)
        ...     om.calculate_price("JPM", Side.BUY, 10)
        210
        >>> om.calculate_price("JPM", Side.BUY, 10)
        200

        """
        return Transaction(self, self._ledger, keep=False, note=None)

    def locked(self) -> AbstractContextManager[Self]:
        """Return a context manager that holds the lock, so that all queries in its block see the same state.

        You can also change the books in the block. Each change takes effect immediately, as usual. Calls
        from other threads wait until the block ends. Only cached prices can be read without the lock. Do
        not use `await` in the block, because other tasks in the same thread do not wait for the lock.

        Entering the block raises OpenTransactionError while another task in this thread has a transaction
        open. O(1).

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "JPM", Side.SELL, 15, 18)
        >>> with om.locked():
        ...     spread = om.best_price("JPM", Side.BUY) - om.best_price("JPM", Side.SELL)
        >>> spread
        2

        """
        return Locked(self, self._ledger)

    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call `callback(event)` after every change from now on. Return a function that unsubscribes it.

        Callbacks run one at a time, in the order in which they subscribed. They run with the lock held,
        after the change has been made or the transaction has been committed. A callback can change the
        books itself. The event for that change is published after all subscribers have received the
        current event.

        An exception in a callback does not roll back the change, and the other subscribers are still
        notified. The method that made the change then raises the exception, or an ExceptionGroup if there
        are several.

        Raises InvalidArgumentError if `callback` is not callable. O(1).

        >>> om = OrderManagement()
        >>> unsubscribe = om.subscribe(lambda event: print(event.sequence, type(event).__name__))
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        1 OrderAdded
        >>> unsubscribe()

        """
        if not callable(callback):
            raise InvalidArgumentError("callback", callback, "a callable that takes an event")
        with self.locked():
            return self._ledger.subscribers.subscribe(callback)

    @property
    def clock(self) -> Clock | None:
        """The clock that gives events their time, or None if events have no time.

        You can set it at any time, also inside a transaction. Each event has the time at which its method
        was called. The clock is called once for each event, with the lock held, and only if a subscriber, a
        journal, or a transaction needs the event. It cannot use these books, and is not called in a what-if.
        If the clock raises an exception or returns anything but an int from 0 to 2^63-1, the method raises
        that exception or InvalidArgumentError, and nothing changes.

        Setting a clock raises InvalidArgumentError unless it is None or callable. O(1).

        >>> om = OrderManagement(clock=lambda: 1_792_998_000_000_000_000)
        >>> unsubscribe = om.subscribe(lambda event: print(event.time))
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        1792998000000000000
        >>> om.clock = None
        >>> om.remove_order(1)
        None

        """
        return self._ledger.clock

    @clock.setter
    def clock(self, clock: Clock | None) -> None:
        with self.locked():
            self._ledger.clock = checked_clock(clock)

    # ------------------------------------------------------------------ queries

    def get_order(self, order_id: int) -> Order:
        """Return the resting order with this id.

        Raises InvalidOrderError if `order_id` is not an integer from 0 to 2^63-1, and OrderNotFoundError
        if no resting order has this id. O(1).
        """
        check_order_id(order_id)
        with self._lock:
            return self._find(order_id)

    def orders(self, symbol: str | None = None, side: Side | None = None) -> tuple[Order, ...]:
        """Return the resting orders, optionally filtered by symbol, side, or both.

        The orders are sorted by symbol, side (BUY first), price (best first), and id. The result is a
        snapshot, so later changes do not affect it.

        Raises InvalidOrderError if an argument is invalid. O(m) for m returned orders, and O(s log s) for
        s symbols if `symbol` is None.
        """
        check_selection(symbol, side)
        with self._lock:
            return self._list(symbol, side)

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that have resting orders, sorted. O(s log s) for s symbols."""
        with self.locked():
            return tuple(sorted({symbol for symbol, _ in self._by_name}))

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

        Raises InvalidOrderError if an argument is invalid. O(levels).

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

    def __contains__(self, order_id: object) -> bool:
        """Return True if there is a resting order with this id. O(1)."""
        with self._lock:
            return type(order_id) is int and order_id in self._admitted().orders

    def __len__(self) -> int:
        """Return the number of resting orders. O(1)."""
        with self._lock:
            return len(self._admitted().orders)

    def __iter__(self) -> Iterator[Order]:
        """Iterate over a snapshot of all resting orders, sorted as in `orders`."""
        return iter(self.orders())

    def __repr__(self) -> str:
        return ladder.as_text(self)

    __rich_repr__ = ladder.as_fields
    _repr_html_ = ladder.as_html

    # ------------------------------------------------------------------ prices

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

    def calculate_prices(self, symbol: str, side: Side, amounts: Iterable[int]) -> list[int]:
        """Return the total price of each of several amounts, in ticks times lots.

        `amounts` contains integers of at least 1, in lots. Each price is what a separate trade of that
        amount would cost (BUY) or bring in (SELL). All prices are based on the same state of the book.

        Raises InvalidOrderError if an argument is invalid, and InsufficientLiquidityError for the first
        amount that is not available. At most O(k) for the k orders that the largest trade would fill, plus
        O(log k) for each amount.

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

    def price_curve(self, symbol: str, side: Side, levels: int | None = None) -> dict[str, list[int]]:
        """Return a book's price levels and their running totals as a dict of columns.

        There is one row for each of the best `levels` price levels, or for all of them if `levels` is
        None. The columns are `price` (ticks), `amount` (lots), `cumulative_amount` (lots), and
        `cumulative_price` (ticks times lots). You can pass the dict to a pandas or polars DataFrame.

        Raises InvalidOrderError if an argument is invalid. O(levels).

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

    # ------------------------------------------------------------------ the whole state

    def state_hash(self) -> str:
        """Return a SHA-256 hash (hex) of all resting orders, the next trade id, and the next sequence number.

        Equal states have equal hashes, on every platform and in every process. O(n) for n resting orders.
        """
        with self.locked():
            return self._books.canonical_hash(self._ledger.sequence + 1)

    # ------------------------------------------------------------------ the journal

    @property
    def journal(self) -> Journal | None:
        """The journal that stores every change, or None if there is no journal."""
        return self._journal

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last event, or 0 if there are no events yet.

        Inside a transaction or a what-if, it counts the provisional changes too.
        """
        with self.locked():
            return self._ledger.sequence

    def close(self) -> None:
        """Close the journal, if there is one. Queries still work afterwards, but changes raise JournalError.

        Leaving `with OrderManagement(journal) as om:` calls this method. Without a journal, it does
        nothing.

        Raises OpenTransactionError inside a transaction or a what-if, and JournalError if the journal
        cannot be closed.
        """
        with self.locked():
            self._ledger.check_closed("closing")
            if self._journal is not None:
                self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ helpers

    # The caller must hold the lock. Each helper waits until no other thread has a transaction open.

    def _admitted(self) -> Books:
        if self._ledger.busy:
            self._ledger.admit()
        return self._books

    def _fill(
        self, symbol: str, side: Side, amount: int, limit_price: int | None, allow_partial: bool
    ) -> pricing.Filled:
        book = self._find_book(symbol, side)
        check_fill(amount, limit_price, allow_partial)
        return pricing.fill(book, amount, limit_price, allow_partial=allow_partial)

    def _list(self, symbol: str | None, side: Side | None) -> tuple[Order, ...]:
        return tuple(chain.from_iterable(book.orders() for book in self._admitted().select(symbol, side)))

    def _find_book(self, symbol: str, side: Side) -> OrderBook:
        """Return a book. If the book has no orders, return a new empty book without storing it."""
        check_book(symbol, side)
        book = self._admitted().by_name.get((symbol, side))
        return OrderBook(symbol, side) if book is None else book

    def _find(self, order_id: int) -> Order:
        order = self._admitted().orders.get(order_id)
        if order is None:
            raise OrderNotFoundError(order_id)
        return new_order(order)

    def _check(self) -> None:
        """Assert every invariant, for tests and debugging. O(n log n) for n orders."""
        with self.locked():
            self._books._check()
