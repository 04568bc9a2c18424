"""Changes that the journal is storing while other threads read the books.

The problem: a sync can take a long time, and during that time nobody may see the changes, because they could
still be lost. But a read should not have to wait for the disk.

What does not work: reading the changed books, because a result may then depend on a change that is lost in a
power failure. Copying the books for readers does not work either, because it takes O(n) for n orders.

The solution: when the outermost block of a transaction with `concurrent_commit` ends, the ledger rolls the
books back, keeps the events as a batch in flight, and releases the lock. The journal stores the batch without
the lock. Then the ledger acquires the lock again and applies the batch. So until the batch is durable, the
books contain the state before it.

Invariants:

- While a batch is in flight, the ledger is `busy`, so every call that could change the books calls `admit`,
  and waits. Reads do not wait. What-ifs do not wait either, because they are rolled back.
- A batch is not applied while a what-if is open, because the rollback of the what-if undoes its own changes
  in the order in which they were made. So `store` waits for the end of the what-if, without a time limit.
- At most one batch is in flight, and the sequence number of the ledger is the one before the batch.
- If the journal raises a JournalError, `store` discards the batch. If the storing thread is interrupted or
  ends, the next call that acquires the lock applies the batch if the journal contains it, or discards it.
  Queries inside a block that holds the lock leave this to a later call. See admission.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from oms.books import Change
from oms.events import Event
from oms.instrument import Instrument
from oms.owner import Owner
from oms.savepoint import Savepoint

__all__ = ["InFlight"]


class InFlight(NamedTuple):
    """The events and the new instruments of a transaction that the journal is storing.

    `instruments` contains all instruments after the transaction. `savepoint` is the transaction's savepoint,
    and `owner` is the thread that stores the batch.
    """

    events: tuple[Event, ...]
    new_instruments: Mapping[str, Instrument]
    instruments: Mapping[str, Instrument]
    savepoint: Savepoint
    owner: Owner

    @property
    def is_abandoned(self) -> bool:
        """True if storing has failed, or if the thread that stores the batch has ended."""
        return self.savepoint.failed or self.savepoint.handle() is None or self.owner.has_ended()

    def changes(self) -> list[Change]:
        """Return the changes of the batch, in order."""
        return [(type(event), event.subject()) for event in self.events]
