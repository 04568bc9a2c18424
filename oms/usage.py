"""The number of open orders and lots of each owner in each symbol, for the limits of a matching engine.

The problem: a limit on the open amount must not add up all open orders at each submission. The sums must stay
correct when orders are filled, refilled, or canceled, and when changes are rolled back.

What does not work: adding up the entries of the register. A trade that fills a part of an order changes the
order's row in the book, but not its entry.

The solution: the sums follow the elementary changes of the books, even when these are undone. A new entry
adds its open amount, and a removed entry subtracts its open amount. An entry that replaces another one adds
the difference of their totals. A trade subtracts its fills, and an undone trade adds them.

Invariants:

- When an entry is added or removed, its row is in the book, unless the order waits or has just been filled.
  An order that has just been filled has no open lots.
- When a trade is applied or undone, the entries of all orders that it fills are in the register.
- The sums are derived from the register and the rows, and can be recomputed at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from oms.engine_state import Entry
from oms.models import OrderRow, Trade
from oms.submission import Submission

__all__ = ["Usage"]

Key: TypeAlias = tuple[str | None, str]
"""The owner and the symbol of an order."""


class Usage:
    """The number and the total amount (lots) of the open orders of each owner in each symbol.

    `entries` contains the register's entries by arrival number, and `rows` the resting orders of the books.
    """

    __slots__ = ("_entries", "_rows", "sums")

    def __init__(self, entries: Mapping[int, Entry], rows: Mapping[int, OrderRow]) -> None:
        self._entries, self._rows = entries, rows
        self.sums: dict[Key, tuple[int, int]] = {}
        for entry in entries.values():
            self.change_entry(None, entry)

    def of(self, order: Submission) -> tuple[int, int]:
        """Return the number and the total amount (lots) of the open orders of an order's owner. O(1)."""
        return self.sums.get((order.owner, order.symbol), (0, 0))

    def change_entry(self, before: Entry | None, after: Entry | None) -> None:
        """Replace an entry of the register. Either can be None. O(1)."""
        if before is None:
            assert after is not None, "an entry is added, removed, or replaced"
            self._add(after.order, 1, self._open_amount(after))
        elif after is None:
            self._add(before.order, -1, -self._open_amount(before))
        else:
            self._add(after.order, 0, after.total - before.total)

    def change_fills(self, trade: Trade, sign: int) -> None:
        """Add (1) or subtract (-1) the amounts that a trade fills. O(k) for k fills."""
        for arrival, amount, _ in trade.fills:
            self._add(self._entries[arrival].order, 0, sign * amount)

    def _open_amount(self, entry: Entry) -> int:
        if entry.waiting:
            return entry.total
        row = self._rows.get(entry.arrival)
        return entry.hidden if row is None else row[3] + entry.hidden

    def _add(self, order: Submission, orders: int, amount: int) -> None:
        key = order.owner, order.symbol
        before = self.sums.get(key, (0, 0))
        after = before[0] + orders, before[1] + amount
        if after == (0, 0):
            self.sums.pop(key, None)
        else:
            self.sums[key] = after
