"""State hashes of one copy (replica) of a shard, to compare them with those of the owner.

The problem: two copies can be compared only after the same event. But while the owner makes changes, the
latest events of the owner and of a follower are almost never the same.

What does not work: computing a hash at every full second, because the copies then have different latest
events. Comparing hashes of the log does not work either, because they do not show whether the events were
applied to the books correctly.

The solution: each copy begins to compute a hash after the message that contains an event whose sequence
number is a multiple of `every`. All copies have the same messages, so they hash the state after the same
event. The hash is computed in slices, so the books can change meanwhile. If nothing changes for some seconds,
each copy hashes its latest state.
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
    """The latest state hashes of some books. The object subscribes to the books.

    `latest` maps the sequence numbers of some events to the hashes after these events. A hash is computed
    about once every `every` events, and after `quiet_seconds` seconds without a change. Call `compute` often,
    from one thread.
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
            self._changed = clock()
            books.subscribe(self)

    def __call__(self, event: Event) -> None:
        """Begin a hash if the sequence number is a multiple of `every`. O(1), or O(n) for n books."""
        self._changed = self._clock()
        if event.sequence % self._every == 0 and self._begun is None:
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
