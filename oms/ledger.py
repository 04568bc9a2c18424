"""The ledger: every change goes through it, is numbered, can be undone while provisional, and is told."""

from __future__ import annotations

from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from time import sleep
from typing import Any

from oms.books import APPLY, UNDO, Books, involved
from oms.errors import OpenTransactionError
from oms.events import Event, TradePlaced
from oms.models import OrderRow, Trade

__all__ = ["Ledger", "Savepoint", "see_through"]

Callback = Callable[[Event], object]


class Savepoint:
    """Where an open transaction or what-if began: inside how many, after how many provisional events."""

    __slots__ = ("depth", "events", "keep", "outer_note")

    def __init__(self, depth: int, events: int, outer_note: str | None, *, keep: bool) -> None:
        self.depth = depth
        self.events = events
        self.outer_note = outer_note
        self.keep = keep


class Ledger:
    """Numbers the changes of some books, keeps the open transaction, and tells the subscribers.

    Its caller holds the lock. While a transaction or a what-if is open, changes are provisional:
    they are in the books, so that later verbs see them, and in `_provisional`, so that they can
    be undone; their sequence numbers and trade ids are given again if they are.
    """

    __slots__ = (
        "_note",
        "_open",
        "_provisional",
        "_subscribers",
        "_untold",
        "books",
        "sequence",
        "version",
    )

    def __init__(self, books: Books) -> None:
        self.books = books
        self.sequence = 0  # of the last event
        self.version = 0  # odd while something changes or is provisional; afterwards a new even one
        self._note: str | None = None
        self._open: list[Savepoint] = []
        self._provisional: list[Event] = []
        self._subscribers: dict[object, Callback] = {}
        self._untold: deque[tuple[Event, tuple[object, ...]]] | None = None  # a deque while telling

    @property
    def is_open(self) -> bool:
        """Whether a transaction or a what-if is open."""
        return bool(self._open)

    # ------------------------------------------------------------------ changes

    def commit(self, kind: type[Event], subject: Any) -> None:
        """Make a validated change; outside a transaction, tell it."""
        sequence = self.sequence
        last = self._last_order(subject) if kind is TradePlaced else None
        self.version |= 1
        try:
            APPLY[kind](self.books, subject)
            self.sequence = sequence + 1
            if self._open:
                self._provisional.append(kind.about(subject, sequence + 1, self._note))
                return
        except BaseException:  # an interrupt, or no stack left: it may have struck anywhere
            mended: list[bool] = []
            start_new_thread(self._mend, (mended, sequence, kind, subject, last))
            while not mended:
                try:
                    sleep(1e-4)
                except BaseException:  # noqa: S112  # a second interrupt must not let anyone in
                    continue
            raise
        self.version += 1
        if self._subscribers:
            self._tell([kind.about(subject, self.sequence, None)])

    def _mend(
        self,
        mended: list[bool],
        sequence: int,
        kind: type[Event],
        subject: Any,
        last: OrderRow | None,
    ) -> None:
        """Make all as before a change that was struck; in a thread, because that has a fresh stack."""
        try:
            before, after = involved(kind, subject, last)
            self.books.recover(before, after)
            if kind is TradePlaced:
                self.books.next_trade_id = subject.trade_id
            self._provisional = [event for event in self._provisional if event.sequence <= sequence]
            self.sequence = sequence
            self._settle()
        finally:
            mended.append(True)

    def _settle(self) -> None:
        """Outside a transaction, let readers go without the lock again."""
        if not self._open:
            self.version = (self.version | 1) + 1

    def _last_order(self, trade: Trade) -> OrderRow | None:
        return self.books.orders.get(trade.fills[-1].order_id)

    # ------------------------------------------------------------------ transactions

    def savepoint(self, *, keep: bool) -> Savepoint:
        """Say where a transaction would begin."""
        return Savepoint(len(self._open), len(self._provisional), self._note, keep=keep)

    def open(self, savepoint: Savepoint, note: str | None) -> None:
        """Make what follows provisional, until it is closed; an inner note goes before an outer one."""
        self.version |= 1
        self._open.append(savepoint)
        if note is not None:
            self._note = note

    def close(self, savepoint: Savepoint, *, failed: bool) -> None:
        """Undo what came after the savepoint, or keep it; at the outermost exit tell what is kept.

        Raises OpenTransactionError, and undoes, if those inside it have not been closed before.
        """
        if savepoint not in self._open:
            raise OpenTransactionError("leaving a transaction whose outer one was left before it")
        in_order = self._open[-1] is savepoint
        keep = savepoint.keep and in_order and not failed
        batch: list[Event] = []
        if not keep:
            self._undo_to(savepoint.events)
        # An interrupt strikes where something is called; from here to the telling nothing is. Where one
        # struck before, the savepoint stays open, to be abandoned.
        del self._open[savepoint.depth :]
        self._note = savepoint.outer_note
        if not self._open:
            self.version = (self.version | 1) + 1
            batch, self._provisional = self._provisional, []
        self._tell(batch)
        if not (in_order or failed):
            raise OpenTransactionError("leaving an outer transaction before an inner one")

    def abandon(self, savepoint: Savepoint) -> None:
        """Undo what came after a savepoint, unless it has been closed."""
        if savepoint in self._open:
            see_through(partial(self.close, savepoint, failed=True))

    def _undo_to(self, savepoint: int) -> None:
        while len(self._provisional) > savepoint:
            event, last, begun = self._provisional[-1], None, False
            try:
                kind, subject = type(event), event.subject()
                last = self._last_order(subject) if kind is TradePlaced else None
                begun = True
                UNDO[kind](self.books, subject)
                self.sequence = event.sequence - 1
                self._provisional.pop()
            except BaseException:  # as in commit; what is to be undone is undone all the same
                mended: list[bool] = []
                start_new_thread(self._finish_undoing, (mended, savepoint, event, last, begun))
                while not mended:
                    try:
                        sleep(1e-4)
                    except BaseException:  # noqa: S112  # as in commit
                        continue
                raise

    def _finish_undoing(
        self, mended: list[bool], savepoint: int, event: Event, last: OrderRow | None, begun: bool
    ) -> None:
        """Make all as before one event was being undone, and undo that and the rest once more."""
        try:
            if begun:
                before, after = involved(type(event), event.subject(), last)
                self.books.recover(after, before)
            if not any(event is each for each in self._provisional[-1:]):
                self._provisional.append(event)
            self._undo_to(savepoint)
        finally:
            mended.append(True)

    # ------------------------------------------------------------------ subscribers

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Call back after each change from now on; what is returned ends that, however often called."""
        key = object()
        self._subscribers[key] = callback

        def unsubscribe() -> None:
            self._subscribers.pop(key, None)

        return unsubscribe

    def _tell(self, events: list[Event]) -> None:
        """Tell each event to those who are subscribed now, then raise what they raised."""
        news = ((event, tuple(self._subscribers)) for event in events)
        if self._untold is not None:  # a callback made a change: it waits for its turn
            self._untold.extend(news)
            return
        self._untold = deque(news)
        errors: list[BaseException] = []
        try:
            while self._untold:
                event, audience = self._untold.popleft()
                errors.extend(self._failures(event, audience))
        finally:
            self._untold = None
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("callbacks failed after the change was made", errors)

    def _failures(self, event: Event, audience: tuple[object, ...]) -> Iterator[BaseException]:
        for key in audience:
            callback = self._subscribers.get(key)
            if callback is not None:  # it may have left meanwhile
                try:
                    callback(event)
                except BaseException as error:
                    with suppress(Exception):  # a frozen exception takes no note
                        error.add_note(f"raised by a subscriber told of event {event.sequence}, which stands")
                    yield error


def see_through(call: Callable[[], None]) -> None:
    """Call in a thread of its own, which has a fresh stack and no interrupts, and wait until it is done."""
    done: list[bool] = []

    def run() -> None:
        with suppress(BaseException):  # what it leaves undone shows in the numbers
            call()
        done.append(True)

    start_new_thread(run, ())
    while not done:
        try:
            sleep(1e-4)
        except BaseException:  # noqa: S112  # a second interrupt must not let anyone in
            continue
