"""Copies of books: independent objects, pickles, and snapshots."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from oms import state
from oms.events import Snapshot
from oms.ledger import Ledger
from oms.locked import Locked

__all__ = ["Copyable"]

_COPYING = "copying, pickling, or taking a snapshot"


class Copyable:
    """The methods that copy and pickle books, and take and restore snapshots."""

    _ledger: Ledger

    def copy(self) -> Self:
        """Return an independent copy with the same state, but without a journal, subscribers, or a clock.

        A copy of a MatchingEngine keeps the limits and the kill switches, and so does a pickle.

        Raises OpenTransactionError inside a transaction or a what-if, where changes are still
        provisional. O(n) for n resting orders.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> other = om.copy()
        >>> other.remove_order(1)
        >>> 1 in om
        True

        """
        other = self._blank()
        with Locked(self, self._ledger, to_read=True):
            self._ledger.check_closed(_COPYING)
            state.copy_state(self._ledger, other._ledger)
        vars(other).update(self._own(other))
        return other

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()  # orders are immutable, so no deeper copy is needed

    def __getstate__(self) -> dict[str, Any]:
        with Locked(self, self._ledger, to_read=True):
            self._ledger.check_closed(_COPYING)
            return {"books": state.pack(self._ledger), "own": self._own(self._blank())}

    def __setstate__(self, values: dict[str, Any]) -> None:
        self._begin()
        state.unpack(values, self._ledger)
        vars(self).update(values["own"])

    @abstractmethod
    def _begin(self) -> None:
        """Initialize a new, empty object without calling the `__init__` method of a subclass."""

    def _blank(self) -> Self:
        blank = type(self).__new__(type(self))
        blank._begin()
        return blank

    def _own(self, blank: object) -> dict[str, Any]:
        """Return the attributes that a subclass has added."""
        return {name: value for name, value in vars(self).items() if name not in vars(blank)}

    def snapshot(self) -> Snapshot:
        """Return the whole state: all resting orders, the last sequence number, and the next trade id.

        Raises OpenTransactionError inside a transaction or a what-if, where changes are still
        provisional. O(n) for n resting orders.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> om.snapshot()  # doctest: +NORMALIZE_WHITESPACE
        Snapshot(sequence=1, next_trade_id=1,
            orders=(Order(order_id=1, symbol='JPM', side=<Side.BUY: 'BUY'>, amount=20, price=20),),
            instruments=(), engine=None)

        """
        with Locked(self, self._ledger, to_read=True):
            self._ledger.check_closed(_COPYING)
            return state.snapshot_of(self._ledger)

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot) -> Self:
        """Return a new object restored from a snapshot, without a journal, subscribers, or a clock.

        A snapshot does not contain a MatchingEngine's limits and kill switches, so set them again.

        Raises InvalidArgumentError if the snapshot is of a different class or contains an invalid number,
        InvalidOrderError if it contains an invalid order, and DuplicateOrderError if two of its orders have
        the same id. O(n log n) for n orders.

        >>> from oms import OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
        >>> OrderManagement.from_snapshot(om.snapshot()).state_hash() == om.state_hash()
        True

        """
        om = cls()
        om._ledger.restore(state.checked_snapshot(snapshot, om._ledger.books))
        return om
