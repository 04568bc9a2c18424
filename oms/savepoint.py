"""The point to which a transaction or a what-if returns when it is rolled back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import ReferenceType

from oms.instrument import Instrument

__all__ = ["Savepoint"]


@dataclass(slots=True, eq=False)
class Savepoint:
    """The state at the start of a transaction or a what-if.

    `depth` is the number of enclosing transactions, and `events` the number of provisional events so far.
    `keep` is False for a what-if. `in_what_if` is True for a what-if and for any transaction inside one.
    `handle` refers to the object that will end the transaction. `concurrent` is True if other threads may
    read the books while the journal stores the changes. `ended` is True if the handle's `__exit__` method has
    started, or can no longer be called. `failed` is True if that method has raised an exception. `committed`
    is True once the changes are final.
    """

    depth: int
    events: int
    sequence: int
    instruments: Mapping[str, Instrument]
    outer_note: str | None
    keep: bool
    in_what_if: bool
    handle: ReferenceType[object]
    concurrent: bool = False
    ended: bool = False
    failed: bool = False
    committed: bool = False
