"""The base of OrderManagement and MatchingEngine: books, transactions, subscribers, and the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Self

from oms import ladder
from oms.books import Books
from oms.clock import Clock, checked_clock
from oms.copies import Copyable
from oms.durability import DurableLedger
from oms.errors import InvalidArgumentError
from oms.events import Event, Journal
from oms.instrument import Instrument
from oms.ledger import Ledger
from oms.locked import Locked
from oms.models import Side, check_book, check_note
from oms.order_book import OrderBook
from oms.reference_data import ReferenceData
from oms.transaction import Transaction

__all__ = ["Facade"]


class Facade(ReferenceData, Copyable):
    """The books of many symbols, and everything that does not depend on how orders enter them."""

    _books_type: type[Books] = Books

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        instruments: Mapping[str, Instrument] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._books = self._books_type()
        self._journal = journal
        self._ledger = Ledger(self._books) if journal is None else DurableLedger(self._books, journal)
        self._lock = self._ledger.lock
        self._ledger.clock = checked_clock(clock)
        self._orders, self._by_name = self._books.orders, self._books.by_name
        self._start(journal, instruments)

    def transaction(
        self, note: str | None = None, *, concurrent_commit: bool = False
    ) -> AbstractContextManager[Self]:
        """Return a context manager that commits all changes in its block together, or none of them.

        If the block raises an exception, all of its changes are rolled back. If the journal cannot store
        the changes, they are rolled back too, and leaving the block raises JournalError. Calls in the
        block see the changes made so far.

        Subscribers are notified after the commit. Calls from other threads wait until the block ends. If
        they have to wait for 30 seconds, they raise OpenTransactionError. Calls from other tasks in the same
        thread raise this error immediately.

        A nested transaction is a savepoint. It can be rolled back on its own, but it is committed only
        together with the outer transaction. `note` is attached to every event of the transaction.

        With `concurrent_commit`, other threads can read the books while the journal stores the changes. They
        see the state before the transaction until all changes are durable. Changes by other threads wait, as
        usual. The changes are made twice, so the block takes up to three times as long, not counting the time
        for the journal. In a nested transaction, or without a journal, `concurrent_commit` has no effect.

        Raises InvalidArgumentError if the note is neither None nor valid text. A rollback takes about as
        long as the changes themselves.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "IBM", Side.BUY, 20, 90)
        >>> with om.transaction():  # both trades, or none
        ...     trades = [om.place_trade(symbol, Side.BUY, 10) for symbol in ("JPM", "IBM")]
        >>> [trade.total_price for trade in trades]
        [200, 900]

        """
        check_note(note)
        return Transaction(self, self._ledger, keep=True, note=note, concurrent=concurrent_commit)

    def what_if(self) -> AbstractContextManager[Self]:
        """Return a context manager that rolls back all changes in its block when the block ends.

        Use it to try out changes, for example to see how they would affect a price. Calls in the block see
        the changes, but subscribers and the journal do not. As with a transaction, calls from other threads
        wait until the block ends. The rollback takes about as long as the changes themselves, however large
        the books are.

        >>> from oms import OrderManagement, Side
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

    def locked(self, *, to_read: bool = False) -> AbstractContextManager[Self]:
        """Return a context manager that holds the lock, so that all queries in its block see the same state.

        You can also change the books in the block. Each change takes effect immediately, as usual. Calls
        from other threads wait until the block ends. Only cached prices can be read without the lock. Do
        not use `await` in the block, because other tasks in the same thread do not wait for the lock.

        With `to_read`, entering the block does not wait for a transaction whose changes the journal is
        storing (see `concurrent_commit`). All queries in the block see the state before that transaction,
        even if the thread that stores the changes is interrupted meanwhile. Do not change the books in such a
        block, and do not enter `locked()` without `to_read`. Both would wait for that transaction, and the
        queries after them would see a different state.

        Entering the block raises OpenTransactionError while another task in this thread has a transaction
        open. O(1).

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.add_order(2, "JPM", Side.SELL, 15, 18)
        >>> with om.locked():
        ...     spread = om.best_price("JPM", Side.BUY) - om.best_price("JPM", Side.SELL)
        >>> spread
        2

        """
        return Locked(self, self._ledger, to_read=to_read)

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

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> unsubscribe = om.subscribe(lambda event: print(event.sequence, type(event).__name__))
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        1 OrderAdded
        >>> unsubscribe()

        """
        if not callable(callback):
            raise InvalidArgumentError("callback", callback, "a callable that takes an event")
        with self.locked(to_read=True):
            return self._ledger.subscribers.subscribe(callback)

    @property
    def clock(self) -> Clock | None:
        """The clock that timestamps events, or None if events have no timestamp.

        You can set it at any time, even inside a transaction. An event's timestamp is the time at which its
        change was made. The clock is called once for each event, with the lock held, and only if a
        subscriber, a journal, or a transaction needs the event. A MatchingEngine also calls the clock for
        each order to which a rate limit applies. The clock must not use these books. It is not called in a
        what-if. If the clock raises an exception or returns anything but an int from 0 to 2^63-1, the method
        that makes the change raises that exception or InvalidArgumentError, and nothing changes.

        Setting this attribute raises InvalidArgumentError unless the clock is None or callable. O(1).

        >>> from oms import OrderManagement, Side
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

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that have resting orders, sorted. O(s log s) for s symbols."""
        with self.locked(to_read=True):
            names = tuple(self._by_name)  # so that the lock is not held while they are sorted
        return tuple(sorted({symbol for symbol, _ in names}))

    def __len__(self) -> int:
        """Return the number of resting orders. O(1)."""
        with self._lock:
            return len(self._readable().orders)

    def state_hash(self) -> str:
        """Return a SHA-256 hash (hex) of the state: the resting orders and the counters.

        For a MatchingEngine, the state also includes the terms of all open orders and the last prices. Equal
        states have equal hashes, on every platform and in every process. O(n) for n open orders.
        """
        with self.locked(to_read=True):
            return self._books.canonical_hash(self._ledger.sequence + 1)

    @property
    def journal(self) -> Journal | None:
        """The journal that stores every change, or None if there is no journal."""
        return self._journal

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last event, or 0 if there are no events yet.

        Inside a transaction or a what-if, it counts the provisional changes too.
        """
        with self.locked(to_read=True):
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

    def __repr__(self) -> str:
        return ladder.as_text(self)

    __rich_repr__ = ladder.as_fields
    _repr_html_ = ladder.as_html

    # The caller of these methods must hold the lock. They wait until no other thread has a transaction open.
    # Methods that change the books call `admit` first, to wait for a batch in flight too.

    def _readable(self) -> Books:
        if self._ledger.busy:
            self._ledger.admit(to_read=True)
        return self._books

    def _find_book(self, symbol: str, side: Side) -> OrderBook:
        """Return a book. If the book has no orders, return a new empty book without storing it."""
        check_book(symbol, side)
        book = self._readable().by_name.get((symbol, side))
        return OrderBook(symbol, side) if book is None else book

    def _check(self) -> None:
        """Assert every invariant, for tests and debugging. O(n log n) for n orders."""
        with self.locked(to_read=True):
            self._books._check()
