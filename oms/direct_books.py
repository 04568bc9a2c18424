"""Direct access to the two books of one symbol, with little overhead per call. Replays use it.

The problem: a replay reads the best levels after each change. It also changes orders that it has already
looked up. Every OrderManagement method checks its arguments, looks up the order, and acquires the lock, which
is slow when repeated for each message.

The solution: one method returns both best levels. Another method takes an order that the caller has already
looked up, and changes it only if it is still the same. All changes go through the ledger, so the journal,
subscribers, transactions, and recovery work as usual.
"""

from __future__ import annotations

from oms.batch import amount_change
from oms.management import OrderManagement
from oms.models import OrderRow, Side, check_resting

__all__ = ["BestLevel", "DirectBooks"]

BestLevel = tuple[int, int] | None
"""The price (ticks) and total amount (lots) of a book's best level, or None for an empty book."""


class DirectBooks:
    """The two books of one symbol in an OrderManagement.

    >>> from oms import OrderManagement, Side
    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
    >>> om.add_order(2, "JPM", Side.BUY, 10, 20)
    >>> books = DirectBooks(om, "JPM")
    >>> books.best_levels()
    ((20, 30), None)

    """

    def __init__(self, om: OrderManagement, symbol: str) -> None:
        self._ledger = om._ledger
        self._lock = om._ledger.lock
        self._orders, self._by_name = om._books.orders, om._books.by_name
        self._buy, self._sell = (symbol, Side.BUY), (symbol, Side.SELL)

    @property
    def version(self) -> int:
        """A number that increases with every change to the books of any symbol. O(1).

        Each change adds 2. A whole transaction also adds 2, even if it is rolled back. During a transaction,
        the version is odd and does not change.
        """
        return self._ledger.version

    def best_levels(self) -> tuple[BestLevel, BestLevel]:
        """Return the best level of the BUY book and of the SELL book. O(1)."""
        with self._lock:
            if self._ledger.busy:
                self._ledger.admit()
            buy, sell = self._by_name.get(self._buy), self._by_name.get(self._sell)
            return (
                None if buy is None else buy.best_level(),
                None if sell is None else sell.best_level(),
            )

    def best_order(self, side: Side) -> OrderRow | None:
        """Return the order that the next trade on this side fills first, or None if there is none. O(1)."""
        with self._lock:
            if self._ledger.busy:
                self._ledger.admit()
            book = self._by_name.get(self._buy if side is Side.BUY else self._sell)
            return None if book is None else book.best_order()

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
        with self._lock:
            if self._ledger.busy:
                self._ledger.admit()
            if self._orders.get(order[0]) != order:
                return False
            if amount != order[3]:
                self._ledger.commit(*amount_change(order, amount))
            return True
