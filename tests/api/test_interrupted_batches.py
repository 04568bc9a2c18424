"""Each response shows one state, even if the request applies a batch whose thread was interrupted.

The next call that acquires the lock applies such a batch. It may be any of the calls that a request makes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from oms import Event, MatchingEngine, Order, OrderManagement, Side
from oms.api import create_app, long_reads, state_hash
from oms.api.engine import queue_position
from oms.facade import Facade
from oms.in_flight import InFlight
from support.memory_journal import MemoryJournal

COUNT = 40
CALLS = 12
"""More calls than a request makes under one lock."""


class StoringJournal(MemoryJournal):
    """A journal that calls `stored` after it has stored a batch, when the batch has not been applied yet."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: Callable[[], object] = bool

    def append(self, batch: Sequence[Event]) -> None:
        super().append(batch)
        self.stored()


def books(journal: StoringJournal) -> OrderManagement:
    om = OrderManagement(journal)
    om.add_orders(Order(number, "JPM", Side.BUY, 2, 100 + number) for number in range(COUNT))
    return om


def engine(journal: StoringJournal) -> MatchingEngine:
    venue = MatchingEngine(journal)
    for number in range(COUNT):
        venue.submit(number, "JPM", Side.SELL, 2, price=100)
    return venue


def change_books(om: OrderManagement, number: int) -> None:
    om.remove_order(COUNT - 1 - number)
    om.amend_order(0, amount=10 + number)
    om.add_orders(Order(each * COUNT + number, f"S{number}", Side.SELL, 5, 20) for each in (1, 2))


def change_engine(venue: MatchingEngine, number: int) -> None:
    venue.cancel(COUNT - 1 - number)
    venue.cancel(number)
    for each in (1, 2, 3):
        venue.submit(each * COUNT + number, f"S{number}", Side.SELL, 5, price=20)


def responses_during_batches(
    venue: Facade, journal: StoringJournal, path: str, change: Callable[[Any, int], None]
) -> list[tuple[str, str, str]]:
    """Return the responses before, during, and after batches that are applied by a later call each time."""
    service = TestClient(create_app(venue))  # type: ignore[arg-type]  # one of the two kinds
    responses: list[tuple[str, str, str]] = []
    for number in range(CALLS):
        target = path.format(COUNT - 1 - number)
        during: list[str] = []
        calls = iter(range(CALLS))

        def request(
            target: str = target, number: int = number, calls: Any = calls, during: Any = during
        ) -> None:
            with pytest.MonkeyPatch.context() as patch:
                is_abandoned = property(lambda _: next(calls, CALLS) >= number)
                patch.setattr(InFlight, "is_abandoned", is_abandoned)
                during.append(service.get(target).text)

        before = service.get(target).text
        journal.stored = request
        with venue.transaction(concurrent_commit=True):
            change(venue, number)
        journal.stored = bool
        responses.append((before, during[0], service.get(target).text))
    return responses


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (long_reads, state_hash, queue_position):
        monkeypatch.setattr(module, "SLICE", 5)
    monkeypatch.setattr(long_reads, "MOST_SUMS", 5)


OF_A_BOOK = [
    "/depth?symbol=JPM&side=BUY",
    "/prices?symbol=JPM&side=BUY&amounts=3&amounts=60",
    "/quote?symbol=JPM&side=BUY&amount=30",
]


@pytest.mark.parametrize("path", ["/orders", "/ready", "/state-hash", *OF_A_BOOK])
def test_a_response_about_books_shows_one_state_whichever_call_applies_the_batch(path: str) -> None:
    journal = StoringJournal()
    for before, during, after in responses_during_batches(books(journal), journal, path, change_books):
        assert before != after
        assert during in (before, after)


@pytest.mark.parametrize("path", ["/orders", "/ready", "/state-hash", "/queue-ahead/{}"])
def test_a_response_about_an_engine_shows_one_state_whichever_call_applies_the_batch(path: str) -> None:
    journal = StoringJournal()
    for before, during, after in responses_during_batches(engine(journal), journal, path, change_engine):
        assert before != after
        assert during in (before, after)
