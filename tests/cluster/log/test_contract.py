"""What every journal promises, tested with a replicated log in memory, an SQLite file, and a real cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oms
from oms import (
    Event,
    Instrument,
    InvalidArgumentError,
    JournalError,
    MatchingEngine,
    Order,
    OrderAdded,
    OrderManagement,
    Side,
)
from oms.events import InstrumentKeeper
from oms.journal import Archive, ReplyKeeper
from oms.journal.engine_replay import trades_of
from support.interrupts import Interrupt, interrupted_at_line
from support.journals import ClusterPlace, FilePlace, FullJournal, MemoryPlace, Place, contents
from support.kinds import EACH_KIND
from support.replicated_log import ALL_FAULTS
from support.sessions import Kind, execute, noon, state, states

BUY = Side.BUY
CENT = Instrument("0.01", currency="USD")
PLACES = ["memory", "faulty memory", "file", pytest.param("cluster", marks=pytest.mark.long)]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    match request.param:
        case "memory":
            return MemoryPlace()
        case "faulty memory":
            return MemoryPlace(ALL_FAULTS)
        case "file":
            return FilePlace(tmp_path / "book.db")
        case _:
            shard = request.getfixturevalue("shard")
            return ClusterPlace(request.getfixturevalue("nats_cluster"), shard)


@pytest.fixture
def store(place: Place) -> Iterator[FullJournal]:
    journal = place.open()
    yield journal
    journal.close()


def added(*sequences: int, symbol: str = "JPM", note: str | None = None) -> list[Event]:
    return [OrderAdded(Order(each, symbol, BUY, 20, 20), each, note, noon()) for each in sequences]


def new(kind: Kind, journal: FullJournal) -> Any:
    return kind.new(journal, clock=noon)


@EACH_KIND
@pytest.mark.parametrize("seed", range(3))
def test_a_journal_opens_with_the_state_that_it_had_when_it_closed(
    kind: Kind, seed: int, place: Place
) -> None:
    commands = kind.session(seed, 40)
    expected = states(commands, kind)
    for first in range(0, len(commands), 20):
        with new(kind, place.open()) as om:
            assert state(om) == expected[first]
            for number, command in enumerate(commands[first : first + 20], first + 1):
                execute(command, om)
                assert om.state_hash() == expected[number].state_hash
            assert state(om) == expected[first + 20]


def test_the_last_state_survives_a_program_that_ends_without_closing(place: Place) -> None:
    if isinstance(place, FilePlace):
        pytest.skip("a file has a lock, which only the end of the process releases")
    with OrderManagement(place.open()) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        with OrderManagement(place.open()) as again:
            assert again.state_hash() == om.state_hash()


def test_a_journal_stores_events_instruments_replies_and_pages(store: FullJournal) -> None:
    assert isinstance(store, InstrumentKeeper)
    assert isinstance(store, ReplyKeeper)
    assert isinstance(store, Archive)


def test_a_new_journal_is_empty(store: FullJournal) -> None:
    assert contents(store) == ([], {}, [])
    assert (store.last_sequence, store.snapshot().sequence) == (0, 0)
    assert not store.page_of_events(None, 5).events
    assert not store.page_of_trades(None, 5).events


def test_every_text_and_time_is_stored_unchanged(place: Place, store: FullJournal) -> None:
    note, symbol = "tab\t line\n ' \" \\ \0 ü 日経", "日経 \t\n.*> \0"
    events: list[Event] = [
        OrderAdded(Order(1, symbol, BUY, 2**63 - 1, 1), 1, note, 0),
        OrderAdded(Order(2, "a" * 5_000, BUY, 1, 2**63 - 1), 2, "", None),
    ]
    store.append(events)
    store.keep_instruments({symbol: CENT})
    store.keep_reply(note)
    expected = events, {symbol: CENT}, [note]
    assert contents(store) == expected
    store.close()
    again = place.open()
    assert contents(again) == expected
    again.close()


def test_a_batch_and_its_instruments_are_stored_together(store: FullJournal) -> None:
    store.keep_instruments({"JPM": CENT}, added(1, 2))
    assert contents(store) == (added(1, 2), {"JPM": CENT}, [])
    with pytest.raises(JournalError, match="event 4 cannot follow event 2"):
        store.keep_instruments({"IBM": CENT}, added(4))
    with pytest.raises(InvalidArgumentError):
        store.keep_instruments({"": CENT}, added(3))
    assert contents(store) == (added(1, 2), {"JPM": CENT}, [])


@pytest.mark.parametrize("sequences", [(1,), (3,), (4,), (3, 3), (3, 5), (3, 4, 4)])
def test_a_batch_that_does_not_follow_the_last_event_is_rejected_as_a_whole(
    sequences: tuple[int, ...], store: FullJournal
) -> None:
    store.append(added(1, 2))
    is_valid = list(sequences) == list(range(3, 3 + len(sequences)))
    if is_valid:
        store.append(added(*sequences))
        return
    with pytest.raises(JournalError, match="cannot follow"):
        store.append(added(*sequences))
    assert list(store.read()) == added(1, 2)
    store.append(added(3))
    assert store.last_sequence == 3


def test_an_empty_batch_stores_nothing(store: FullJournal) -> None:
    store.append([])
    store.keep_instruments({})
    assert contents(store) == ([], {}, [])


def test_reading_can_begin_with_any_event(store: FullJournal) -> None:
    for first in range(1, 21, 4):
        store.append(added(first, first + 1, first + 2, first + 3))
        store.keep_reply(f"reply {first}")
    for first in range(1, 23):
        assert list(store.read(first)) == added(*range(first, 21))
    for invalid in (0, -1, 1.0, True, None):
        with pytest.raises(InvalidArgumentError, match="first"):
            list(store.read(invalid))  # type: ignore[arg-type]  # on purpose


def test_a_read_does_not_see_events_that_are_added_during_the_read(store: FullJournal) -> None:
    if isinstance(store, oms.journal.SqliteJournal):
        pytest.skip("a file reads on to its end")
    store.append(added(1, 2))
    events = store.read()
    assert next(events) == added(1)[0]
    store.append(added(3))
    assert list(events) == added(2)


def test_history_contains_every_event_and_its_note(place: Place, store: FullJournal) -> None:
    store.append(added(1, note="a note"))
    store.append(added(2, 3))
    assert list(store.history()) == added(1, note="a note") + added(2, 3)
    store.close()
    again = place.open()
    assert list(again.history()) == added(1, note="a note") + added(2, 3)
    again.close()


def test_replies_are_in_the_order_in_which_they_were_stored(place: Place, store: FullJournal) -> None:
    for number in range(5):
        store.keep_reply(f"reply {number}")
    store.keep_reply("reply 0")
    expected = [*(f"reply {number}" for number in range(5)), "reply 0"]
    assert list(store.replies()) == expected
    store.close()
    again = place.open()
    assert list(again.replies()) == expected
    again.close()


@pytest.mark.parametrize("reply", [None, 5, b"x", "\ud800"])
def test_a_reply_that_is_not_valid_text_is_rejected(reply: Any, store: FullJournal) -> None:
    with pytest.raises(InvalidArgumentError, match="reply"):
        store.keep_reply(reply)
    assert list(store.replies()) == []


def test_a_later_instrument_replaces_an_earlier_one(place: Place, store: FullJournal) -> None:
    store.keep_instruments({"JPM": CENT, "IBM": CENT})
    store.keep_instruments({"JPM": Instrument("0.5")})
    expected = {"IBM": CENT, "JPM": Instrument("0.5")}
    assert list(store.instruments().items()) == list(expected.items())
    store.close()
    again = place.open()
    assert again.instruments() == expected
    again.close()


@EACH_KIND
def test_a_page_is_a_part_of_the_event_log(kind: Kind, place: Place) -> None:
    with new(kind, place.open()) as om:
        for command in kind.session(11, 60):
            execute(command, om)
        store, events = om.journal, list(om.journal.read())
        trades = [trade for event in events for trade in trades_of(event)]
        ends = [*range(0, len(events), 7), len(events), len(events) + 1]
        for after in ends:
            for limit in (1, 10, 1_000):
                page, expected = store.page_of_events(after, limit), events[after : after + limit]
                assert page == (1, tuple(expected), len(expected) > 0 and after + limit < len(events))
                page, expected = store.page_of_trades(after, limit), trades[after : after + limit]
                assert page == (1, tuple(expected), len(expected) > 0 and after + limit < len(trades))
        assert store.page_of_events(None, 3).events == tuple(events[:3])
        assert store.page_of_trades(None, 3).events == tuple(trades[:3])


@pytest.mark.parametrize(("after", "limit"), [(-1, 1), (True, 1), (1.0, 1), (0, 0), (0, None), ("1", 1)])
def test_an_invalid_page_is_rejected(after: Any, limit: Any, store: FullJournal) -> None:
    with pytest.raises(InvalidArgumentError):
        store.page_of_events(after, limit)
    with pytest.raises(InvalidArgumentError):
        store.page_of_trades(after, limit)


USES: dict[str, Callable[[FullJournal], object]] = {
    "last_sequence": lambda store: store.last_sequence,
    "snapshot": lambda store: store.snapshot(),
    "read": lambda store: list(store.read()),
    "history": lambda store: list(store.history()),
    "instruments": lambda store: store.instruments(),
    "replies": lambda store: list(store.replies()),
    "page_of_events": lambda store: store.page_of_events(None, 1),
    "page_of_trades": lambda store: store.page_of_trades(None, 1),
    "check_writable": lambda store: store.check_writable(),
    "append": lambda store: store.append(added(2)),
    "keep_instruments": lambda store: store.keep_instruments({"JPM": CENT}),
    "keep_reply": lambda store: store.keep_reply("reply"),
}


@pytest.mark.parametrize("use", USES)
def test_a_closed_journal_rejects_everything_but_another_close(use: str, store: FullJournal) -> None:
    store.append(added(1))
    store.check_writable()
    store.close()
    with pytest.raises(JournalError, match="it is closed"):
        USES[use](store)
    store.close()


@EACH_KIND
def test_after_closing_queries_work_and_changes_raise_an_error(kind: Kind, place: Place) -> None:
    om = new(kind, place.open())
    kind.add(om, 1)
    before = om.state_hash()
    om.close()
    with pytest.raises(JournalError):
        kind.add(om, 2)
    assert om.state_hash() == before


@pytest.mark.parametrize(("kind", "other"), [(OrderManagement, MatchingEngine)])
def test_the_journal_of_another_class_is_rejected(kind: Any, other: Any, place: Place) -> None:
    with kind(place.open()) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
    store = place.open()
    with pytest.raises(JournalError, match="the changes of an OrderManagement"):
        other(store)
    store.close()


FOLDER = Path(oms.__file__).parent
FILES = {str(path) for name in ("cluster", "journal") for path in (FOLDER / name).rglob("*.py")} | {
    str(FOLDER / name) for name in ("durability.py", "in_flight.py", "transaction.py")
}


@EACH_KIND
def test_an_append_interrupted_at_any_line_is_in_memory_and_journal_or_in_neither(
    kind: Kind, place: Place
) -> None:
    """One line in seven with the real cluster and the file, because they are slow."""
    outcomes = set[bool]()
    with new(kind, place.open()) as om:
        for line in count(1, 1 if isinstance(place, MemoryPlace) else 7):
            before, sequence = om.state_hash(), om.last_sequence
            if not interrupted_at_line(line, partial(kind.add, om, line), Interrupt, files=FILES):
                break
            events = list(om.journal.read(sequence + 1))
            assert len(events) == om.last_sequence - sequence == (om.state_hash() != before)
            outcomes.add(len(events) == 1)
        state_hash = om.state_hash()
    assert outcomes == {True, False}
    with new(kind, place.open()) as om:
        assert om.state_hash() == state_hash


def interrupted_batch(om: OrderManagement, number: int) -> None:
    with om.transaction("basket", concurrent_commit=True):
        om.add_order(number, "JPM", BUY, 20, 20)
        om.set_instrument("DBK", Instrument(f"{number}"))
        om.add_order(number + 1_000_000, "IBM", BUY, 20, 20)


def test_a_concurrent_commit_interrupted_at_any_line_is_complete_or_has_no_effect(place: Place) -> None:
    sizes = set[int]()
    with OrderManagement(place.open()) as om:
        for line in count(1, 1 if isinstance(place, MemoryPlace) else 7):
            before = om.last_sequence
            if not interrupted_at_line(line, partial(interrupted_batch, om, line), Interrupt, files=FILES):
                break
            size = om.last_sequence - before
            assert om.journal is not None
            assert size == len(list(om.journal.read(before + 1)))
            assert (om.instruments.get("DBK") == Instrument(f"{line}")) is (size == 2)
            sizes.add(size)
        state_hash, instruments = om.state_hash(), om.instruments
    assert sizes == {0, 2}
    with OrderManagement(place.open()) as om:
        assert (om.state_hash(), om.instruments) == (state_hash, instruments)


@given(sizes=st.lists(st.integers(1, 5), max_size=12), seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_batches_of_any_size_are_stored_once_and_in_order_despite_faults(sizes: list[int], seed: int) -> None:
    place, last = MemoryPlace(ALL_FAULTS, seed), 0
    for size in sizes:
        store = place.open()
        store.append(added(*range(last + 1, last + size + 1)))
        last += size
        assert store.last_sequence == last
    assert list(place.open().read()) == added(*range(1, last + 1))
