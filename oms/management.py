"""OrderManagement: the facade over the books of many symbols."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Self

from oms import ladder, pricing
from oms.books import Books, checked_snapshot
from oms.conversions import as_order
from oms.durability import DurableLedger
from oms.errors import DuplicateOrderError, InvalidArgumentError, InvalidOrderError, OrderNotFoundError
from oms.events import (
    Event,
    Journal,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Snapshot,
    TradePlaced,
)
from oms.ledger import Ledger
from oms.locked import Locked
from oms.models import (
    Order,
    PriceLevel,
    Quote,
    Side,
    Trade,
    as_amounts,
    check_book,
    check_bounds,
    check_fill,
    check_limit,
    check_note,
    check_order,
    check_order_id,
    check_orders,
    check_positive,
    check_resting,
    check_selection,
    check_slippage,
    check_total_price,
    new_order,
)
from oms.order_book import OrderBook
from oms.transaction import Transaction

__all__ = ["OrderManagement"]


class OrderManagement:
    """Resting orders in sorted books: says exactly what an amount would cost, and executes trades.

    All amounts, prices and totals are exact integers (lots, ticks, ticks times lots). A verb that
    raises has changed nothing. Any number of threads may share one OrderManagement.

    With a `journal` it starts from what that holds, in O(n), and every change is in the journal before
    its verb returns; a change that cannot be is refused with JournalError.

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

    def __init__(self, journal: Journal | None = None) -> None:
        self._books = Books()
        self._journal = journal
        self._ledger = Ledger(self._books) if journal is None else DurableLedger(self._books, journal)
        self._lock = self._ledger.lock
        self._orders, self._by_name = self._books.orders, self._books.by_name

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
            if self._ledger.busy:
                self._ledger.admit()
            if order_id in self._orders:
                raise DuplicateOrderError(order_id)
            self._ledger.commit(OrderAdded, (order_id, symbol, side, amount, price))

    def remove_order(self, order_id: int) -> None:
        """Take a resting order out of its book, in O(log n).

        Raises InvalidOrderError and OrderNotFoundError.

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
        """Say what a trade of `amount` lots would cost (BUY) or raise (SELL), in ticks times lots.

        Raises InvalidOrderError (the amount is any int >= 1) and InsufficientLiquidityError. At most
        O(k) in the k orders that the trade would consume, whatever the size of the book.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.SELL, 20, 19)
        >>> om.add_order(2, "JPM", Side.SELL, 10, 21)
        >>> om.calculate_price("JPM", Side.SELL, 12)  # 10 at 21 and 2 at 19
        248

        """
        if not (type(symbol) is str and type(side) is Side and type(amount) is int and amount > 0):
            check_book(symbol, side)
            check_positive("amount", amount)
        # What is known is read without the lock, and true if nothing changed while it was read.
        version = self._ledger.version
        book = self._by_name.get((symbol, side))
        if book is not None and not version & 1:
            known = book.cached_price(amount)
            if known is not None and self._ledger.version == version:
                return known
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
        """Trade `amount` lots against the book, best price first; all or nothing unless told otherwise.

        It costs exactly what `calculate_price` and `quote` say. `limit_price` (ticks) is the worst
        price taken; `max_total_price` bounds what a BUY costs, `min_total_price` what a SELL raises
        (ticks times lots): so a quote that was shown is the price that is paid. With `allow_partial`
        less than `amount` is a trade, but nothing at all is still an error.

        Raises InvalidOrderError, InsufficientLiquidityError and PriceBoundError. O(k log n) for
        the k orders consumed.

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
            raise InvalidOrderError("amount or price", None, "given")
        if amount is not None:
            check_resting("amount", amount)
        if price is not None:
            check_resting("price", price)
        with self._lock:
            before = self._find(order_id)
            after = before._replace(
                amount=before.amount if amount is None else amount,
                price=before.price if price is None else price,
            )
            if after != before:
                self._ledger.commit(OrderAmended, (before, after))
            return after

    def add_orders(self, orders: Iterable[Order]) -> None:
        """Rest many orders, all or nothing: with one sort a book where they are many, not m inserts.

        Raises InvalidOrderError and DuplicateOrderError. O(m log n) for m orders beside n.

        >>> om = OrderManagement()
        >>> om.add_orders(Order(n, "JPM", Side.BUY, 10, 20 + n) for n in range(1000))
        >>> len(om)
        1000

        """
        if not isinstance(orders, Iterable) or isinstance(orders, Order):  # whose fields can be iterated too
            raise InvalidOrderError("orders", orders, "an iterable of Order", as_order(orders))
        incoming = list(orders)
        check_orders(incoming)
        with self._lock:
            self._admitted().check_new(incoming)
            if incoming:
                self._ledger.commit(OrdersAdded, tuple(incoming))

    def remove_orders(self, symbol: str | None = None, side: Side | None = None) -> tuple[Order, ...]:
        """Take out all orders of a symbol, a side, both, or all there are, and return them.

        Raises InvalidOrderError. O(m) for m orders removed, besides the number of books.

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

    # ------------------------------------------------------------------ several at once

    def transaction(self, note: str | None = None) -> AbstractContextManager[Self]:
        """Make the verbs inside all or nothing: any exception undoes them, as if they had never been.

        Verbs inside see the changes before them; other threads wait, subscribers hear of them
        after the outermost exit. Inside another transaction it is a savepoint. `note` travels in
        each event. Raises InvalidArgumentError. Undoing costs what doing did.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "IBM", Side.BUY, 20, 90)
        >>> with om.transaction():  # a basket, or nothing
        ...     trades = [om.place_trade(symbol, Side.BUY, 10) for symbol in ("JPM", "IBM")]
        >>> [trade.total_price for trade in trades]
        [200, 900]

        """
        check_note(note)
        return Transaction(self, self._ledger, keep=True, note=note)

    def what_if(self) -> AbstractContextManager[Self]:
        """Try anything, ask anything, leave: whatever changed inside is undone in any case.

        Neither subscribers nor other threads see it. It costs what was touched, whatever rests.

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
        """Hold the lock, so that all questions inside are answered at one moment.

        You may change the books inside; each verb takes effect by itself, as usual. Other threads wait
        until the block ends, except for cached prices, which they get at once. Do not await inside:
        the lock belongs to the thread, so another task of it would be let in. Raises
        OpenTransactionError while another task of this thread has a transaction open. O(1).

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
        """Call `callback(event)` after each change from now on; return what ends that.

        It is called under the lock, in order, after the change (after the commit of a transaction).
        A verb that it calls is told of after the present event has reached everyone. What it raises
        undoes nothing: the others are told, then the exception reaches the caller of the verb;
        several as an ExceptionGroup. Raises InvalidArgumentError.

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

    # ------------------------------------------------------------------ questions

    def get_order(self, order_id: int) -> Order:
        """Look an order up by its id, in O(1). Raises InvalidOrderError and OrderNotFoundError."""
        check_order_id(order_id)
        with self._lock:
            return self._find(order_id)

    def orders(self, symbol: str | None = None, side: Side | None = None) -> tuple[Order, ...]:
        """List the orders of a symbol, a side, both, or all: symbols sorted, BUY first, best first.

        The answer is a snapshot. Raises InvalidOrderError. O(m) for m orders listed.
        """
        check_selection(symbol, side)
        with self._lock:
            return self._list(symbol, side)

    def symbols(self) -> tuple[str, ...]:
        """List the symbols for which something rests, sorted."""
        with self.locked():
            return tuple(sorted({symbol for symbol, _ in self._by_name}))

    def best_price(self, symbol: str, side: Side) -> int | None:
        """Say at what price (ticks) the next trade starts, in O(1); None if nothing rests.

        Raises InvalidOrderError.
        """
        check_book(symbol, side)
        with self._lock:
            return self._find_book(symbol, side).best_price()

    def depth(self, symbol: str, side: Side, levels: int | None = None) -> tuple[PriceLevel, ...]:
        """List the best `levels` price levels (all if None), best first, in O(levels).

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
            return self._find_book(symbol, side).depth(levels)

    def __contains__(self, order_id: object) -> bool:
        """Whether an order with this id is resting, in O(1)."""
        with self._lock:
            return type(order_id) is int and order_id in self._admitted().orders

    def __len__(self) -> int:
        """How many orders are resting."""
        with self._lock:
            return len(self._admitted().orders)

    def __iter__(self) -> Iterator[Order]:
        """Walk a snapshot of all orders, in the order of `orders`."""
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
        """Say what a trade of `amount` lots would be, order by order, without making it.

        `limit_price` (ticks) is the highest price that a BUY pays, the lowest that a SELL receives;
        what lies beyond it is not available. With `allow_partial` less than `amount` is an answer,
        but nothing at all is still an error. Raises InvalidOrderError and
        InsufficientLiquidityError. O(k) in the orders that the trade would consume.

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
        """Say what each of many amounts (lots, in any order) would cost, with one walk for all.

        Raises InvalidOrderError, and InsufficientLiquidityError for the first amount that the book
        cannot serve. At most O(k) for the largest, and O(log k) for each.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
        >>> om.calculate_prices("JPM", Side.BUY, [22, 10, 20])
        [442, 200, 400]

        """
        check_book(symbol, side)
        asked = as_amounts(amounts)
        with self._lock:
            return pricing.total_prices(self._find_book(symbol, side), asked)

    def price_curve(self, symbol: str, side: Side, levels: int | None = None) -> dict[str, list[int]]:
        """Tabulate what the best `levels` price levels (all if None) cost, one row a level.

        The columns price, amount, cumulative_amount and cumulative_price are what numpy, pandas
        and polars take as they are. Raises InvalidOrderError. O(levels).

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
            rows = self._find_book(symbol, side).amounts()
            # A level has a rank of 64 bits, so sys.maxsize of them are all.
            return pricing.price_curve(islice(rows, levels and min(levels, sys.maxsize)))

    def calculate_amount(
        self, symbol: str, side: Side, budget: int, *, limit_price: int | None = None
    ) -> int:
        """Say how much (lots) a budget (ticks times lots) is good for, within a limit price (ticks).

        BUY: the largest amount that costs at most the budget: 0 if it pays for none, all there is
        if it pays for more. SELL: the smallest amount that raises at least the budget, or
        InsufficientLiquidityError, in money. Raises InvalidOrderError. O(k).

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
        """Say how much (lots) can be traded at no worse than a limit price (ticks), or at all.

        Raises InvalidOrderError. O(k) in the price levels within the limit.

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
        """Say how much (lots) can be traded before the slippage passes so many basis points.

        It is the largest amount whose `Quote.slippage` is at most that share of the whole amount at
        the best price, compared as integers; 0 if nothing rests. Raises InvalidOrderError. O(k).

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

    # ------------------------------------------------------------------ the whole

    def state_hash(self) -> str:
        """SHA-256 (hex) over every resting order, the next trade id and the next sequence number.

        Equal state, equal hash, on every platform and in every process. O(n).
        """
        with self.locked():
            return self._books.canonical_hash(self._ledger.sequence + 1)

    def snapshot(self) -> Snapshot:
        """Return the whole state: all resting orders, and both counters. O(n).

        Raises OpenTransactionError inside a transaction or a what-if, because their changes are
        provisional.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.snapshot()  # doctest: +NORMALIZE_WHITESPACE
        Snapshot(sequence=1, next_trade_id=1,
            orders=(Order(order_id=1, symbol='JPM', side=<Side.BUY: 'BUY'>, amount=20, price=20),))

        """
        with self.locked():
            self._ledger.check_closed("copying or pickling, or a snapshot,")
            return Snapshot(self._ledger.sequence, self._books.next_trade_id, self._list(None, None))

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot) -> Self:
        """Return an OrderManagement with the state of a snapshot, in O(n log n). It has no journal.

        Raises InvalidOrderError for orders or counters that no OrderManagement has, and
        DuplicateOrderError for two orders with one id.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> OrderManagement.from_snapshot(om.snapshot()).state_hash() == om.state_hash()
        True

        """
        om = cls()
        om._ledger.restore(checked_snapshot(snapshot))
        return om

    def copy(self) -> Self:
        """Return an independent copy of orders and counters, without subscribers and journal. O(n).

        Raises OpenTransactionError inside a transaction or a what-if.

        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> other = om.copy()
        >>> other.remove_order(1)
        >>> 1 in om
        True

        """
        twin = type(self).__new__(type(self))
        twin.__setstate__(self.__getstate__())
        return twin

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()  # all that is copied is frozen

    def __getstate__(self) -> dict[str, Any]:
        own = {name: value for name, value in vars(self).items() if name not in _INNARDS}
        return {"snapshot": self.snapshot(), "own": own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        OrderManagement.__init__(self)
        self._ledger.restore(checked_snapshot(state["snapshot"]))
        vars(self).update(state["own"])  # the attributes of a subclass

    # ------------------------------------------------------------------ the journal

    @property
    def journal(self) -> Journal | None:
        """What keeps the changes; None if they go with the process."""
        return self._journal

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last event, 0 if there is none; provisional in a transaction."""
        with self.locked():
            return self._ledger.sequence

    def close(self) -> None:
        """Let go of the journal, if there is one: questions are answered on, changes are refused.

        Raises OpenTransactionError inside a transaction or a what-if, and JournalError.
        """
        with self.locked():
            self._ledger.check_closed("closing")
            if self._journal is not None:
                self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ inside

    # Each of these is called with the lock held, and lets the caller in.

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
        books = self._admitted().select(symbol, side)
        return tuple(order for book in books for order in book.orders())

    def _find_book(self, symbol: str, side: Side) -> OrderBook:
        """The book of that name; for a name never seen an empty one, which is not kept."""
        check_book(symbol, side)
        book = self._admitted().by_name.get((symbol, side))
        return OrderBook(symbol, side) if book is None else book

    def _find(self, order_id: int) -> Order:
        order = self._admitted().orders.get(order_id)
        if order is None:
            raise OrderNotFoundError(order_id)
        return new_order(order)

    def _check(self) -> None:
        """Assert every invariant, in O(n log n); for tests and debugging."""
        with self.locked():
            self._books._check()


_INNARDS = frozenset(vars(OrderManagement()))
