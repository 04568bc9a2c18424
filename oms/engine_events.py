"""The events of a matching engine. Each method that changes the engine, called a verb, creates one event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self, TypeAlias

from oms.events import ChangeRow, Event
from oms.submission import EngineFill, Execution, OrderId, Submission

__all__ = [
    "ENGINE_KINDS",
    "EngineSubject",
    "OrderReduced",
    "OrderReplaced",
    "OrderSubmitted",
    "OrdersCanceled",
    "Owners",
]

Owners: TypeAlias = tuple[tuple[OrderId, str], ...]
"""The owner of each order that traded and has an owner, in the order of the trades."""

EngineSubject: TypeAlias = tuple[
    tuple[Submission, ...], tuple[Execution, ...], Owners, tuple[tuple[Any, Any], ...]
]
"""The orders that a verb acts on, their executions, the owners, and the elementary changes."""


class _OfEngine(NamedTuple):
    orders: tuple[Submission, ...]
    executions: tuple[Execution, ...]
    owners: Owners
    changes: tuple[tuple[Any, Any], ...]
    sequence: int
    note: str | None = None
    time: int | None = None


class EngineEvent(Event, _OfEngine):
    """The event of one verb of a matching engine, which is a method that changes the engine.

    `orders` contains the orders that the verb acts on. `executions` contains their executions, followed by
    the executions of the stop orders that they triggered. `owners` contains the owner of each order that
    traded and has an owner. `changes` contains the elementary changes of the books, in order. Each of them is
    a pair of its kind and its subject.
    """

    __slots__ = ()

    @classmethod
    def about(cls, subject: EngineSubject, sequence: int, note: str | None, time: int | None) -> Self:
        """Return an event about orders, executions, and changes. See Event."""
        return cls(*subject, sequence, note, time)

    def subject(self) -> EngineSubject:
        """Return the orders, the executions, the owners, and the changes."""
        return self[:4]

    @property
    def symbol(self) -> str | None:
        """The symbol, or None if the orders have different symbols. O(m) for m orders."""
        symbols = {order.symbol for order in self.orders}
        return symbols.pop() if len(symbols) == 1 else None

    def fills(self) -> Iterator[EngineFill]:
        """Yield the fills of all executions, in the order in which they happened. O(k) for k fills."""
        owners = dict(self.owners)
        for execution in self.executions:
            taker, symbol, side = execution[:3]
            for maker, amount, price in execution.fills:
                yield EngineFill(
                    symbol, side, amount, price, taker, owners.get(taker), maker, owners.get(maker)
                )

    def rows(self) -> Iterator[ChangeRow]:
        """Yield the changed amounts in the order books. See Event."""
        for kind, subject in self.changes:
            if issubclass(kind, Event):
                yield from kind.about(subject, self.sequence, None, None).rows()


class OrderSubmitted(EngineEvent):
    """An order was submitted. `executions` also contains the executions of the triggered stop orders."""

    __slots__ = ()


class OrderReplaced(EngineEvent):
    """An order was replaced. `orders` contains the new terms. See OrderSubmitted for `executions`."""

    __slots__ = ()


class OrderReduced(EngineEvent):
    """The open amount of an order was reduced. The order kept its place in the queue."""

    __slots__ = ()


class OrdersCanceled(EngineEvent):
    """One or more orders were canceled by `cancel`, `cancel_all`, `expire`, or `end_day`."""

    __slots__ = ()


ENGINE_KINDS: frozenset[type[EngineEvent]] = frozenset(
    {OrderSubmitted, OrderReplaced, OrderReduced, OrdersCanceled}
)
"""All event classes of a matching engine."""
