"""The selected events have the same effect on the service as all events, wherever the selection begins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import Event, OrderManagement, Side, TradePlaced
from oms.api import last_trades
from oms.api.batches import MARK
from oms.api.feed import Tape
from oms.api.first_responses import FirstResponses
from oms.api.last_trades import TAPE_LENGTH
from oms.api.restoring import restore
from oms.api.selection import SELECTION
from oms.journal import EventPage, TradePage
from oms.journal.extracts import ExtractKeeper, Selection
from support.memory_journal import MemoryJournal
from support.service_steps import STEPS, Service, memory, naive_memory


class Extracting(MemoryJournal):
    """A journal that selects from the events between some numbers, and yields all later ones."""

    def __init__(self, journal: MemoryJournal, ends: list[int]) -> None:
        super().__init__()
        self.batches, self.stored_replies = list(journal.batches), list(journal.stored_replies)
        self.ends = sorted({end for end in ends if end <= len(self.events)})

    def extracted(self, selection: Selection) -> Any:
        for first, end in zip([0, *self.ends], self.ends, strict=False):
            yield from selection.select(self.events[first:end])
        yield from self.events[self.ends[-1] if self.ends else 0 :]

    def page_of_events(self, after: int | None, limit: int) -> EventPage:
        raise NotImplementedError

    def page_of_trades(self, after: int | None, limit: int) -> TradePage:
        raise NotImplementedError


@pytest.mark.slow
@given(st.lists(STEPS, max_size=40), st.lists(st.integers(0, 40), max_size=4))
@settings(max_examples=200)
def test_a_service_that_starts_with_selections_remembers_what_one_that_reads_everything_remembers(
    steps: list[Any], ends: list[int]
) -> None:
    journal = MemoryJournal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(last_trades, "TAPE_LENGTH", 2)
        service = Service(journal)
        for step in steps:
            service.send(step)
        extracting = Extracting(journal, ends)
        assert isinstance(extracting, ExtractKeeper)
        again = Service(extracting)
        assert memory(again.responses, again.tape) == naive_memory(journal.events, journal.stored_replies)
    assert [again.send(step) for step in steps] == [service.send(step) for step in steps]
    assert again.om.state_hash() == service.om.state_hash()


def trades(number: int) -> list[Event]:
    """Return an order, and as many trades."""
    om, events = OrderManagement(), list[Event]()
    om.subscribe(events.append)
    om.add_order(1, "JPM", Side.BUY, number + 1, 20)
    for _ in range(number):
        om.place_trade("JPM", Side.BUY, 1)
    return events


def test_only_new_orders_keys_the_last_trades_and_the_last_event_are_selected() -> None:
    events = trades(3 * TAPE_LENGTH)
    selected = SELECTION.select(events)
    assert [event.sequence for event in selected] == [1, *range(2 + 2 * TAPE_LENGTH, 2 + 3 * TAPE_LENGTH)]
    om, others = OrderManagement(), list[Event]()
    om.add_order(1, "JPM", Side.BUY, 90, 20)
    om.subscribe(others.append)
    for note in (None, "a note", f'{{"{MARK}":1}}', f'{{"{MARK}":1,"key":"k"}}', None):
        with om.transaction(note=note):
            om.amend_order(1, amount=om.get_order(1).amount - 1)
    assert [event.sequence for event in SELECTION.select(others)] == [5, 6]
    assert SELECTION.select([]) == []


def test_the_last_trades_of_a_symbol_that_does_not_trade_any_more_are_kept() -> None:
    om, journal = OrderManagement(), MemoryJournal()
    om.subscribe(lambda event: journal.append([event]))
    for symbol, number in (("IBM", 3), ("JPM", 2 * TAPE_LENGTH)):
        om.add_order(number, symbol, Side.BUY, 100, 20)
        for _ in range(number):
            om.place_trade(symbol, Side.BUY, 1)
    tape = Tape()
    restore(OrderManagement(Extracting(journal, [journal.last_sequence])), FirstResponses(), tape)
    assert [event.trade.trade_id for event in tape.last("IBM")] == [1, 2, 3]
    assert len(tape.last("JPM")) == len(tape.last(None)) == TAPE_LENGTH


def test_the_tape_notices_a_missed_trade_after_a_selection() -> None:
    journal = MemoryJournal()
    journal.batches.append(tuple(trades(50)))
    om, tape = OrderManagement(Extracting(journal, [51])), Tape()
    restore(om, FirstResponses(), tape)
    assert [event.trade.trade_id for event in tape.last("JPM")] == list(range(31, 51))
    [event] = [event for event in trades(52) if isinstance(event, TradePlaced) and event.sequence == 53]
    tape(event)  # that of trade 51 is missing
    assert tape.last("JPM") == (event,)


def test_an_event_that_was_missed_is_read_without_those_before_it() -> None:
    reads: list[int] = []

    class Counting(Extracting):
        def read(self, first: int = 1) -> Any:
            reads.append(first)
            return super().read(first)

    journal = Counting(MemoryJournal(), [])
    service = Service(journal)
    service.om.add_order(1, "JPM", Side.BUY, 90, 20)
    service.om._ledger.subscribers.callbacks.clear()  # as if an interrupt had prevented the publication
    service.om.add_order(2, "JPM", Side.BUY, 90, 20)
    reads.clear()
    assert service.responses.begin_group(service.om) == 2
    assert reads == [2]
    assert service.responses.has_used(2)
