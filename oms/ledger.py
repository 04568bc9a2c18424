"""The ledger: every change goes through it, is numbered, can be undone while provisional, and is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from oms.books import APPLY, UNDO, Books
from oms.events import Event

__all__ = ["Ledger"]

Callback = Callable[[Event], object]


class Ledger:
    """Numbers the changes of some books, keeps the open transaction, and tells the subscribers.

    Its caller holds the lock. While a transaction or a what-if is open, changes are provisional:
    they are in the books, so that later verbs see them, and in `_provisional`, so that they can
    be undone; their sequence numbers and trade ids are given again if they are.
    """

    __slots__ = ("_depth", "_note", "_provisional", "_quiet", "_subscribers", "_untold", "books", "sequence")

    def __init__(self, books: Books) -> None:
        self.books = books
        self.sequence = 0  # of the last event
        self._depth = 0
        self._note: str | None = None
        self._provisional: list[Event] = []
        self._subscribers: dict[object, Callback] = {}
        self._untold: deque[tuple[Event, tuple[object, ...]]] | None = None  # a deque while telling
        self._quiet = True  # nobody needs the event itself, so none is made

    @property
    def is_open(self) -> bool:
        """Whether a transaction or a what-if is open."""
        return self._depth > 0

    # ------------------------------------------------------------------ changes

    def commit(self, kind: type[Event], *subject: Any) -> None:
        """Make a validated change; outside a transaction, tell it."""
        self.sequence += 1
        APPLY[kind](self.books, *subject)
        if self._quiet:
            return
        event = kind(*subject, sequence=self.sequence, note=self._note)
        if self._depth:
            self._provisional.append(event)
        else:
            self._tell([event])

    @contextmanager
    def provisional(self, *, keep: bool, note: str | None) -> Generator[None, None, None]:
        """Changes inside are undone on any exception; at the outermost exit kept ones are told.

        Inside another one it is a savepoint. With `keep` false they are undone in any case. An
        inner note goes before an outer one. The cost of undoing is that of the changes.
        """
        savepoint, outer_note = len(self._provisional), self._note
        self._note = outer_note if note is None else note
        self._depth += 1
        self._quiet = False
        try:
            yield
        except BaseException:
            keep = False
            raise
        finally:
            if not keep:
                self._undo_to(savepoint)
            self._note = outer_note
            self._depth -= 1
            self._listen()
        if not self._depth:
            batch, self._provisional = self._provisional, []
            self._tell(batch)

    def _undo_to(self, savepoint: int) -> None:
        while len(self._provisional) > savepoint:
            event = self._provisional.pop()
            UNDO[type(event)](self.books, *event.subject())
            self.sequence -= 1

    # ------------------------------------------------------------------ subscribers

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Call back after each change from now on; what is returned ends that, however often called."""
        key = object()
        self._subscribers[key] = callback
        self._listen()

        def unsubscribe() -> None:
            self._subscribers.pop(key, None)
            self._listen()

        return unsubscribe

    def _listen(self) -> None:
        self._quiet = not (self._depth or self._subscribers)

    def _tell(self, events: list[Event]) -> None:
        """Tell each event to those who were subscribed when it happened, then raise what they raised."""
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
                    error.add_note(f"raised by a subscriber told of event {event.sequence}, which stands")
                    yield error
