"""Groups: requests that change the books and wait at the same time share one sync of the journal.

The problem: a change is acknowledged only when it is durable, and a sync can take 100 ms. If each request had
its own sync, 60 clients would get 10 responses a second.

What does not work: acknowledging a change before the sync, because a power failure would lose it. A thread
that collects requests for a fixed time does not work either, because a single client would always wait for
that time.

The solution: a request joins the queue, and its thread tries to become the leader. The leading thread commits
the requests at the head of the queue as one concurrent transaction, so they share one append and one sync.
Then it wakes their threads, and the thread of the next request in the queue, which leads the next group. Each
request is a nested transaction, so an error rolls back only the request that caused it.

The leader is an entry in a dict, not a lock. An interrupt can arrive between acquiring a lock and the `try`
whose `finally` releases it, and then nobody could lead again. `dict.setdefault` writes the leader's name in
one step, so the `finally` around everything knows whether this thread leads.

Clients that have just received a response often send their next request at once. If the next group began
before these requests arrive, half of the clients would wait for the other half, and a sync would serve only
every second request. So the leading thread waits until the queue is as long as it was at the end of the
last commit: the requests of that group, plus those that were already waiting behind it. It stops waiting if
no request arrives for a tenth of the time that the last commit took, and after three quarters of this time.
A single client never waits.

Invariants:

- Requests are executed in the order in which they arrive. A group is always the head of the queue.
- Two requests with the same idempotency key, or with the same new order id, are never in the same group. So a
  request finds the response to every earlier request that it might repeat.
- A request succeeds only when its change is durable. If the commit of a group fails, every request of the
  group gets the error, and no change of the group is stored. This includes the rejected requests, because an
  earlier change of the group may be the reason. If the journal cannot tell whether it has stored the group,
  the error says so.
- If the leading thread is interrupted, it no longer leads, and another waiting thread takes over. The
  requests of the interrupted group get an error, and are not executed a second time. Their changes may be
  stored, so the clients retry with the same keys.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Event
from time import perf_counter, sleep
from typing import Generic, Literal, TypeAlias, TypeVar

from oms.facade import Facade
from oms.transaction import Transaction

__all__ = ["Groups", "Observer", "Request"]

T = TypeVar("T")

_LARGEST_GROUP = 256
"""The number of claims after which a group takes no more requests, so that reads never wait for long."""

_LONGEST_WAIT, _LONGEST_SILENCE = 0.75, 0.1
"""How long a group waits for requests, in total and for the next one, in durations of the last commit."""
_PAUSE = 0.000_5  # seconds between two looks at the queue
_LONGEST_SLEEP = 1.0  # seconds; a thread that was not woken, because another one was interrupted, looks again


Observer: TypeAlias = Callable[[int, float], object]
"""A function that is called after each commit of a group that has changed the books.

Its arguments are the number of requests and the duration of the commit in seconds.
"""


class Request(Generic[T]):
    """A change that waits for its group.

    `make` executes the change inside a transaction with the note `note`. `claims` are the values that
    identify the request.
    """

    def __init__(self, make: Callable[[], T], note: str, claims: frozenset[object]) -> None:
        self.make = make
        self.note = note
        self.claims = claims
        self.result: T | None = None
        self.error: Exception | None = None
        self.is_begun = False
        self.is_done = False
        self.wake = Event()  # set when the request is done, or should lead

    def outcome(self) -> T:
        """Return the result of a finished request, or raise its error."""
        if self.error is not None:
            raise self.error
        assert self.result is not None, "a request without an error has a result"
        return self.result


class Groups(Generic[T]):
    """The queue of the requests that change the books.

    `begin` is called at the start of each group, inside its transaction, and returns the last sequence
    number. `finished` is called with the result of each request once its group is durable. It returns the
    final result.
    """

    def __init__(self, books: Facade, begin: Callable[[], int], finished: Callable[[T], T]) -> None:
        self._books = books
        self._begin = begin
        self._finished = finished
        self._leader: dict[Literal["leader"], Request[T]] = {}  # empty if no thread leads
        self._waiting: deque[Request[T]] = deque()
        self._expected = 1  # the number of requests that the next group waits for
        self._last_seconds = 0.0  # the duration of the last commit
        self.observers: list[Observer] = []

    def __len__(self) -> int:
        """Return the number of waiting requests."""
        return len(self._waiting)

    def run(self, request: Request[T]) -> T:
        """Execute a request together with other requests, and return its result.

        Raise the error of the request. Raise JournalError if the journal cannot store the group. Raise
        RuntimeError if a subscriber raises an error after the change, because the change is not rolled back.
        """
        self._waiting.append(request)
        try:
            while not request.is_done:
                request.wake.clear()
                if self._leader.setdefault("leader", request) is request:
                    self._lead(request)
                    self._resign(request)
                elif not request.is_done:
                    request.wake.wait(_LONGEST_SLEEP)
        finally:
            self._resign(request)
        return request.outcome()

    def _lead(self, request: Request[T]) -> None:
        self._end_interrupted()
        if not request.is_done:
            self._gather()
            self._commit(self._next_group())

    def _resign(self, request: Request[T]) -> None:
        """Wake the thread of the request at the head of the queue, to lead instead, if this request leads."""
        if self._leader.get("leader") is request:
            del self._leader["leader"]
            for following in list(self._waiting)[:1]:
                following.wake.set()

    def _end_interrupted(self) -> None:
        """End the requests that an interrupted thread has begun and left in the queue."""
        while self._waiting and self._waiting[0].is_begun:
            if not self._waiting[0].is_done:  # otherwise its thread may already have read the outcome
                _end([self._waiting[0]], _interrupted())
            self._waiting.popleft()

    def _gather(self) -> None:
        """Wait for the clients of the last group, if there were several."""
        start = last_arrival = perf_counter()
        arrived = len(self._waiting)
        while arrived < self._expected:
            sleep(_PAUSE)
            now, waiting = perf_counter(), len(self._waiting)
            if waiting > arrived:
                arrived, last_arrival = waiting, now
            is_silent = now - last_arrival > _LONGEST_SILENCE * self._last_seconds
            if is_silent or now - start > _LONGEST_WAIT * self._last_seconds:
                return

    def _next_group(self) -> list[Request[T]]:
        """Return the requests at the head of the queue that can be executed together."""
        group: list[Request[T]] = []
        claims: set[object] = set()
        for request in list(self._waiting):
            if group and (max(len(group), len(claims)) >= _LARGEST_GROUP or claims & request.claims):
                break
            group.append(request)
            claims |= request.claims
        return group

    def _commit(self, group: list[Request[T]]) -> None:
        for request in group:
            request.is_begun = True
        error: Exception | None = _interrupted()
        start = perf_counter()
        try:
            error = self._make_durable(group)
        finally:
            self._last_seconds, self._expected = perf_counter() - start, len(self._waiting)
            _end(group, error)
            for _ in group:
                self._waiting.popleft()

    def _make_durable(self, group: list[Request[T]]) -> Exception | None:
        """Commit a group, and finish its requests. Return the error if nothing of the group is stored."""
        start, transaction = perf_counter(), self._books.transaction(concurrent_commit=True)
        assert isinstance(transaction, Transaction)
        try:
            with transaction:
                before = self._begin()
                for request in group:
                    self._make(request)
                after = self._books.last_sequence
        except Exception as error:
            if not transaction.is_committed:
                return error
            for request in group:
                request.error = request.error or _after_the_change(error)
            return None
        for request in group:
            self._finish(request)
        if after != before:
            for observe in self.observers:
                observe(len(group), perf_counter() - start)
        return None

    def _make(self, request: Request[T]) -> None:
        try:
            with self._books.transaction(request.note):
                request.result = request.make()
        except Exception as error:
            request.error = error

    def _finish(self, request: Request[T]) -> None:
        if request.result is not None and request.error is None:
            try:
                request.result = self._finished(request.result)
            except Exception as error:
                request.error = error


def _after_the_change(error: Exception) -> RuntimeError:
    failure = RuntimeError("a subscriber failed after the change was made")
    failure.__cause__ = error
    return failure


def _interrupted() -> RuntimeError:
    return RuntimeError("the thread that stored this change was interrupted; retry with the same key")


def _end(group: list[Request[T]], error: Exception | None) -> None:
    """End the requests of a group. If there is an error, all of them get it, even a rejected request.

    The cause of the rejection may be an earlier change of the group, which is not stored.
    """
    for request in group:
        request.error = error or request.error
        request.is_done = True
        request.wake.set()
