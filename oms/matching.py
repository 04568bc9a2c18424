"""The class MatchingEngine, in which incoming orders trade with resting orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from oms.books import Change
from oms.clock import Clock
from oms.crossing import Crossing
from oms.engine_books import EngineBooks
from oms.engine_events import EngineEvent, OrderReduced, OrderReplaced, OrdersCanceled, OrderSubmitted
from oms.engine_state import Entry
from oms.errors import DuplicateOrderError, InvalidArgumentError, InvalidOrderError, OrderNotFoundError
from oms.events import Journal
from oms.instrument import Instrument
from oms.ledger import MakeChange
from oms.limited import Limited
from oms.limits import Limits
from oms.models import Side, check_amendment, check_resting, check_selection
from oms.plain_changes import PlainCanceled, PlainReplaced, PlainSubmitted, plain_change
from oms.submission import (
    Execution,
    OpenOrder,
    OrderId,
    PostOnly,
    QueueAhead,
    SelfTradePrevention,
    Submission,
    Terms,
    TimeInForce,
    new_open_order,
    new_submission,
)
from oms.submission_checks import check_display, check_order_key, check_owner, check_submission

__all__ = ["MatchingEngine"]

Executions: TypeAlias = tuple[Execution, ...]


class MatchingEngine(Limited):
    """An in-process venue: incoming orders trade with resting orders, and the unfilled amount can rest.

    An order trades with the best prices of the other side, up to its own price. At the same price, the order
    that arrived first is filled first. Each trade takes place at the price of the resting order.

    The side of a submission is the submitter's: a BUY submission buys, and rests as a bid. In queries, the
    side is the side of the trades that fill the book, as in OrderManagement. So a resting BUY submission is
    in the SELL book, which SELL trades fill. To query the book in which a submission rests, pass
    `side.opposite`.

    Amounts are in lots and prices in ticks. Order ids are ints of at most 256 bits, or strings. The
    submitters choose them. An id is free again when its order has been filled or canceled. If a method raises
    an `oms` error, nothing has changed. Transactions, what-ifs, subscribers, copies, and pickles work as in
    OrderManagement, and each method that changes something creates one event. A MatchingEngine is
    thread-safe.

    `self_trade_prevention` says what happens when two orders of the same owner would trade with each other.
    `limits` are the risk limits for all orders. See `set_limits`. Raises InvalidArgumentError if an argument
    is invalid.

    >>> from oms import MatchingEngine, Side
    >>> engine = MatchingEngine()
    >>> engine.submit("ask-1", "JPM", Side.SELL, 20, 101).resting
    20
    >>> execution = engine.submit("bid-1", "JPM", Side.BUY, 25, 101)
    >>> execution.fills, execution.resting
    ((OrderFill(order_id='ask-1', amount=20, price=101),), 5)
    >>> engine.order("bid-1").filled
    20
    >>> engine.best_price("JPM", Side.SELL)  # the price at which a SELL trade fills first
    101

    """

    _books_type = EngineBooks
    _books: EngineBooks

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE,
        instruments: Mapping[str, Instrument] | None = None,
        clock: Clock | None = None,
        limits: Limits | None = None,
    ) -> None:
        if type(self_trade_prevention) is not SelfTradePrevention:
            raise InvalidArgumentError(
                "self_trade_prevention", self_trade_prevention, "a member of SelfTradePrevention"
            )
        super().__init__(journal, instruments=instruments, clock=clock)
        self._books.prevention = self_trade_prevention
        self._rules = None
        if limits is not None:
            self.set_limits(limits)

    def _begin(self) -> None:
        MatchingEngine.__init__(self)

    # ------------------------------------------------------------------ orders

    def submit(
        self,
        order_id: OrderId,
        symbol: str,
        side: Side,
        amount: int,
        price: int | None = None,
        *,
        time_in_force: TimeInForce = TimeInForce.GTC,
        post_only: PostOnly | None = None,
        owner: str | None = None,
        display: int | None = None,
        stop_price: int | None = None,
        expires: int | None = None,
    ) -> Execution:
        """Submit an order of `amount` lots, and return its execution.

        `price` (ticks) is the worst price that the order accepts. An order without a price is a market order,
        which fills the available amount and never rests. For a market order with a price cap, pass the cap as
        `price`, and TimeInForce.IOC. The `best_price` of an empty side is None, and a price of None makes a
        market order. So check that a best price is not None before you pass it as `price`.

        - `time_in_force` says how long the order stays open. GTD orders need `expires`, a time in nanoseconds
          since 1970. The engine does not compare `expires` with its clock. Orders expire only when you call
          `expire` or, for DAY orders, `end_day`.
        - `post_only` says what happens to an order that would trade at once.
        - `owner` is any text. Self-trade prevention compares the owners of two orders.
        - `display` (lots) makes an iceberg order. At most this amount is visible in the book. When this part
          is filled, the next part goes to the back of the queue at its price. There are at most 10,000
          parts.
        - With `stop_price` (ticks), the order waits for a trade. A trade at the stop price or higher triggers
          a BUY order, and a trade at the stop price or lower triggers a SELL order. If the last price already
          triggers the order, the order does not wait. Triggered orders are executed in order of arrival, in
          the same event as the order that triggers them.

        Raises InvalidOrderError if an argument is invalid or contradicts another one, DuplicateOrderError if
        an open order has this id, and LimitError if a limit or a kill switch rejects the order. With n open
        orders, it takes O(log n) for an order that rests, and O(k log n) for k filled or triggered orders.

        >>> engine = MatchingEngine()
        >>> engine.submit(1, "JPM", Side.SELL, 20, 101).resting
        20
        >>> execution = engine.submit(2, "JPM", Side.BUY, 50, 101, time_in_force=TimeInForce.IOC)
        >>> execution.amount, execution.total_price, execution.canceled, execution.reason
        (20, 2020, 30, <CancelReason.NO_LIQUIDITY: 'NO_LIQUIDITY'>)

        """
        terms = (
            order_id,
            symbol,
            side,
            amount,
            price,
            time_in_force,
            post_only,
            owner,
            display,
            stop_price,
            expires,
        )
        check_submission(terms)
        with self._lock:
            if self._ledger.busy:
                self._ledger.admit()
            if order_id in self._books.register.arrivals:
                raise DuplicateOrderError(order_id)
            if self._rules is not None:
                self._check_limits(new_submission(terms))
            change = plain_change(self._books, terms)
            if change is not None:
                self._ledger.commit(PlainSubmitted, change)
                return change[1][0]
            order = new_submission(terms)
            return self._run(OrderSubmitted, order, lambda crossing: crossing.run(order))

    def replace(self, order_id: OrderId, *, amount: int | None = None, price: int | None = None) -> Execution:
        """Replace an open order by one that has a new open amount (lots), a new price (ticks), or both.

        None leaves a value unchanged. The new order goes to the back of the queue at its price, even if
        nothing has changed, and it may trade at once. It keeps the id, the other terms, and the amount that
        was filled. An order that waits for its stop price keeps waiting. The `requested` amount of the
        execution is the new open amount. To reduce an order without losing its place, use `reduce`.

        Raises InvalidOrderError if an argument is invalid or if both are None, OrderNotFoundError if no open
        order has this id, and LimitError as `submit` does. This takes as long as `submit`.

        >>> engine = MatchingEngine()
        >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 101), engine.submit(2, "JPM", Side.BUY, 5, 99)
        >>> engine.replace(2, price=101).fills
        (OrderFill(order_id=1, amount=5, price=101),)

        """
        check_amendment(amount, price)
        with self._lock:
            entry = self._entry(order_id)
            terms, filled = self._replacement(entry, amount, price)
            if terms[8] is not None:
                check_display(terms[8], terms[3])
            if self._rules is not None:
                self._check_limits(new_submission(terms), entry)
            if not entry[4]:
                row = self._books.orders[entry[0]]
                change = plain_change(self._books, terms, filled, (entry, row))
                if change is not None:
                    self._ledger.commit(PlainReplaced, change)
                    return change[1][0]
            order = new_submission(terms)

            def run(crossing: Crossing) -> Executions:
                crossing.cancel(entry)
                return crossing.run(order, filled)

            return self._run(OrderReplaced, order, run)

    def reduce(self, order_id: OrderId, amount: int) -> OpenOrder:
        """Reduce the open amount of an order by `amount` lots, and return the order.

        The order keeps its place in the queue. The hidden part of an iceberg order is reduced first.

        Raises InvalidOrderError unless `amount` is less than the open amount, and OrderNotFoundError if no
        open order has this id. O(1).

        >>> engine = MatchingEngine()
        >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 101)
        >>> engine.reduce(1, 15).remaining
        5

        """
        check_order_key(order_id)
        check_resting("amount", amount)
        with self._lock:
            entry = self._entry(order_id)
            remaining = self._books.open_amount(entry)
            if amount >= remaining:
                allowed = f"less than the open amount {remaining}"
                raise InvalidOrderError("amount", amount, allowed, "use cancel to remove the order")
            changes: list[Change] = []
            Crossing(self._books, changes.append).reduce(entry, amount)
            self._ledger.commit(OrderReduced, ((entry.order,), (), (), tuple(changes)))
            return self._open_order(self._entry(order_id))

    def cancel(self, order_id: OrderId) -> OpenOrder:
        """Cancel an open order, and return it as it was before the cancellation.

        Raises InvalidOrderError if `order_id` is not a valid order id, and OrderNotFoundError if no open
        order has it. O(log n) for n open orders.

        >>> engine = MatchingEngine()
        >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 101)
        >>> engine.cancel(1).remaining
        20

        """
        with self._lock:
            entry = self._entry(order_id)
            arrival, order, total, hidden, waiting = entry
            if waiting:
                return self._cancel([entry])[0]
            row = self._books.orders[arrival]
            _, _, _, displayed, price = row
            remaining = displayed + hidden
            self._ledger.commit(PlainCanceled, (order, (), (entry, row), None, None))
            return new_open_order((order, total - remaining, remaining, displayed, price))

    def cancel_all(
        self, symbol: str | None = None, side: Side | None = None, owner: str | None = None
    ) -> tuple[OpenOrder, ...]:
        """Cancel all open orders, or those with this symbol, side, and owner. Return their earlier states.

        `side` is the submitters' side. The result is in order of arrival.

        Raises InvalidOrderError if an argument is invalid. O(n + m log n) for n open and m canceled orders.

        >>> engine = MatchingEngine()
        >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 101, owner="Ann")
        >>> _ = engine.submit(2, "JPM", Side.BUY, 5, 99)
        >>> [canceled.order.order_id for canceled in engine.cancel_all(owner="Ann")]
        [1]

        """
        check_selection(symbol, side)
        check_owner(owner)
        with self._lock:
            return self._cancel(self._select(symbol, side, owner))

    def expire(self, now: int) -> tuple[OpenOrder, ...]:
        """Cancel the GTD orders that expire at `now` or before, and return their earlier states.

        `now` is in nanoseconds since 1970. The engine never reads a clock to decide when orders expire, so
        the caller decides. Replays and simulations therefore give the same result in every run.

        Raises InvalidOrderError unless `now` is an int in 1..2^63-1. O(m log n) for n open and m canceled
        orders.

        >>> engine = MatchingEngine()
        >>> end = 1_700_000_000_000_000_000
        >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 101, time_in_force=TimeInForce.GTD, expires=end)
        >>> [expired.order.order_id for expired in engine.expire(end)]
        [1]

        """
        check_resting("now", now)
        with self._lock:
            return self._cancel(self._admitted().register.expired(now))

    def end_day(self, symbol: str | None = None) -> tuple[OpenOrder, ...]:
        """Cancel the DAY orders of one symbol or of all symbols, and return the orders as they were.

        Raises InvalidOrderError if the symbol is invalid. O(n + m log n) for n open and m canceled orders.

        >>> engine = MatchingEngine()
        >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 101, time_in_force=TimeInForce.DAY)
        >>> len(engine.end_day())
        1

        """
        check_selection(symbol, None)
        with self._lock:
            orders = self._select(symbol, None, None)
            return self._cancel(entry for entry in orders if entry.order.time_in_force is TimeInForce.DAY)

    # ------------------------------------------------------------------ queries about orders

    def order(self, order_id: OrderId) -> OpenOrder:
        """Return an open order, with the amounts that are filled, open, and visible.

        Raises InvalidOrderError if `order_id` is not a valid order id, and OrderNotFoundError if no open
        order has it. O(1).
        """
        check_order_key(order_id)
        with self._lock:
            return self._open_order(self._entry(order_id, to_read=True))

    def orders(
        self, symbol: str | None = None, side: Side | None = None, owner: str | None = None
    ) -> tuple[OpenOrder, ...]:
        """Return all open orders, or only those with this symbol, side, and owner, in order of arrival.

        `side` is the submitters' side. The result is a snapshot.

        Raises InvalidOrderError if an argument is invalid. O(n log n) for n open orders.
        """
        check_selection(symbol, side)
        check_owner(owner)
        with self._lock:
            return tuple(map(self._open_order, self._select(symbol, side, owner, to_read=True)))

    def queue_ahead(self, order_id: OrderId) -> QueueAhead:
        """Return the number and the visible amount (lots) of the orders ahead of an order at its price.

        Raises OrderNotFoundError if no open order has this id. Raises InvalidOrderError if `order_id` is not
        a valid order id, or if the order is a stop order that has not been triggered yet. O(k) for k orders
        ahead.

        >>> engine = MatchingEngine()
        >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 101), engine.submit(2, "JPM", Side.SELL, 5, 101)
        >>> engine.queue_ahead(2)
        QueueAhead(orders=1, amount=20)

        """
        check_order_key(order_id)
        with self._lock:
            entry = self._entry(order_id, to_read=True)
            if entry.waiting:
                allowed = "the id of an order in the book"
                raise InvalidOrderError("order_id", order_id, allowed, "this order waits for its stop price")
            row = self._books.orders[entry.arrival]
            return QueueAhead(*self._by_name[row[1:3]].queue_ahead(row))

    def last_price(self, symbol: str) -> int | None:
        """Return the price of the symbol's last trade in ticks, or None if it has not traded.

        Raises InvalidOrderError if the symbol is invalid. O(1).
        """
        check_selection(symbol, None)
        with self._lock:
            return self._admitted(to_read=True).last_prices.get(symbol)

    def __contains__(self, order_id: object) -> bool:
        """Return True if an open order has this id. O(1)."""
        with self._lock:
            return type(order_id) in (int, str) and order_id in self._admitted(to_read=True).register.arrivals

    def __len__(self) -> int:
        """Return the number of open orders. O(1)."""
        with self._lock:
            return len(self._admitted(to_read=True).register.entries)

    def __iter__(self) -> Iterator[OpenOrder]:
        """Iterate over a snapshot of all open orders, in order of arrival."""
        return iter(self.orders())

    # ------------------------------------------------------------------ helpers

    # The caller must hold the lock. Each helper waits until no other thread has a transaction open, and waits
    # for a batch in flight too, unless `to_read` is True.

    def _admitted(self, *, to_read: bool = False) -> EngineBooks:
        if self._ledger.busy:
            self._ledger.admit(to_read=to_read)
        return self._books

    def _entry(self, order_id: OrderId, *, to_read: bool = False) -> Entry:
        """Return the entry of an open order. Raise an error if the id is invalid or no open order has it."""
        if type(order_id) is not int:
            check_order_key(order_id)
        if self._ledger.busy:
            self._ledger.admit(to_read=to_read)
        register = self._books.register
        arrival = register.arrivals.get(order_id)
        if arrival is None:
            check_order_key(order_id)
            raise OrderNotFoundError(order_id)
        return register.entries[arrival]

    def _replacement(self, entry: Entry, amount: int | None, price: int | None) -> tuple[Terms, int]:
        """Return the terms of the order that replaces another one, and the amount that was filled."""
        _, old, total, _, waiting = entry
        (
            order_id,
            symbol,
            side,
            _,
            old_price,
            time_in_force,
            post_only,
            owner,
            display,
            stop_price,
            expires,
        ) = old
        remaining = self._books.open_amount(entry)
        if not waiting:
            stop_price = None  # the order was triggered, and does not wait again
        terms = (
            order_id,
            symbol,
            side,
            amount or remaining,
            price or old_price,
            time_in_force,
            post_only,
            owner,
            display,
            stop_price,
            expires,
        )
        return terms, total - remaining

    def _select(
        self, symbol: str | None, side: Side | None, owner: str | None, *, to_read: bool = False
    ) -> list[Entry]:
        return [
            entry
            for _, entry in sorted(self._admitted(to_read=to_read).register.entries.items())
            if symbol in (None, entry.order.symbol)
            and side in (None, entry.order.side)
            and owner in (None, entry.order.owner)
        ]

    def _open_order(self, entry: Entry) -> OpenOrder:
        remaining = self._books.open_amount(entry)
        displayed = 0 if entry.waiting else remaining - entry.hidden
        price = entry.order.price if entry.waiting else self._books.orders[entry.arrival][4]
        return OpenOrder(entry.order, entry.total - remaining, remaining, displayed, price)

    def _run(
        self, kind: type[EngineEvent], order: Submission, run: Callable[[Crossing], Executions]
    ) -> Execution:
        """Commit a change whose steps depend on each other, and return the execution of its order."""
        executions: list[Execution] = []

        def verb(make: MakeChange) -> tuple[object, ...]:
            crossing = Crossing(self._books, make)
            executions.extend(run(crossing))
            return (order,), tuple(executions), tuple(crossing.owners.items())

        self._ledger.commit_steps(kind, verb)
        return executions[0]

    def _cancel(self, entries: Iterable[Entry]) -> tuple[OpenOrder, ...]:
        orders: list[OpenOrder] = []
        changes: list[Change] = []
        crossing = Crossing(self._books, changes.append)
        for entry in entries:
            orders.append(self._open_order(entry))
            crossing.cancel(entry)
        if orders:
            canceled = tuple(each.order for each in orders)
            self._ledger.commit(OrdersCanceled, (canceled, (), (), tuple(changes)))
        return tuple(orders)
