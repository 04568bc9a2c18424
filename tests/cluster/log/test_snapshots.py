"""A log opens with a snapshot as without one, and a snapshot that contradicts the log is an error."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import Event, Instrument, InvalidArgumentError, JournalError, Order, OrderManagement, Side, cluster
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.snapshots import decode_saved
from support.engine_sessions import ENGINE
from support.kinds import EACH_KIND
from support.replicated_log import ALL_FAULTS, Connection, MemoryLog, MemorySnapshots, Reads, impatient
from support.sessions import BOOKS, Kind, execute, noon, state, states

BUY = Side.BUY


class Place:
    """A log and its snapshots."""

    def __init__(self) -> None:
        self.log, self.snapshots = MemoryLog(), MemorySnapshots()
        self.connections: list[Reads] = []

    def open(self, kind: Kind = BOOKS, **options: Any) -> Any:
        return kind.new(self.journal(**options), clock=noon)

    def journal(self, **options: Any) -> LogJournal:
        self.connections.append(Reads(self.log))
        return LogJournal(self.connections[-1], patience=impatient(), snapshots=self.snapshots, **options)


@EACH_KIND
@pytest.mark.parametrize("seed", range(3))
def test_a_log_opens_with_a_snapshot_at_any_place_as_without_one(kind: Kind, seed: int) -> None:
    commands, place = kind.session(seed, 60), Place()
    expected = states(commands, kind)
    for first in range(0, len(commands), 10):
        with place.open(kind) as om:
            assert state(om) == expected[first]
            for command in commands[first : first + 4]:
                execute(command, om)
            cluster.save_snapshot(om)
            om.journal.keep_reply(f"reply {first}")
            for command in commands[first + 4 : first + 10]:
                execute(command, om)
            assert list(om.journal.replies()) == [f"reply {n}" for n in range(0, first + 1, 10)]
    with place.open(kind) as om:
        assert state(om) == expected[-1]
        assert om.journal.snapshot().sequence > 0
        assert list(om.journal.history()) == list(expected[-1].events)
    assert len(place.snapshots.contents) == 2


def filled() -> tuple[Place, str]:
    """Return a log with 100 orders and a snapshot after each half of them, and the last state hash."""
    place = Place()
    with place.open() as om:
        om.journal.keep_instruments({"JPM": Instrument("0.01")})
        om.journal.keep_reply("a reply")
        for order_id in range(1, 101):
            om.add_order(order_id, "JPM", BUY, 20, order_id)
            if order_id % 50 == 0:
                cluster.save_snapshot(om)
        return place, om.state_hash()


def test_only_the_messages_after_the_snapshot_are_read() -> None:
    place, state_hash = filled()
    with place.open() as om:
        om.add_order(101, "JPM", BUY, 20, 20)
        om.remove_order(101)
        assert place.connections[-1].count < 10
        assert len(list(om.journal.read())) == 102
    with place.open(read_only=True) as om:
        assert place.connections[-1].count < 10
        assert om.last_sequence == 102
        assert om.journal.instruments() == {"JPM": Instrument("0.01")}
        assert list(om.journal.replies()) == ["a reply"]
        om.journal.close()
    place.snapshots.contents.clear()
    with place.open() as om:
        om.journal.close()
    assert place.connections[-1].count > 100
    assert state_hash


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a changed amount": lambda content: content.replace(b'"amount":20', b'"amount":21', 1),
    "a changed hash": lambda content: content[:-3] + b"x" + content[-2:],
    "a missing end": lambda content: content[:-100],
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("damaged", [1, 2])
def test_a_damaged_snapshot_is_skipped_with_a_warning(
    damage: str, damaged: int, caplog: pytest.LogCaptureFixture
) -> None:
    place, state_hash = filled()
    for name in sorted(place.snapshots.contents)[-damaged:]:
        place.snapshots.contents[name] = DAMAGE[damage](place.snapshots.contents[name])
    with place.open() as om:
        assert om.state_hash() == state_hash
        assert om.journal.snapshot().sequence == (50 if damaged == 1 else 0)
        assert list(om.journal.replies()) == ["a reply"]
    assert caplog.text.count("is not used") == damaged


@given(data=st.data())
@settings(max_examples=100)
def test_any_changed_byte_of_a_snapshot_is_detected(data: st.DataObject) -> None:
    place, _ = FILLED
    content = bytearray(place.snapshots.contents[max(place.snapshots.contents)])
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(JournalError, match="a snapshot: "):
        decode_saved(bytes(content), "a snapshot")


FILLED = filled()


def test_snapshots_that_cannot_be_read_are_skipped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    place, state_hash = filled()
    place.snapshots.is_available = False
    with place.open() as om:
        assert om.state_hash() == state_hash
    assert "the snapshots cannot be read: no leader" in caplog.text


def test_a_log_that_has_lost_its_end_is_rejected() -> None:
    place, _ = filled()
    del place.log.messages[-1]
    with pytest.raises(JournalError, match=f"message {len(place.log.messages) + 1} is missing"):
        place.open()
    place.snapshots.contents.clear()  # without a snapshot, nobody knows that it has lost its end
    with place.open() as om:
        assert len(om) == 99


def test_a_log_with_another_message_at_the_position_of_a_snapshot_is_rejected() -> None:
    place, _ = filled()
    other = Place()
    with other.open() as om:
        for order_id in range(1, 201):
            om.add_order(order_id, "IBM", BUY, 20, order_id)
    place.log.messages[:] = other.log.messages
    with pytest.raises(JournalError, match=r"is not the one that snapshot .* was made after"):
        place.open()


def test_a_snapshot_with_the_state_hash_of_other_books_is_detected() -> None:
    place, _ = filled()
    with place.open() as om:
        store = om.journal
        saved = store.saved_state(om.snapshot(), "another hash")
        store.save(saved)
        with pytest.raises(JournalError, match="its state hash does not match its orders"):
            decode_saved(place.snapshots.contents[saved.name], "a snapshot")


def test_a_snapshot_of_a_newer_version_is_rejected() -> None:
    with pytest.raises(
        JournalError, match="it has the format 'oms-snapshot 2', and this version of oms reads"
    ):
        decode_saved(signed(b"oms-snapshot 2\n{}"), "a snapshot")


@pytest.mark.parametrize(
    "text",
    [
        b"oms-snapshot 1",
        b"oms-snapshot 1\n{}",
        b'oms-snapshot 1\n{"position":1,"epoch":1,"sequence":0,"trade":1}',
        b'oms-snapshot 1\n{"position":1,"epoch":1,"sequence":0,"next_trade_id":1,"hash":"x","state_hash":"x",'
        b'"next_arrival":null}\nother\tx',
        b'oms-snapshot 1\n{"position":1,"epoch":1,"sequence":0,"next_trade_id":1,"hash":"x","state_hash":"x",'
        b'"next_arrival":null}\norders\t[{"order_id":1}]',
        b'oms-snapshot 1\n{"position":1,"epoch":1,"sequence":0,"next_trade_id":1,"hash":"x","state_hash":"x",'
        b'"next_arrival":1}\norders\t[]\nentry\t{}',
        b'oms-snapshot 1\n{"position":1.0,"epoch":1,"sequence":0,"next_trade_id":1,"hash":"x",'
        b'"state_hash":"x","next_arrival":null}\norders\t[]',
    ],
)
def test_a_snapshot_with_invalid_content_is_rejected_even_if_its_hash_is_correct(text: bytes) -> None:
    with pytest.raises(JournalError, match="a snapshot: it is not valid"):
        decode_saved(signed(text), "a snapshot")


def signed(text: bytes) -> bytes:
    return b"%b\nhash\t%b\n" % (text, sha256(text).hexdigest().encode())


def test_the_snapshot_of_the_other_class_is_rejected() -> None:
    place, _ = filled()
    with pytest.raises(JournalError, match="the changes of an OrderManagement"):
        place.open(ENGINE)


def test_a_state_that_is_not_the_latest_cannot_be_saved() -> None:
    place = Place()
    with place.open() as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        old = om.snapshot(), om.state_hash()
        om.add_order(2, "JPM", BUY, 20, 20)
        with pytest.raises(JournalError, match="a state after event 1 is not that after event 2"):
            om.journal.saved_state(*old)


def test_a_snapshot_that_cannot_be_stored_is_an_error_and_the_books_stay_usable() -> None:
    place = Place()
    with place.open() as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        place.snapshots.is_available = False
        with pytest.raises(JournalError, match="the snapshot is not stored: no leader"):
            cluster.save_snapshot(om)
        om.add_order(2, "JPM", BUY, 20, 20)
    with pytest.raises(JournalError, match="closed"):
        cluster.save_snapshot(om)


def test_only_books_with_a_replicated_log_and_a_place_for_snapshots_can_be_saved() -> None:
    with pytest.raises(InvalidArgumentError, match=r"om must be books that were opened with oms.cluster"):
        cluster.save_snapshot(OrderManagement())
    store = LogJournal(Connection(MemoryLog()), patience=impatient())
    with pytest.raises(JournalError, match="without a place for snapshots"):
        cluster.save_snapshot(OrderManagement(store))


def test_snapshots_are_used_despite_faults() -> None:
    place, state_hash = filled()
    for seed in range(30):
        connection = Connection(place.log, ALL_FAULTS, seed)
        journal = LogJournal(connection, patience=impatient(60), snapshots=place.snapshots)
        om = OrderManagement(journal)
        events: list[Event] = list(journal.read(99))
        assert (om.state_hash(), len(events)) == (state_hash, 2)


def test_a_snapshot_of_many_orders_has_several_lines_of_them() -> None:
    place = Place()
    with place.open() as om:
        om.add_orders(Order(n, "JPM", BUY, 1, 1 + n % 7) for n in range(2_500))
        cluster.save_snapshot(om)
        [content] = place.snapshots.contents.values()
        assert content.count(b"\norders\t") == 3
        assert decode_saved(content, "a snapshot").state == om.snapshot()
