"""The class OrderManagement, which contains the order books of many symbols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from oms.errors import DuplicateOrderError, OrderNotFoundError
from oms.events import (
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    TradePlaced,
)
from oms.frames import Frame
from oms.models import (
    Order,
    Side,
    Trade,
    check_amendment,
    check_bounds,
    check_order,
    check_order_id,
    check_selection,
    check_total_price,
    new_order,
)
from oms.order_rows import as_rows
from oms.queries import Queries
from oms.reference_data import Convertible
from oms.submission import QueueAhead

__all__ = ["OrderManagement"]


class OrderManagement(Queries, Convertible):
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

    With a `clock`, each event has a timestamp: the time at which its change was made. The clock is a function
    without arguments that returns an integer from 0 to 2^63-1, in nanoseconds since 1970, such as
    `time.time_ns`. Timestamps never affect a result, so the clock may even run backward. Copies, pickles, and
    snapshots do not contain the clock.

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

    def _begin(self) -> None:
        OrderManagement.__init__(self)

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
            if self._ledger.busy:
                self._ledger.admit()
            fills, traded, total = self._fill(symbol, side, amount, limit_price, allow_partial)
            check_total_price(total, max_total_price, min_total_price)
            trade = Trade(self._books.next_trade_id, symbol, side, traded, total, fills)
            remaining = self._books.orders[fills[-1].order_id][3] - fills[-1].amount
            self._ledger.commit(TradePlaced, (trade, remaining))
            return trade

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
            if self._ledger.busy:
                self._ledger.admit()
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

        Each column is a list, a tuple, or a one-dimensional array, and has the name of an Order field. A
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
            if self._ledger.busy:
                self._ledger.admit()
            self._books.check_new(incoming)
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
            if self._ledger.busy:
                self._ledger.admit()
            removed = self._list(symbol, side)
            if removed:
                self._ledger.commit(OrdersRemoved, removed)
            return removed

    def get_order(self, order_id: int) -> Order:
        """Return the resting order with this id.

        Raises InvalidOrderError if `order_id` is not an integer from 0 to 2^63-1, and OrderNotFoundError
        if no resting order has this id. O(1).
        """
        check_order_id(order_id)
        with self._lock:
            return self._find(order_id)

    def queue_ahead(self, order_id: int) -> QueueAhead:
        """Return the number and the total amount (lots) of the orders ahead of an order at its price.

        Raises InvalidOrderError if `order_id` is not an integer from 0 to 2^63-1, and OrderNotFoundError
        if no resting order has this id. O(k) for k orders ahead.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "JPM", Side.BUY, 5, 20)
        >>> om.add_order(3, "JPM", Side.BUY, 10, 20)
        >>> om.queue_ahead(3)
        QueueAhead(orders=2, amount=25)

        """
        check_order_id(order_id)
        with self._lock:
            order = self._find(order_id)
            return QueueAhead(*self._by_name[order.symbol, order.side].queue_ahead(order))

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

    def __contains__(self, order_id: object) -> bool:
        """Return True if there is a resting order with this id. O(1)."""
        with self._lock:
            return type(order_id) is int and order_id in self._readable().orders

    def __iter__(self) -> Iterator[Order]:
        """Iterate over a snapshot of all resting orders, sorted as in `orders`."""
        return iter(self.orders())

    def _list(self, symbol: str | None, side: Side | None) -> tuple[Order, ...]:
        return tuple(chain.from_iterable(book.orders() for book in self._readable().select(symbol, side)))

    def _find(self, order_id: int) -> Order:
        order = self._readable().orders.get(order_id)
        if order is None:
            raise OrderNotFoundError(order_id)
        return new_order(order)
