"""The books of a matching engine: the order books, the register of open orders, and the last prices.

The problem: one submission can change many things. It fills several orders, refills an iceberg order, cancels
an order of the same owner, and triggers stop orders. All of these changes must be undone together.

The solution: each verb of the engine is a sequence of elementary changes, and its event contains them. There
are two kinds of elementary changes besides the changes of the order books. `EntryChanged` adds, replaces, or
removes an entry of the register. `LastPriceChanged` sets a symbol's last price. To undo the event, its
elementary changes are undone in reverse order.

Invariants:

- Each resting order has one entry, and each entry is either resting or waiting for its stop price.
- `next_arrival` is larger than every arrival number in use. Only a new entry increases it.
- `usage` is None, or it agrees with the register and the orders. It is None until a limit needs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from oms.books import APPLY, ORDERS_BEFORE, PARTS, UNDO, Books, Change, parts_of
from oms.engine_events import ENGINE_KINDS, EngineSubject
from oms.engine_state import EngineState, Entry, check_engine_state
from oms.events import Snapshot
from oms.register import Register
from oms.submission import SelfTradePrevention, Submission
from oms.usage import Usage

__all__ = ["EngineBooks", "EntryChange", "EntryChanged", "LastPrice", "LastPriceChanged", "hash_of_engine"]

EntryChange: TypeAlias = tuple[Entry | None, Entry | None]
"""The old entry and the new entry. One of them may be None."""

LastPrice: TypeAlias = tuple[str, int | None, int]
"""A symbol, its old last price or None, and its new last price, in ticks."""


class EntryChanged:
    """The kind of an elementary change of the register. Its subject is an EntryChange."""


class LastPriceChanged:
    """The kind of an elementary change of a last price. Its subject is a LastPrice."""


class EngineBooks(Books):
    """The order books of a matching engine, with its register and the last price of each symbol."""

    __slots__ = ("last_prices", "next_arrival", "prevention", "register")

    kinds = frozenset(ENGINE_KINDS)

    def __init__(self) -> None:
        super().__init__()
        self.register = Register()
        self.next_arrival = 1
        self.last_prices: dict[str, int] = {}
        self.prevention = SelfTradePrevention.NONE

    def change_entry(self, change: EntryChange) -> None:
        """Replace an entry. O(1), or O(log n) for n entries if this one has a stop price or an expiry."""
        before, after = change
        if self.usage is not None:
            self.usage.change_entry(before, after)
        if before is not None:
            self.register.remove(before)
        if after is not None:
            self.register.add(after)
            if after[0] >= self.next_arrival:
                self.next_arrival = after[0] + 1

    def undo_change_entry(self, change: EntryChange) -> None:
        """Undo `change_entry`, in the same time."""
        before, after = change
        if self.usage is not None:
            self.usage.change_entry(after, before)
        if after is not None:
            self.register.remove(after)
        if before is not None:
            self.register.add(before)
        self._release_arrival(change)

    def _release_arrival(self, change: EntryChange) -> None:
        """Make the arrival number of a new entry available again, for the next entry."""
        before, after = change
        if after is not None and (before is None or before.arrival != after.arrival):
            self.next_arrival = after.arrival

    def change_last_price(self, change: LastPrice) -> None:
        """Set a symbol's last price. O(1)."""
        symbol, _, self.last_prices[symbol] = change

    def undo_change_last_price(self, change: LastPrice) -> None:
        """Undo `change_last_price`. O(1)."""
        symbol, before, _ = change
        if before is None:
            self.last_prices.pop(symbol, None)
        else:
            self.last_prices[symbol] = before

    def open_amount(self, entry: Entry) -> int:
        """Return how many lots of an order are open, hidden or not. O(1)."""
        arrival, _, total, hidden, waiting = entry
        return total if waiting else self.orders[arrival][3] + hidden

    def open_usage(self) -> Usage:
        """Return the sums of the open orders. O(1), but O(n) for n orders in the first call."""
        if self.usage is None:
            self.usage = Usage(self.register.entries, self.orders)
        return self.usage

    def must_wait(self, order: Submission) -> bool:
        """Return True if an incoming order has a stop price that the last price has not reached. O(1)."""
        if order.stop_price is None:
            return False
        last_price = self.last_prices.get(order.symbol)
        return last_price is None or order.side.sign * (last_price - order.stop_price) < 0

    def copy_to(self, target: Books) -> None:
        """Copy the whole state to empty books. O(n log n) for n orders."""
        super().copy_to(target)
        target.load_extra(self.extra())

    def extra(self) -> tuple[Any, ...]:
        """Return the engine's state, for a copy or a pickle. O(n log n) for n orders."""
        return self.engine_state()

    def load_extra(self, extra: tuple[Any, ...]) -> None:
        """Load the value that `extra` returned. O(n log n) for n orders."""
        self.next_arrival, entries, last_prices, self.prevention = extra
        self.register, self.last_prices = Register(entries), dict(last_prices)
        self.usage = None

    def check_engine_state(self, snapshot: Snapshot) -> None:
        """Raise InvalidArgumentError or InvalidOrderError unless a snapshot comes from a MatchingEngine."""
        check_engine_state(snapshot.engine, snapshot.orders)

    def engine_state(self) -> EngineState:
        """Return the register, the last prices, and the self-trade prevention. O(n log n) for n orders."""
        entries = sorted(self.register.entries.items())
        prices = sorted(self.last_prices.items())
        return EngineState(
            self.next_arrival, tuple(entry for _, entry in entries), tuple(prices), self.prevention
        )

    def load(self, snapshot: Snapshot) -> None:
        """Load a snapshot into empty books. O(n log n) for n orders."""
        super().load(snapshot)
        if snapshot.engine is not None:
            self.load_extra(snapshot.engine)

    def order_count(self) -> int:
        """Return the number of orders that rest or wait. O(1)."""
        return len(self.register.entries)

    def keeps_sizes(self, symbol: str) -> bool:
        """Return True if the symbol has an order that rests or waits, or has traded. O(n) for n orders.

        After a trade, a different tick size would change the value of the last price, which is in ticks.
        """
        return (
            super().keeps_sizes(symbol)
            or symbol in self.last_prices
            or any(entry.order.symbol == symbol for entry in self.register.entries.values())
        )

    def canonical_hash(self, next_sequence: int) -> str:
        """Return the SHA-256 hash (hex) of the counters, the open orders, and the last prices.

        The open orders are the orders in the books and the entries of the register.
        """
        entries = (entry for _, entry in sorted(self.register.entries.items()))
        hash_ = super().canonical_hash(next_sequence)
        return hash_of_engine(hash_, self.next_arrival, self.last_prices, entries)

    def restore(self, changes: Sequence[Change]) -> None:
        """Restore the state before these changes. See Books.restore."""
        parts = parts_of(changes)
        super().restore([part for part in parts if part[0] in ORDERS_BEFORE])
        entries = dict(self.register.entries)
        for kind, subject in reversed(parts):
            if kind is EntryChanged:
                before, after = subject
                if after is not None:
                    entries.pop(after.arrival, None)
                if before is not None:
                    entries[before.arrival] = before
                self._release_arrival(subject)
            elif kind is LastPriceChanged:
                self.undo_change_last_price(subject)
        self.register = Register(entries.values())
        self.usage = None  # an interrupt may have come between the change of an order and that of the sums

    def _check(self) -> None:
        super()._check()
        self.register._check()
        resting = {arrival for arrival, entry in self.register.entries.items() if not entry.waiting}
        assert resting == self.orders.keys(), "an entry that does not wait is resting, and the reverse"
        assert all(arrival < self.next_arrival for arrival in self.register.entries), (
            "arrivals are not reused"
        )
        if self.usage is not None:
            sums = Usage(self.register.entries, self.orders).sums
            assert self.usage.sums == sums, "the sums of the open orders match the register"


def hash_of_engine(
    hash_of_books: str, next_arrival: int, last_prices: Mapping[str, int], entries: Iterable[Entry]
) -> str:
    """Return the SHA-256 hash (hex) of `hash_of_books` and an engine's state. O(n log n) for n entries.

    The entries are in order of arrival.
    """
    digest = hashlib.sha256(hash_of_books.encode())
    digest.update(repr((next_arrival, sorted(last_prices.items()))).encode())
    for entry in entries:
        digest.update(repr(tuple(entry)).encode())
    return digest.hexdigest()


def _apply(books: EngineBooks, subject: EngineSubject) -> None:
    for kind, part in subject[3]:
        APPLY[kind](books, part)


def _undo(books: EngineBooks, subject: EngineSubject) -> None:
    for kind, part in reversed(subject[3]):
        UNDO[kind](books, part)


APPLY.update({EntryChanged: EngineBooks.change_entry, LastPriceChanged: EngineBooks.change_last_price})
APPLY.update(dict.fromkeys(ENGINE_KINDS, _apply))
UNDO.update(
    {EntryChanged: EngineBooks.undo_change_entry, LastPriceChanged: EngineBooks.undo_change_last_price}
)
UNDO.update(dict.fromkeys(ENGINE_KINDS, _undo))
PARTS.update(dict.fromkeys(ENGINE_KINDS, itemgetter(3)))
