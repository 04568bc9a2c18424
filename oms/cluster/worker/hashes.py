"""State hashes of one copy of a shard, to compare them with those of the owner.

The problem: two copies can be compared only after the same event. While the owner makes changes, a follower
never has exactly the event for which the owner publishes a hash.

What does not work: a hash at every full second, because the copies are then after different events. A hash of
the log does not work either, because it does not show whether the books were changed as the log says.

The solution: each copy begins a hash after the message in which the sequence number passes a multiple of
`every`. The messages are the same everywhere, so these moments are too. The hash itself is computed in slices
while the books change. If nothing changes for some seconds, each copy hashes its last state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import monotonic

from oms.api.followers import MissedEventError
from oms.api.state_hash import begin_hash
from oms.events import Event
from oms.facade import Facade

__all__ = ["StateHashes"]

_log = logging.getLogger("oms.cluster")

_KEPT = 8  # hashes


class StateHashes:
    """The latest state hashes of some books, by the number of the last event. It subscribes to the books.

    A hash is computed about every `every` events, and after `quiet_seconds` seconds without a change. Call
    `compute` often, from one thread.
    """

    def __init__(
        self,
        books: Facade,
        *,
        every: int = 100_000,
        quiet_seconds: float = 3.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.latest: Mapping[int, str] = {}
        self._books = books
        self._every = every
        self._quiet_seconds = quiet_seconds
        self._clock = clock
        self._begun: tuple[int, Callable[[], str]] | None = None
        with books.locked():
            self._sequence, self._changed = books.last_sequence, clock()
            books.subscribe(self)

    def __call__(self, event: Event) -> None:
        """Begin a hash if the sequence number has passed a multiple of `every`. O(1), or that of a copy."""
        before, self._sequence = self._sequence, event.sequence
        self._changed = self._clock()
        if event.sequence // self._every > before // self._every and self._begun is None:
            self._begun = begin_hash(self._books)

    def compute(self) -> None:
        """Compute the hash that is due, if any. O(n log n) for n orders."""
        with self._books.locked(to_read=True):
            if self._begun is None and self._is_quiet():
                self._begun = begin_hash(self._books)
        if self._begun is not None:
            sequence, finish = self._begun
            try:
                hashes = {**self.latest, sequence: finish()}
                self.latest = {each: hashes[each] for each in sorted(hashes)[-_KEPT:]}
            except MissedEventError:
                _log.debug("there is no state hash after event %d, because an event was missed", sequence)
            finally:
                self._begun = None

    def _is_quiet(self) -> bool:
        is_due = self._clock() - self._changed >= self._quiet_seconds
        return is_due and self._books.last_sequence not in self.latest
