"""The class Account, which keeps the positions, profits, and fees of all owners.

The problem: a source holds the lock of its books while it notifies a subscriber, so the subscriber must be
fast. It must not raise an exception, and an interrupt (Ctrl-C or a signal) can stop it anywhere. An event
that was booked halfway, or twice, would make all later numbers wrong.

The solution: a subscriber that only appends the event to a list. A query books the pending events, and so
does the subscriber if the list is long. Booking does not change the account. It computes the new states of
the holdings from the old ones, and returns them as a `_Batch`. One assignment commits the batch. Then the
batch is merged into the holdings. If the merge is interrupted, the next caller repeats it.

Invariants:

- `_sequence` is the sequence number of the last event that has been booked. `_pending` contains only later
  events. The first of them must have the next number. If it has a different number, an event is missing, and
  every query raises an error.
- `_batch` is None, or a committed batch whose merge is not finished.
- `_lock` protects everything except the append, which is atomic. A thread acquires the lock of the books
  first, and `_lock` second. So two threads never wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from threading import RLock
from typing import Any, NamedTuple, Self, TypeAlias, cast

from oms.call_stack import callers
from oms.conversions import as_bool
from oms.cost_basis import CostBasis, Holding
from oms.display import counted
from oms.errors import InvalidArgumentError, OpenTransactionError
from oms.events import Event
from oms.fees import FeeSchedule, checked_schedule
from oms.fills import fills_of
from oms.fork import reset_in_forks
from oms.ledger import Ledger
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.models import check_symbol
from oms.positions import Exact, Position, ProfitPoint
from oms.submission_checks import check_owner

__all__ = ["Account"]

_BATCH = 128  # book this many events at once, while they are still in the cache of the CPU
_FREE = FeeSchedule()

Source: TypeAlias = MatchingEngine | OrderManagement
"""What an account can follow."""

Key: TypeAlias = tuple[str, str | None]
"""A symbol and an owner."""


class _Batch(NamedTuple):
    """The result of booking pending events.

    `events` is the number of pending events that the batch covers, and `sequence` is the sequence number of
    the last event that was booked. `missing` is None, or the sequence number that came instead of the next
    one. `holdings` and `last_prices` contain only the entries that have changed. `traded` contains the new
    events to record. They go after the first `recorded` events of the record.
    """

    events: int
    sequence: int
    missing: int | None
    holdings: dict[Key, Holding]
    last_prices: dict[str, int]
    recorded: int
    traded: list[Event]


class Account:
    """The positions, cash, profits, and fees of every owner and symbol, from the fills of an order book.

    `source` is a MatchingEngine or an OrderManagement. The account subscribes to it, and books each fill. A
    fill of a MatchingEngine has two parties, the taker and the maker, and both are booked. A fill between two
    orders of the same owner is booked twice for this owner. An order without an owner belongs to the owner
    None. For an OrderManagement, the taker's side of each trade is recorded under the owner None. The owners
    of the resting orders are unknown, so the makers' side is not recorded.

    `fees` is a FeeSchedule for all symbols, or a mapping of symbols to FeeSchedules. A symbol that is not in
    the mapping has no fees. `cost_basis` says which open lots a fill closes.

    By default, the account starts flat, and books all later events. `history` contains all earlier events,
    from the first to the last one, such as `journal.read()`. They are booked first. Without a source, the
    account only books the history. With `record`, the account keeps all events that contain a trade. `curve`
    needs them.

    Amounts are in lots, prices in ticks, and cash, profits, and fees in ticks times lots. All numbers are
    exact. Only committed events count: the fills of a transaction count from its commit on, and the fills of
    a what-if never count. If the tick size or the lot size of a symbol changes, use a new account. An account
    can be copied and pickled. A copy does not follow the source. See `follow`. An Account is thread-safe.

    Raises InvalidArgumentError if an argument is invalid, or if an event is missing from the history. With a
    source, raises OpenTransactionError inside a transaction or a what-if. A fill takes amortized O(1) per
    party. With CostBasis.AVERAGE, it takes O(d) for d digits of the average entry price.

    >>> from oms import MatchingEngine, Side
    >>> engine = MatchingEngine()
    >>> account = Account(engine, fees=FeeSchedule(maker_per_lot=-1, taker_per_lot=2))
    >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 101, owner="Ann")
    >>> _ = engine.submit(2, "JPM", Side.BUY, 5, 101, owner="Bob")
    >>> ann, bob = account.positions()
    >>> ann.amount, ann.cash, ann.fees
    (-5, 505, -5)
    >>> bob.amount, bob.cash, bob.fees
    (5, -505, 10)
    >>> bob.unrealized(mark=103), bob.profit(mark=103)
    (10, 0)

    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        fees: FeeSchedule | Mapping[str, FeeSchedule] = _FREE,
        cost_basis: CostBasis = CostBasis.FIFO,
        history: Iterable[Event] | None = None,
        record: bool = False,
    ) -> None:
        if type(cost_basis) is not CostBasis:
            raise InvalidArgumentError("cost_basis", cost_basis, "a member of CostBasis")
        if type(record) is not bool:
            raise InvalidArgumentError("record", record, "True or False", as_bool("record", record))
        self._fees = _checked_fees(fees)
        self._cost_basis, self._record = cost_basis, record
        self._sequence = 0
        self._holdings: dict[Key, Holding] = {}
        self._last_prices: dict[str, int] = {}
        self._traded: list[Event] = []
        self._begin()
        if source is None:
            self._book_history(() if history is None else history)
        elif history is None:
            self._start(source)
        else:
            self.follow(source, history)

    def _begin(self) -> None:
        self._lock = RLock()
        self._source: Source | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._pending: list[Event] = []
        self._batch: _Batch | None = None
        self._missing: int | None = None  # the sequence number that came instead of the next one
        self._is_booking = False
        reset_in_forks(self)

    def reset_after_fork(self) -> None:
        """Release a lock whose thread exists only in the parent of this forked process."""
        self._lock = RLock()

    # ------------------------------------------------------------------ source

    def follow(self, source: Source, history: Iterable[Event] = ()) -> None:
        """Subscribe to a source, and continue after the last event of this account.

        Use it for a copy, for an account that was pickled, or after `close`. `history` contains the events
        that the account has missed, such as `journal.read(account.sequence + 1)`. Calls from other threads
        wait while the history is booked.

        Raises InvalidArgumentError if the account already follows a source, or if an event is missing between
        the account, the history, and the source. Raises OpenTransactionError inside a transaction or a
        what-if. O(p + m) for p open lots, and m fills of the history.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> account = Account(history=[])
        >>> account.follow(om)
        >>> om.add_order(1, "JPM", Side.BUY, 20, 101)
        >>> _ = om.place_trade("JPM", Side.BUY, 5)
        >>> account.position("JPM").amount
        5

        """
        _check_source(source)
        with source.locked(), self._lock:
            source._ledger.check_closed(_FOLLOWING)
            if self._source is not None:
                remedy = "call close() first, or use account.copy()"
                raise InvalidArgumentError("source", source, "the only source of this account", remedy)
            other = self.copy()
            other._book_history(history)
            last = source.last_sequence
            if other._sequence != last:
                raise _not_reached(other._sequence, last)
            vars(self).update(other._state())
            self._subscribe(source)

    def close(self) -> None:
        """Stop following the source. Queries still work. A second call does nothing.

        Leaving `with Account(source) as account:` calls this method. O(1).
        """
        with self._outer_lock(), self._lock:
            if self._unsubscribe is not None:
                self._unsubscribe()
                self._settle()
            self._source = self._unsubscribe = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def source(self) -> Source | None:
        """The MatchingEngine or OrderManagement that the account follows, or None."""
        return self._source

    def _start(self, source: Source) -> None:
        _check_source(source)
        with source.locked():
            source._ledger.check_closed(_FOLLOWING)
            self._sequence = source.last_sequence
            self._subscribe(source)

    def _subscribe(self, source: Source) -> None:
        self._unsubscribe = source.subscribe(self._receive)
        self._source = source

    def _outer_lock(self) -> RLock:
        """Return the lock to acquire before `_lock`. Holding it keeps other threads from publishing."""
        return self._lock if self._source is None else self._source._lock

    # ------------------------------------------------------------------ queries

    @property
    def sequence(self) -> int:
        """The sequence number of the last event that has been booked, or 0 if there is none. O(1)."""
        with self._outer_lock(), self._lock:
            self._check_complete()
            return self._sequence

    def position(self, symbol: str, owner: str | None = None) -> Position:
        """Return the position of an owner in a symbol. Without a fill, it is flat.

        Raises InvalidOrderError if an argument is invalid. O(1), and O(d) with CostBasis.AVERAGE for d digits
        of the average. Fills that have not been booked yet are booked first.

        >>> Account().position("JPM").amount
        0

        """
        check_symbol(symbol)
        check_owner(owner)
        with self._outer_lock(), self._lock:
            self._check_complete()
            return self._position((symbol, owner))

    def positions(self) -> tuple[Position, ...]:
        """Return the positions of all owners and symbols with a fill, sorted by symbol and then by owner.

        All positions show the state after the same event. O(p log p) for p positions.
        """
        with self._outer_lock(), self._lock:
            self._check_complete()
            return tuple(map(self._position, sorted(self._holdings, key=_rank)))

    def unrealized(self, symbol: str, owner: str | None = None, mark: int | Fraction | None = None) -> Exact:
        """Return the profit of the open lots of a position at a price. See `Position.unrealized`.

        Raises InvalidArgumentError if an argument is invalid. This takes as long as `position`.

        >>> Account().unrealized("JPM", mark=101)
        0

        """
        return self.position(symbol, owner).unrealized(mark)

    def curve(self, symbol: str, owner: str | None = None) -> tuple[ProfitPoint, ...]:
        """Return the profits of an owner in a symbol after each event in which the symbol traded.

        The curve begins with the owner's first fill. The account must have been created with `record=True`.

        Raises InvalidOrderError if an argument is invalid, and InvalidArgumentError if the account does not
        record. O(m) for all m fills of the account.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> account = Account(om, record=True)
        >>> om.add_order(1, "JPM", Side.BUY, 20, 101)
        >>> om.add_order(2, "JPM", Side.SELL, 20, 99)
        >>> _ = om.place_trade("JPM", Side.BUY, 5), om.place_trade("JPM", Side.SELL, 5)
        >>> [point.profit for point in account.curve("JPM")]
        [0, -10]

        """
        check_symbol(symbol)
        check_owner(owner)
        if not self._record:
            raise InvalidArgumentError(
                "record", False, "True for a curve", "use Account(source, record=True)"
            )
        with self._outer_lock(), self._lock:
            self._check_complete()
            events = self._traded[:]
        return tuple(self._points(events, symbol, owner))

    def __repr__(self) -> str:
        with self._outer_lock(), self._lock:
            self._settle()
            return f"<Account: {counted(len(self._holdings), 'position')}, event {self._sequence}>"

    # ------------------------------------------------------------------ copies

    def copy(self) -> Self:
        """Return an independent account with the same positions. It does not follow the source. See `follow`.

        O(p + m) for p open lots and m recorded events.
        """
        other = self.__new__(type(self))
        other.__setstate__(self.__getstate__())
        return other

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()  # events and fee schedules are immutable

    def __getstate__(self) -> dict[str, Any]:
        with self._outer_lock(), self._lock:
            self._check_complete()
            return self._state()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def _state(self) -> dict[str, Any]:
        return {
            "_fees": self._fees,
            "_cost_basis": self._cost_basis,
            "_record": self._record,
            "_sequence": self._sequence,
            "_holdings": {key: holding.copy() for key, holding in self._holdings.items()},
            "_last_prices": dict(self._last_prices),
            "_traded": self._traded[:],
        }

    # ------------------------------------------------------------------ booking

    # Except for `_receive`, the caller must hold `_lock`.

    def _receive(self, event: Event) -> None:
        """Receive an event from the source, and queue it."""
        self._pending.append(event)
        if len(self._pending) >= _BATCH:
            with self._lock:
                self._settle()

    def _book_history(self, history: Iterable[Event]) -> None:
        if not isinstance(cast("object", history), Iterable):
            raise InvalidArgumentError("history", history, _HISTORY, "pass journal.read()")
        for event in history:
            if not isinstance(cast("object", event), Event):
                raise InvalidArgumentError("history", event, _HISTORY, "pass journal.read()")
            self._receive(event)
        self._check_complete()

    def _check_complete(self) -> None:
        """Book the pending events. Raise an error if an event is missing."""
        if self._is_booking and self._count_settling():
            raise OpenTransactionError(
                "this thread is in the middle of booking events",
                "in a signal handler or a finalizer, set a flag instead of calling a method",
            )
        self._settle()
        following = self._sequence + 1
        if self._missing is not None:
            allowed = f"event {following}, which follows the last one that was booked"
            raise InvalidArgumentError("the next event", self._missing, allowed, _read_from(following))
        if self._source is not None and _holds(self._source._lock):
            self._check_current(self._source._ledger)

    def _check_current(self, ledger: Ledger) -> None:
        """Raise InvalidArgumentError if the last event of the source was lost, because of an interrupt."""
        if self._sequence != ledger.sequence and ledger.subscribers.is_idle and not ledger.busy:
            raise _not_reached(self._sequence, ledger.sequence)

    def _settle(self) -> None:
        """Book the pending events, up to the first gap in their sequence numbers."""
        if self._is_booking and self._count_settling() > 1:
            return
        try:
            self._is_booking = True
            if self._batch is not None:
                self._merge(self._batch)
            while self._pending:
                self._batch = self._booked(self._pending[:])
                self._merge(self._batch)
        finally:
            self._is_booking = False

    def _count_settling(self) -> int:
        """Return how many calls of `_settle` are running.

        `_is_booking` alone does not prove that one is running, because an interrupt may have left it True.
        """
        return sum(owner is self and name == "_settle" for name, owner in callers())

    def _booked(self, events: list[Event]) -> _Batch:
        """Return the result of booking events, without changing the account."""
        first, count, missing = self._sequence + 1, len(events), self._missing
        if missing is not None:
            events = []  # no event after a missing one is ever booked
        elif [event.sequence for event in events] != list(range(first, first + count)):
            in_order = [event.sequence == n for n, event in enumerate(events, first)].index(False)
            events, missing = events[:in_order], events[in_order].sequence
        fills, last_prices, traded = fills_of(events)
        holdings: dict[Key, Holding] = {}
        for symbol, by_owner in fills.items():
            schedule = self._schedule(symbol)
            for owner, booked in by_owner.items():
                holding = self._holdings.get((symbol, owner)) or Holding.flat(self._cost_basis)
                holdings[symbol, owner] = holding.after(booked, schedule)
        sequence, recorded = self._sequence + len(events), traded if self._record else []
        return _Batch(count, sequence, missing, holdings, last_prices, len(self._traded), recorded)

    def _merge(self, batch: _Batch) -> None:
        """Merge a committed batch into this account. After an interrupt, the merge can be repeated."""
        self._holdings.update(batch.holdings)
        self._last_prices.update(batch.last_prices)
        self._traded[batch.recorded :] = batch.traded
        remaining = self._pending[batch.events :]
        # No call between these assignments, so that an interrupt cannot separate them.
        self._sequence, self._missing, self._pending, self._batch = (
            batch.sequence,
            batch.missing,
            remaining,
            None,
        )

    def _schedule(self, symbol: str) -> FeeSchedule:
        return self._fees.get(symbol, _FREE) if isinstance(self._fees, dict) else self._fees

    def _position(self, key: Key) -> Position:
        symbol, owner = key
        holding = self._holdings.get(key) or Holding.flat(self._cost_basis)
        return holding.position(owner, symbol, self._schedule(symbol), self._last_prices.get(symbol))

    def _points(self, events: Iterable[Event], symbol: str, owner: str | None) -> Iterator[ProfitPoint]:
        holding, schedule = Holding.flat(self._cost_basis), self._schedule(symbol)
        started = False
        for event in events:
            fills, last_prices, _ = fills_of([event])
            booked = fills[symbol][owner]
            started = started or bool(booked)
            if started and symbol in last_prices:
                holding = holding.after(booked, schedule)
                now = holding.position(owner, symbol, schedule, last_prices[symbol])
                yield ProfitPoint(
                    event.sequence,
                    event.time,
                    now.amount,
                    last_prices[symbol],
                    now.realized,
                    now.unrealized(),
                    now.fees,
                )


def _holds(lock: Any) -> bool:
    """Return True if this thread holds a lock. Otherwise, `follow` has just replaced the source."""
    return bool(lock._is_owned())


_FOLLOWING = "following these books"
_HISTORY = "an iterable of events"


def _rank(key: Key) -> tuple[str, bool, str]:
    symbol, owner = key
    return symbol, owner is not None, owner or ""


def _checked_fees(fees: object) -> FeeSchedule | dict[str, FeeSchedule]:
    if not isinstance(fees, Mapping):
        return checked_schedule("fees", fees)
    by_symbol = cast("Mapping[object, object]", fees)
    for symbol in by_symbol:
        check_symbol(symbol)
    return {
        cast("str", symbol): checked_schedule(f"fees[{symbol!r}]", each) for symbol, each in by_symbol.items()
    }


def _check_source(source: object) -> None:
    """Raise InvalidArgumentError unless the value publishes events that an account can book."""
    if not isinstance(source, Source):
        raise InvalidArgumentError("source", source, "a MatchingEngine or an OrderManagement")


def _read_from(sequence: int) -> str:
    return f"pass the events from {sequence} on as history, such as journal.read({sequence})"


def _not_reached(booked: int, last: int) -> InvalidArgumentError:
    allowed = f"event {last}, the last one of the source"
    remedy = _read_from(booked + 1) if booked < last else "follow the source of these events"
    return InvalidArgumentError("the last event that was booked", booked, allowed, remedy)
