r"""Journals: SQLite files that record every change to an OrderManagement or a MatchingEngine in an event log.

By default, every acknowledged change survives a power failure. `SqliteJournal` describes the alternatives.

>>> import pathlib, tempfile
>>> from oms import Side, journal
>>> folder = tempfile.TemporaryDirectory()
>>> file = pathlib.Path(folder.name, "book.db")
>>> with journal.open(file) as om:
...     om.add_order(1, "JPM", Side.BUY, 20, 20)
...     trade = om.place_trade("JPM", Side.BUY, 5)
>>> with journal.open(file) as om:  # another day, another process
...     om.orders()
(Order(order_id=1, symbol='JPM', side=<Side.BUY: 'BUY'>, amount=15, price=20),)
>>> folder.cleanup()

"""

from __future__ import annotations

import os
from collections.abc import Mapping
from time import time_ns

from oms.clock import Clock
from oms.instrument import Instrument
from oms.journal.closing import closed_after_an_error
from oms.journal.compaction import Droppable
from oms.journal.copying import backup
from oms.journal.log_state import warning_about
from oms.journal.pages import Archive, EventPage, TradePage
from oms.journal.place import real_path
from oms.journal.reading import opened_to_read
from oms.journal.rebuilding import rebuild
from oms.journal.replies import ReplyKeeper
from oms.journal.sqlite_journal import Durability, SqliteJournal
from oms.journal.table import columns
from oms.journal.verification import Verification, verify_event_log
from oms.limits import Limits
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.submission import SelfTradePrevention

__all__ = [
    "Archive",
    "Droppable",
    "Durability",
    "EventPage",
    "ReplyKeeper",
    "SqliteJournal",
    "TradePage",
    "Verification",
    "backup",
    "columns",
    "open",
    "open_engine",
    "rebuild",
    "verify",
]


def open(  # noqa: A001  # `journal.open` is the best name
    path: str | os.PathLike[str],
    *,
    durability: Durability = "full",
    verify: bool = False,
    group_size: int = 256,
    group_seconds: float = 0.05,
    instruments: Mapping[str, Instrument] | None = None,
    clock: Clock | None = time_ns,
) -> OrderManagement:
    """Open or create the journal at `path`, and return an OrderManagement with its latest state.

    SqliteJournal describes the first arguments. `instruments` maps symbols to instruments, which are added to
    those in the file, as by `set_instrument`. By default, `clock` is `time.time_ns`, so each event has the
    timestamp of its change. Pass another clock, or None for events without a timestamp. Close the result, or
    use it in a `with` statement. The `oms.journal` logger logs a warning if the file seems to have been
    copied without its write-ahead log.

    Raises InvalidArgumentError if an argument is invalid, or if an instrument would change a size while
    orders are resting. Raises JournalError if the file is damaged, has a newer version, or is open for
    writing elsewhere. O(n log n) for n orders, or for n orders and events if `verify` is True.
    """
    store = SqliteJournal(
        path,
        durability=durability,
        verify=verify,
        group_size=group_size,
        group_seconds=group_seconds,
    )
    with closed_after_an_error(store):
        return OrderManagement(store, instruments=instruments, clock=clock)


def open_engine(
    path: str | os.PathLike[str],
    *,
    durability: Durability = "full",
    verify: bool = False,
    group_size: int = 256,
    group_seconds: float = 0.05,
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE,
    instruments: Mapping[str, Instrument] | None = None,
    clock: Clock | None = time_ns,
    limits: Limits | None = None,
) -> MatchingEngine:
    """Open or create the journal at `path`, and return a MatchingEngine with its latest state.

    The journal contains the open orders and the last prices. It contains neither the policy
    `self_trade_prevention` nor the `limits` and kill switches, so set the same ones each time. `open`
    describes the other arguments.

    Raises InvalidArgumentError if an argument is invalid. Raises JournalError if the file is damaged, has a
    newer version, is open for writing elsewhere, or is the journal of an OrderManagement. O(n log n) for n
    open orders, or for n open orders and events if `verify` is True.

    >>> import pathlib, tempfile
    >>> from oms import Side, journal
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name, "venue.db")
    >>> with journal.open_engine(file) as engine:
    ...     resting = engine.submit("ask-1", "JPM", Side.SELL, 20, 101).resting
    >>> with journal.open_engine(file) as engine:  # another day, another process
    ...     engine.submit("bid-1", "JPM", Side.BUY, 5, 101).fills
    (OrderFill(order_id='ask-1', amount=5, price=101),)
    >>> folder.cleanup()

    """
    store = SqliteJournal(
        path,
        durability=durability,
        verify=verify,
        group_size=group_size,
        group_seconds=group_seconds,
    )
    with closed_after_an_error(store):
        return MatchingEngine(
            store,
            self_trade_prevention=self_trade_prevention,
            instruments=instruments,
            clock=clock,
            limits=limits,
        )


def verify(path: str | os.PathLike[str]) -> Verification:
    """Replay a file's whole event log, and compare all tables in the file with the result.

    Another program may write to the file at the same time. The result contains a `warning` if the file seems
    to have been copied without its -wal file. Such a copy is not damaged, but it may lack the latest events.
    If the file is damaged, raises JournalError with the location of the first damage. O(n log n) for n events
    and orders.
    """
    with opened_to_read(path) as event_log:
        result = verify_event_log(event_log)
        warning = warning_about(event_log.connection, real_path(path), result.last)
        return result._replace(warning=warning)
