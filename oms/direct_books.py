"""Direct access to the two books of one symbol, with little overhead per call. Replays use it.

The problem: a replay reads the best levels after each change. It also changes orders that it has already
looked up. Every OrderManagement method checks its arguments, looks up the order, and acquires the lock, which
is slow when repeated for each message.

The solution: one method returns both best levels. It reads them again only after a change at the best price
or at a better one. Another method takes an order that the caller has already looked up, and changes it only
if it is still the same. All changes go through the ledger, so the journal, subscribers, transactions, and
recovery work as usual.

Invariant: if `_best_version` is the ledger's version, `_best` contains the best levels. This version is
always even, so it is never the version during a transaction.
"""

from __future__ import annotations

from oms.batch import amount_change
from oms.errors import DuplicateOrderError
from oms.events import OrderAdded, TradePlaced
from oms.management import OrderManagement
from oms.models import MAX_INT, OrderFill, OrderRow, Side, Trade, check_order, check_resting

__all__ = ["BestLevel", "DirectBooks"]

BestLevel = tuple[int, int] | None
"""The price (ticks) and total amount (lots) of a book's best level, or None for an empty book."""

_NEVER = -2
_WORST_BUY, _WORST_SELL = MAX_INT, 0  # no price is worse
_BUY = Side.BUY  # a global variable is read faster than a member of an enum


class DirectBooks:
    """The two books of one symbol in an OrderManagement.

    `expected_version` is the version of the books if only this object has changed them since it was created.
    Compare it with `version` or, faster, with the version of `ledger`.

    >>> from oms import OrderManagement, Side
    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
    >>> om.add_order(2, "JPM", Side.BUY, 10, 20)
    >>> books = DirectBooks(om, "JPM")
    >>> books.best_levels()
    ((20, 30), None)

    """

    def __init__(self, om: OrderManagement, symbol: str) -> None:
        self.ledger = om._ledger
        self._lock, self._commit = om._ledger.lock, om._ledger.commit
        self._books, self._orders, self._by_name = om._books, om._books.orders, om._books.by_name
        self._symbol = symbol
        self._buy, self._sell = (symbol, Side.BUY), (symbol, Side.SELL)
        self._best: tuple[BestLevel, BestLevel] = (None, None)
        self._best_version = _NEVER
        self._best_buy, self._best_sell = _WORST_BUY, _WORST_SELL  # the best prices
        self.expected_version = om._ledger.version

    @property
    def version(self) -> int:
        """A number that increases with every change to the books of any symbol. O(1).

        Each change adds 2. A whole transaction also adds 2, even if it is rolled back. During a transaction,
        the version is odd and does not change.
        """
        return self.ledger.version

    def best_levels(self) -> tuple[BestLevel, BestLevel]:
        """Return the best level of the BUY book and of the SELL book. O(1).

        Return the same object until a best level changes.
        """
        if self.ledger.version == self._best_version:
            return self._best
        with self._lock:
            if self.ledger.busy:
                self.ledger.admit(to_read=True)
            buy, sell = self._by_name.get(self._buy), self._by_name.get(self._sell)
            best = (
                None if buy is None else buy.best_level(),
                None if sell is None else sell.best_level(),
            )
            if best != self._best:
                self._best = best
                self._best_buy = best[0][0] if best[0] else _WORST_BUY
                self._best_sell = best[1][0] if best[1] else _WORST_SELL
            self._best_version = _NEVER if self.ledger.busy else self.ledger.version
            return self._best

    def best_order(self, side: Side) -> OrderRow | None:
        """Return the order that the next trade on this side fills first, or None if there is none. O(1)."""
        with self._lock:
            if self.ledger.busy:
                self.ledger.admit(to_read=True)
            book = self._by_name.get(self._buy if side is _BUY else self._sell)
            return None if book is None else book.best_order()

    def add(self, order: OrderRow) -> None:
        """Add an order of this symbol. O(log n) for n orders in the book.

        Raise InvalidOrderError if a field is invalid, and DuplicateOrderError if a resting order has this id.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> DirectBooks(om, "JPM").add((1, "JPM", Side.BUY, 20, 20))
        >>> om.get_order(1).amount
        20

        """
        order_id, symbol, side, amount, price = order
        check_order(order_id, symbol, side, amount, price)
        with self._lock:
            if self.ledger.busy:
                self.ledger.admit()
            if order_id in self._orders:
                raise DuplicateOrderError(order_id)
            self._commit(OrderAdded, order)
            self._count_change(side, price)

    def set_amount(self, order: OrderRow, amount: int) -> bool:
        """Set the amount of a resting order, in lots. If the amount is 0, remove the order.

        If the order is no longer resting or any of its fields has changed, do nothing and return False. Raise
        InvalidOrderError if the amount is invalid. O(1), or O(log n) to remove one of n orders.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> books, order = DirectBooks(om, "JPM"), om.get_order(1)
        >>> books.set_amount(order, 5), books.set_amount(order, 0)
        (True, False)
        >>> om.get_order(1).amount
        5

        """
        if amount:
            check_resting("amount", amount)
        order_id, _, side, _, price = order
        with self._lock:
            if self.ledger.busy:
                self.ledger.admit()
            if self._orders.get(order_id) != order:
                return False
            if amount != order[3]:
                self._commit(*amount_change(order, amount))
                self._count_change(side, price)
            return True

    def fill_best_order(self, side: Side, fill: OrderFill) -> bool:
        """Place a trade with exactly this fill, if the order is the best in its book.

        Otherwise, or if the fill exceeds the order's amount or has a different price, do nothing and return
        False. Raise InvalidOrderError if the amount is invalid. O(log n) for n orders in the book.

        >>> from oms import OrderFill, OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> DirectBooks(om, "JPM").fill_best_order(Side.BUY, OrderFill(1, 5, 20))
        True
        >>> om.get_order(1).amount
        15

        """
        order_id, amount, price = fill
        check_resting("amount", amount)
        with self._lock:
            if self.ledger.busy:
                self.ledger.admit()
            best = self.best_order(side)
            if best is None or best[0] != order_id or best[4] != price or best[3] < amount:
                return False
            trade = Trade(self._books.next_trade_id, self._symbol, side, amount, amount * price, (fill,))
            self._commit(TradePlaced, (trade, best[3] - amount))
            self.expected_version += 2
            return True

    def _count_change(self, side: Side, price: int) -> None:
        """Count a change at this price. The best levels remain cached if the best price is better."""
        self.expected_version += 2
        if price > self._best_buy if side is _BUY else price < self._best_sell:
            before = self._best_version
            if self.ledger.version == before + 2:
                self._best_version = before + 2
