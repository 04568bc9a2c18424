"""The class MatchingEngine, in which incoming orders trade with resting orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from oms.books import Change
from oms.crossing import Crossing
from oms.engine_books import EngineBooks
from oms.engine_events import EngineEvent, OrderReduced, OrderReplaced, OrdersCanceled, OrderSubmitted
from oms.errors import DuplicateOrderError, InvalidArgumentError, InvalidOrderError, OrderNotFoundError
from oms.events import Journal
from oms.ledger import MakeChange
from oms.management import OrderManagement
from oms.models import Side, check_amendment, check_positive, check_resting, check_selection
from oms.register import Entry
from oms.submission import (
    Execution,
    OpenOrder,
    OrderId,
    PostOnly,
    QueueAhead,
    SelfTradePrevention,
    Submission,
    TimeInForce,
)
from oms.submission_checks import check_order_key, check_owner, check_submission

__all__ = ["MatchingEngine"]


class MatchingEngine(OrderManagement):
    """A venue in process: an incoming order trades with the resting orders, and the rest of it may rest.

    >>> from oms import MatchingEngine, Side
    >>> engine = MatchingEngine()
    >>> engine.submit("ask-1", "JPM", Side.SELL, 20, 101).resting
    20
    >>> execution = engine.submit("bid-1", "JPM", Side.BUY, 25, 101)
    >>> execution.fills, execution.resting
    ((OrderFill(order_id='ask-1', amount=20, price=101),), 5)
    >>> engine.order("bid-1").filled
    20

    """

    _books_type = EngineBooks
    _books: EngineBooks

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE,
    ) -> None:
        if type(self_trade_prevention) is not SelfTradePrevention:
            raise InvalidArgumentError(
                "self_trade_prevention", self_trade_prevention, "a member of SelfTradePrevention"
            )
        self._prevention = self_trade_prevention
        super().__init__(journal)

    # ------------------------------------------------------------------ verbs

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
        """Submit an order, and return its execution."""
        order = Submission(
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
        check_submission(order)
        with self._lock:
            if order_id in self._engine_books().register.arrivals:
                raise DuplicateOrderError(order_id)
            changes: list[Change] = []
            crossing = Crossing(self._books, self._prevention, changes.append)
            if stop_price is None and crossing.best_price(order) is None:
                execution = crossing.execute(order, 0)
                if changes:
                    self._ledger.commit(OrderSubmitted, ((order,), (execution,), tuple(changes)))
                return execution
            return self._cross(OrderSubmitted, order, lambda crossing: crossing.run(order))

    def replace(self, order_id: OrderId, *, amount: int | None = None, price: int | None = None) -> Execution:
        """Cancel an open order and submit it again with a new open amount (lots), a new price (ticks), or both."""
        check_order_key(order_id)
        check_amendment(amount, price)
        with self._lock:
            entry = self._entry(order_id)
            remaining = self._books.open_amount(entry)
            filled = entry.total - remaining
            order = entry.order._replace(amount=amount or remaining, price=price or entry.order.price)
            if not entry.waiting:
                order = order._replace(stop_price=None)  # the order was triggered, and does not wait again
            check_submission(order)

            def run(crossing: Crossing) -> tuple[Execution, ...]:
                crossing.cancel(entry)
                return crossing.run(order, filled)

            return self._cross(OrderReplaced, order, run)

    def reduce(self, order_id: OrderId, amount: int) -> OpenOrder:
        """Reduce the open amount of an order by `amount` lots. The order keeps its place in the queue."""
        check_order_key(order_id)
        check_resting("amount", amount)
        with self._lock:
            entry = self._entry(order_id)
            remaining = self._books.open_amount(entry)
            if amount >= remaining:
                raise InvalidOrderError(
                    "amount",
                    amount,
                    f"less than the open amount {remaining}",
                    "use cancel to remove the order",
                )

            def verb(make: MakeChange) -> tuple[Any, ...]:
                Crossing(self._books, self._prevention, make).reduce(entry, amount)
                return (entry.order,), ()

            self._ledger.commit_steps(OrderReduced, verb)
            return self._open_order(self._entry(order_id))

    def cancel(self, order_id: OrderId) -> OpenOrder:
        """Cancel an open order, and return it as it was."""
        check_order_key(order_id)
        with self._lock:
            entry = self._entry(order_id)
            canceled = self._open_order(entry)
            changes: list[Change] = []
            Crossing(self._books, self._prevention, changes.append).cancel(entry)
            self._ledger.commit(OrdersCanceled, ((entry.order,), (), tuple(changes)))
            return canceled

    def cancel_all(
        self, symbol: str | None = None, side: Side | None = None, owner: str | None = None
    ) -> tuple[OpenOrder, ...]:
        """Cancel all open orders, or only those with this symbol, side, and owner. Return them."""
        check_selection(symbol, side)
        check_owner(owner)
        with self._lock:
            entries = self._engine_books().register.entries
            return self._cancel(
                entry
                for _, entry in sorted(entries.items())
                if symbol in (None, entry.order.symbol)
                and side in (None, entry.order.side)
                and owner in (None, entry.order.owner)
            )

    def expire(self, now: int) -> tuple[OpenOrder, ...]:
        """Cancel the orders that expire at `now` (ns since 1970) or before, and return them."""
        check_positive("now", now, InvalidArgumentError)
        with self._lock:
            return self._cancel(self._engine_books().register.expired(now))

    def end_day(self, symbol: str | None = None) -> tuple[OpenOrder, ...]:
        """Cancel the DAY orders of one symbol or of all symbols, and return them."""
        check_selection(symbol, None)
        with self._lock:
            entries = self._engine_books().register.entries
            return self._cancel(
                entry
                for _, entry in sorted(entries.items())
                if entry.order.time_in_force is TimeInForce.DAY and symbol in (None, entry.order.symbol)
            )

    # ------------------------------------------------------------------ questions about orders

    def order(self, order_id: OrderId) -> OpenOrder:
        """Return an open order."""
        check_order_key(order_id)
        with self._lock:
            return self._open_order(self._entry(order_id))

    def queue_ahead(self, order_id: OrderId) -> QueueAhead:
        """Return how many orders, and how many lots, are filled before an order at its price."""
        check_order_key(order_id)
        with self._lock:
            entry = self._entry(order_id)
            if entry.waiting:
                raise InvalidOrderError(
                    "order_id", order_id, "the id of an order in the book", "this order waits for its stop price"
                )
            return super().queue_ahead(entry.arrival)

    # ------------------------------------------------------------------ helpers

    def _engine_books(self) -> EngineBooks:
        if self._ledger.busy:
            self._ledger.admit()
        return self._books

    def _entry(self, order_id: OrderId) -> Entry:
        register = self._engine_books().register
        arrival = register.arrivals.get(order_id)
        if arrival is None:
            raise OrderNotFoundError(order_id)
        return register.entries[arrival]

    def _open_order(self, entry: Entry) -> OpenOrder:
        remaining = self._books.open_amount(entry)
        displayed = 0 if entry.waiting else remaining - entry.hidden
        price = entry.order.price if entry.waiting else self._books.orders[entry.arrival][4]
        return OpenOrder(entry.order, entry.total - remaining, remaining, displayed, price)

    def _cross(
        self,
        kind: type[EngineEvent],
        order: Submission,
        run: Callable[[Crossing], tuple[Execution, ...]],
    ) -> Execution:
        executions: list[Execution] = []

        def verb(make: MakeChange) -> tuple[Any, ...]:
            executions.extend(run(Crossing(self._books, self._prevention, make)))
            return (order,), tuple(executions)

        self._ledger.commit_steps(kind, verb)
        return executions[0]

    def _cancel(self, entries: Iterable[Entry]) -> tuple[OpenOrder, ...]:
        orders: list[OpenOrder] = []

        def verb(make: MakeChange) -> tuple[Any, ...]:
            crossing = Crossing(self._books, self._prevention, make)
            for entry in list(entries):
                orders.append(self._open_order(entry))
                crossing.cancel(entry)
            return tuple(each.order for each in orders), ()

        self._ledger.commit_steps(OrdersCanceled, verb)
        return tuple(orders)
