"""How an incoming order crosses the book: trades, self-trade prevention, icebergs, and triggered stops.

The problem: each step depends on the result of the previous step. A refilled iceberg order goes to the back
of the queue at its price, and the same incoming order may fill it again. A trade triggers a stop order, whose
trades trigger further stop orders.

The solution: `Crossing` makes one elementary change at a time, and each change is applied before the next
step. The ledger records the changes, and commits them as one event or undoes them all.

Invariants:

- A stop order is removed from the register before it is executed. So each one is triggered at most once, and
  a cascade ends.
- Stop orders that one order triggers are executed in order of arrival, after all stop orders that were
  triggered earlier.
- After each order, the best bid is below the best ask.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from oms import pricing
from oms.engine_books import EngineBooks, EntryChanged, LastPriceChanged
from oms.engine_state import Entry
from oms.events import OrderAdded, OrderAmended, OrderRemoved, TradePlaced
from oms.ledger import MakeChange
from oms.models import OrderFill, OrderRow, Trade, new_order
from oms.preview import posted_price
from oms.submission import (
    CancelReason,
    Execution,
    OrderId,
    SelfTradePrevention,
    Submission,
    TimeInForce,
)

__all__ = ["Crossing"]

_MAY_REST = frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY})


class Crossing:
    """The execution of one verb of a matching engine. `make` records and applies an elementary change."""

    def __init__(self, books: EngineBooks, make: MakeChange) -> None:
        self._books = books
        self._register = books.register
        self._prevention = books.prevention
        self._make = make
        self.owners: dict[OrderId, str] = {}  # of the orders that traded

    # ------------------------------------------------------------------ orders

    def run(self, order: Submission, filled: int = 0) -> tuple[Execution, ...]:
        """Execute an order, and then all stop orders that it triggers, directly or not.

        `filled` is the amount that was filled before the order was replaced.
        """
        if self._books.must_wait(order):
            return (self._wait(order, filled),)
        executions: list[Execution] = []
        queue = deque([(order, filled)])
        first_price = self._books.last_prices.get(order.symbol)
        while queue:
            execution = self.execute(*queue.popleft())
            executions.append(execution)
            if execution.fills and self._register.stops:
                queue.extend(self._trigger(execution))
        prices = [execution.fills[-1].price for execution in executions if execution.fills]
        if prices and prices[-1] != first_price:
            self._make((LastPriceChanged, (order.symbol, first_price, prices[-1])))
        return tuple(executions)

    def cancel(self, entry: Entry) -> None:
        """Remove an open order."""
        self._make((EntryChanged, (entry, None)))
        if not entry.waiting:
            self._make((OrderRemoved, self._books.orders[entry.arrival]))

    def reduce(self, entry: Entry, amount: int) -> Entry:
        """Reduce an order by `amount` lots, hidden lots first. `amount` is less than the open amount."""
        arrival, order, total, hidden, waiting = entry
        from_hidden = min(amount, hidden)
        visible = amount - from_hidden
        if visible and not waiting:
            before = new_order(self._books.orders[arrival])
            self._make((OrderAmended, (before, before._replace(amount=before.amount - visible))))
        reduced = Entry(arrival, order, total - amount, hidden - from_hidden, waiting)
        self._make((EntryChanged, (entry, reduced)))
        return reduced

    # ------------------------------------------------------------------ stops

    def _wait(self, order: Submission, filled: int) -> Execution:
        entry = Entry(self._books.next_arrival, order, order.amount + filled, waiting=True)
        self._make((EntryChanged, (None, entry)))
        return Execution(
            order.order_id, order.symbol, order.side, order.amount, 0, 0, (), order.amount, 0, None
        )

    def _trigger(self, execution: Execution) -> list[tuple[Submission, int]]:
        """Remove the stop orders that an execution triggers from the register, and return them."""
        prices = [fill.price for fill in (execution.fills[0], execution.fills[-1])]
        entries = self._register.triggered(execution.symbol, min(prices), max(prices))
        for entry in entries:
            self._make((EntryChanged, (entry, None)))
        return [(entry.order._replace(amount=entry.total), 0) for entry in entries]

    # ------------------------------------------------------------------ one order

    def execute(self, order: Submission, filled: int) -> Execution:
        """Fill the order as far as possible. The rest stays in the book or is canceled."""
        order_id, symbol, side, amount, price, time_in_force, post_only = order[:7]
        best = self.best_price(order)
        fills: list[OrderFill[OrderId]] = []
        canceled, reason = 0, None
        if best is None:
            pass
        elif post_only is not None:
            price = posted_price(order, best)
            if price is None:
                canceled, reason = amount, CancelReason.POST_ONLY
        elif time_in_force is TimeInForce.FOK and not self._is_fillable(order):
            canceled, reason = amount, CancelReason.FILL_OR_KILL
        else:
            fills, canceled, reason = self._take(order)
        traded = sum([fill[1] for fill in fills])
        remaining = amount - traded - canceled
        if remaining and (price is None or time_in_force not in _MAY_REST):
            killed = time_in_force is TimeInForce.FOK
            reason = CancelReason.FILL_OR_KILL if killed else CancelReason.NO_LIQUIDITY
            canceled, remaining = canceled + remaining, 0
        elif remaining:
            assert price is not None, "an order without a price does not rest"
            self._rest(order, price, remaining, filled + traded + remaining)
        total = sum([fill[1] * fill[2] for fill in fills])
        return Execution(
            order_id, symbol, side, amount, traded, total, tuple(fills), remaining, canceled, reason
        )

    def best_price(self, order: Submission) -> int | None:
        """Return the best price that the order crosses, or None if the order crosses nothing."""
        book = self._books.by_name.get((order.symbol, order.side))
        best = None if book is None else book.best_price()
        price, sign = order.price, order.side.sign
        return best if best is not None and (price is None or sign * best <= sign * price) else None

    def _rest(self, order: Submission, price: int, remaining: int, total: int) -> None:
        arrival = self._books.next_arrival
        visible = remaining if order.display is None else min(order.display, remaining)
        self._make((OrderAdded, (arrival, order.symbol, order.side.opposite, visible, price)))
        self._make((EntryChanged, (None, Entry(arrival, order, total, remaining - visible))))

    def _take(self, order: Submission) -> tuple[list[OrderFill[OrderId]], int, CancelReason | None]:
        """Fill an order up to its price. Return the fills, and how much self-trade prevention canceled.

        Each pass ends before an order of the same owner, or after an order that is to be refilled.
        """
        fills: list[OrderFill[OrderId]] = []
        remaining, canceled, reason = order.amount, 0, None
        while remaining:
            amount, own = self._reach(order, remaining)
            if amount:
                fills += self._trade(order, amount)
                remaining -= amount
            elif own is None:
                break
            else:
                prevented = self._prevent(own, remaining)
                reason = CancelReason.SELF_TRADE if prevented else reason
                canceled, remaining = canceled + prevented, remaining - prevented
        return fills, canceled, reason

    def _reach(self, order: Submission, remaining: int) -> tuple[int, Entry | None]:
        """Return the amount that one trade can fill, and the same owner's order that stops it, or None."""
        reached, entries = 0, self._register.entries
        owner = self._owner(order)
        for arrival, _, _, amount, _ in self._rows(order):
            entry = entries[arrival]
            if owner is not None and entry.order.owner == owner:
                return reached, entry
            reached += amount
            if reached >= remaining:
                return remaining, None
            if entry.hidden:
                break
        return reached, None

    def _rows(self, order: Submission) -> Iterator[OrderRow]:
        book = self._books.by_name.get((order.symbol, order.side))
        return iter(()) if book is None else book.rows(order.price)

    def _owner(self, order: Submission) -> str | None:
        """Return the owner whose orders the order must not trade with."""
        return None if self._prevention is SelfTradePrevention.NONE else order.owner

    def _trade(self, order: Submission, amount: int) -> list[OrderFill[OrderId]]:
        """Trade, close or refill the orders that were filled, and return the fills with their own ids."""
        books, entries = self._books, self._register.entries
        book = books.by_name[order.symbol, order.side]
        fills, _, total = pricing.fill(book, amount, order.price, allow_partial=False)
        trade = Trade(books.next_trade_id, order.symbol, order.side, amount, total, fills)
        makers = [entries[fill[0]] for fill in fills]
        self.owners |= {
            each.order_id: each.owner
            for each in (order, *[entry.order for entry in makers])
            if each.owner is not None
        }
        left = books.orders[fills[-1][0]][3] - fills[-1][1]
        self._make((TradePlaced, (trade, left)))
        for entry in makers[:-1] if left else makers:
            self._close_or_refill(entry, fills[-1].price)
        return [
            OrderFill(entry.order.order_id, fill[1], fill[2])
            for entry, fill in zip(makers, fills, strict=True)
        ]

    def _close_or_refill(self, entry: Entry, price: int) -> None:
        """Remove the entry of a filled order. If a part of the order is hidden, show the next tip.

        Only the last order that a trade fills can have a hidden part, because `_reach` ends there. So `price`
        is the price of the last fill.
        """
        _, order, total, hidden, _ = entry
        if not hidden:
            self._make((EntryChanged, (entry, None)))
            return
        assert order.display is not None, "only an iceberg order has a hidden part"
        arrival, visible = self._books.next_arrival, min(order.display, hidden)
        self._make((EntryChanged, (entry, Entry(arrival, order, total, hidden - visible))))
        self._make((OrderAdded, (arrival, order.symbol, order.side.opposite, visible, price)))

    # ------------------------------------------------------------------ self-trade prevention, fill or kill

    def _prevent(self, own: Entry, remaining: int) -> int:
        """Apply self-trade prevention to an order of the same owner.

        Return how many lots of the incoming order are canceled.
        """
        open_amount = self._books.open_amount(own)
        if self._prevention is SelfTradePrevention.DECREMENT and open_amount > remaining:
            self.reduce(own, remaining)
        elif self._prevention is not SelfTradePrevention.CANCEL_NEWEST:
            self.cancel(own)
        if self._prevention is SelfTradePrevention.CANCEL_OLDEST:
            return 0
        return min(remaining, open_amount) if self._prevention is SelfTradePrevention.DECREMENT else remaining

    def _is_fillable(self, order: Submission) -> bool:
        """Return True if the whole amount can be filled up to the order's price.

        Hidden lots are filled after all visible orders at their price, so they are out of reach if an order
        of the same owner rests at this price. O(k) for k orders.
        """
        owner, reached, hidden, level = self._owner(order), 0, 0, None
        for arrival, _, _, amount, price in self._rows(order):
            if price != level:
                reached, hidden, level = reached + hidden, 0, price
            entry = self._register.entries[arrival]
            if owner is not None and entry.order.owner == owner:
                if self._prevention is not SelfTradePrevention.CANCEL_OLDEST:
                    return reached >= order.amount
                continue
            reached += amount
            hidden += entry.hidden
            if reached >= order.amount:
                return True
        return reached + hidden >= order.amount
