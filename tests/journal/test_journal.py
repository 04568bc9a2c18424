"""A journal in a file: opened, written, read beside its writer, compacted, and held by one at a time."""

from __future__ import annotations

import linecache
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest

from oms import InvalidArgumentError, JournalError, Order, OrderAdded, OrderManagement, Side, journal
from oms.journal import Durability, SqliteJournal, schema
from oms.journal.connection import Connection, connect_by_sqlite3
from support.faulty_disk import Disk, connections_made_by
from support.sessions import execute, session, state, states

BUY = Side.BUY
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


def kept(om: OrderManagement) -> SqliteJournal:
    assert isinstance(om.journal, SqliteJournal)
    return om.journal


@pytest.mark.parametrize("durability", ["full", "batched", "off"])
@pytest.mark.parametrize("seed", range(5))
def test_a_book_comes_back_as_it_was_left(durability: Durability, seed: int, file: Path) -> None:
    commands = session(seed, 40)
    expected = states(commands)
    for number, command in enumerate(commands):
        with journal.open(file, durability=durability) as om:
            assert state(om) == expected[number]
            execute(command, om)
    assert sorted(path.name for path in file.parent.iterdir()) == ["book.db", "book.db-lock"]
    assert journal.verify(file).state_hash == expected[-1].state_hash


def test_numbers_beyond_64_bits_are_kept_exactly_and_can_be_queried(file: Path) -> None:
    huge = 2**63 - 1
    with journal.open(file) as om:
        om.add_orders([Order(huge, "JPM", BUY, huge, huge), Order(0, "JPM", BUY, huge, huge)])
        trade = om.place_trade("JPM", BUY, 2**64 - 3)
    with journal.open(file, verify=True) as om:
        assert om.orders() == (Order(huge, "JPM", BUY, 1, huge),)
        assert [event.subject() for event in kept(om).read(2)] == [(trade, 1)]
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT amount, total_price FROM trades").fetchall()
    assert rows == [(str(trade.amount), str(trade.total_price))]


@pytest.mark.parametrize(
    "note", ["", "a\0b", "'; DROP TABLE events; --", "\r\n\t", "\U0001f4c8 ü", "+", "-", None]
)
def test_a_note_is_in_every_event_of_its_batch_as_it_was_given(note: str | None, file: Path) -> None:
    with journal.open(file) as om, om.transaction(note):
        om.add_order(1, "JPM", BUY, 5, 5)
        om.place_trade("JPM", BUY, 5)
    with journal.open(file, verify=True) as om:
        assert [event.note for event in kept(om).read()] == [note, note]


def test_no_note_is_not_an_empty_one(file: Path) -> None:
    with journal.open(file) as om, om.transaction(""):
        om.add_order(1, "JPM", BUY, 5, 5)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE events SET note = NULL")
    with pytest.raises(JournalError, match="hash does not match"):
        journal.verify(file)


@pytest.mark.parametrize(
    "wrong",
    [
        {"durability": "most"},
        {"group_size": 0},
        {"group_size": True},
        {"group_seconds": 0},
        {"group_seconds": float("nan")},
        {"group_seconds": "1"},
    ],
)
def test_what_is_no_setting_is_refused_and_makes_no_file(wrong: dict[str, Any], file: Path) -> None:
    with pytest.raises(InvalidArgumentError):
        journal.open(file, **wrong)
    assert not file.exists()


def test_a_batch_that_does_not_go_on_where_the_last_one_ended_is_refused(file: Path) -> None:
    with journal.open(file) as om:
        with pytest.raises(JournalError, match="event 2 cannot follow event 0"):
            kept(om).append([OrderAdded(Order(1, "JPM", BUY, 1, 1), sequence=2)])
        with pytest.raises(JournalError, match="event 3 cannot follow event 1"):
            kept(om).append([OrderAdded(Order(n, "JPM", BUY, 1, 1), sequence=n) for n in (1, 3)])
        kept(om).append([])
        om.add_order(1, "JPM", BUY, 1, 1)
        assert list(kept(om).read(2)) == list(kept(om).read(2**64)) == []
        for wrong in (0, -1, True, "1", None, 1.5):
            with pytest.raises(InvalidArgumentError, match="first must be an int >= 1"):
                kept(om).read(wrong)  # type: ignore[arg-type]  # that is the point


def test_an_event_log_that_is_compacted_while_it_is_read_says_so(file: Path) -> None:
    with journal.open(file) as om:
        with om.transaction():
            for number in range(1, 1502):
                om.add_order(number, "JPM", BUY, 1, 1)
        reading = kept(om).read()
        next(reading)
        om.remove_order(1)
        kept(om).compact()
        with pytest.raises(JournalError, match="it was dropped: the event log begins after 1502") as caught:
            list(reading)
        assert caught.value.place.endswith("events, sequence 1001")


# ---------------------------------------------------------------------- one writer, many readers


def test_a_second_writer_is_refused_under_any_name_until_the_first_has_closed(
    file: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    script = "import sys; from oms import journal; journal.open(sys.argv[1]).close()"
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        link.symlink_to(file)
        for name in (file, link, f"{tmp_path}/./book.db"):
            with pytest.raises(JournalError, match="open elsewhere"):
                journal.open(name)
            run = subprocess.run(
                [sys.executable, "-c", script, str(name)], capture_output=True, text=True, check=False
            )
            assert "JournalError" in run.stderr
            assert "open elsewhere" in run.stderr
        om.add_order(2, "JPM", BUY, 1, 1)
    with journal.open(link) as om:
        assert len(om) == 2


def test_a_process_that_was_forked_off_can_neither_write_nor_let_go(file: Path) -> None:
    script = """
import os, sys, warnings
from oms import JournalError, Side, journal
om = journal.open(sys.argv[1], durability="batched")
om.add_order(1, "JPM", Side.BUY, 1, 1)
child = os.fork()
if not child:
    try:
        om.add_order(2, "JPM", Side.BUY, 1, 1)
    except JournalError as error:
        om.close()
        try:
            journal.open(sys.argv[1])
        except JournalError:
            os._exit(7 if "forked" in str(error) and 2 not in om else 1)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
try:
    journal.open(sys.argv[1])
except JournalError:
    om.add_order(3, "JPM", Side.BUY, 1, 1)
    om.close()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(file)], check=True)
    with journal.open(file, verify=True) as om:
        assert [order.order_id for order in om] == [1, 3]


def test_a_reader_in_another_process_sees_one_state_while_the_writer_works(file: Path) -> None:
    script = "import sys; from oms import journal\nfor _ in range(20): print(*journal.verify(sys.argv[1]))"
    with journal.open(file) as om:
        hashes = {om.state_hash()}
        om.subscribe(lambda _: hashes.add(om.state_hash()))
        om.add_order(0, "JPM", BUY, 1, 1)
        with subprocess.Popen(
            [sys.executable, "-c", script, str(file)], stdout=subprocess.PIPE, text=True
        ) as reader:
            number = 0
            while reader.poll() is None:
                number += 1
                om.add_order(number, "JPM", BUY, 1, 1)
            assert reader.stdout is not None
            read = [line.split() for line in reader.stdout]
    assert reader.returncode == 0
    assert len(read) == 20
    assert {line[-2] for line in read} <= hashes
    assert {line[-1] for line in read} == {"None"}  # no warning, although the writer has it open
    assert [int(line[1]) for line in read] == sorted(int(line[1]) for line in read)


def test_any_thread_may_write_and_read(file: Path) -> None:
    with journal.open(file) as om:

        def work(first: int) -> None:
            for number in range(first, first + 20):
                om.add_order(number, "JPM", BUY, 1, 1)
                assert len(list(kept(om).read(number % 5 + 1))) >= 1

        threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(om) == 80
        assert kept(om).verify().orders == 80


# ---------------------------------------------------------------------- groups


def synced(disk: Disk, call: Callable[[], object]) -> int:
    before = disk.syncs
    call()
    return disk.syncs - before


def test_each_mode_syncs_as_it_says(tmp_path: Path) -> None:
    counts = {}
    for durability in get_args(Durability):
        disk, file = Disk(), tmp_path / f"{durability}.db"
        with (
            connections_made_by(disk.connect),
            journal.open(file, durability=durability, group_size=4, group_seconds=3600) as om,
        ):
            om.add_order(0, "JPM", BUY, 1, 1)
            counts[durability] = [
                synced(disk, lambda om=om, n=n: om.add_order(n, "JPM", BUY, 1, 1))  # type: ignore[misc]  # now
                for n in range(1, 9)
            ]
    assert counts == {"full": [1] * 8, "batched": [0, 0, 1, 0, 0, 0, 1, 0], "off": [0] * 8}


def test_a_group_is_synced_when_its_time_has_come_though_nothing_more_does(file: Path) -> None:
    disk, happened = Disk(), threading.Event()
    with (
        connections_made_by(disk.connect),
        journal.open(file, durability="batched", group_seconds=0.01) as om,
    ):
        disk.on_sync = happened.set
        om.add_order(1, "JPM", BUY, 1, 1)
        om.add_order(2, "JPM", BUY, 1, 1)
        happened.clear()
        om.add_order(3, "JPM", BUY, 1, 1)
        assert happened.wait(30)


def a_group_that_cannot_be_synced(disk: Disk, file: Path) -> OrderManagement:
    """One change is acknowledged, and then the clock finds that it cannot be synced."""
    with connections_made_by(disk.connect):
        om = journal.open(file, durability="batched", group_seconds=0.01)
    with kept(om)._lock:
        om.add_order(1, "JPM", BUY, 1, 1)
        disk.fail_at, disk.how = disk.steps + 1, "io"
    (clock,) = (thread for thread in threading.enumerate() if thread.name == f"oms journal {file.name}")
    clock.join(30)
    assert disk.failed
    return om


def test_a_group_that_cannot_be_synced_is_told_of_by_the_next_change(file: Path) -> None:
    om = a_group_that_cannot_be_synced(Disk(), file)
    with pytest.raises(JournalError, match="read-only until it is opened again: write fails"):
        om.add_order(2, "JPM", BUY, 1, 1)
    assert 2 not in om
    with pytest.raises(JournalError, match="its last change may not be on the disk"):
        om.close()
    om.close()


def test_a_group_that_cannot_be_synced_is_told_of_by_closing_where_no_change_came(file: Path) -> None:
    with (
        pytest.raises(JournalError, match="its last change may not be on the disk: write fails"),
        a_group_that_cannot_be_synced(Disk(), file),
    ):
        pass
    with journal.open(file, verify=True) as om:
        assert [order.order_id for order in om] == [1]


class LongLived:
    """A connection that has changed all but `left` of the rows that SQLite counts in 32 bits."""

    def __init__(self, connection: Connection, left: int) -> None:
        self._connection = connection
        self._left = left
        self.execute, self.executemany = connection.execute, connection.executemany
        self.backup, self.close = connection.backup, connection.close

    @property
    def total_changes(self) -> int:
        return (self._connection.total_changes - self._left) % 2**32 - 2**31


@pytest.mark.parametrize("left", range(1, 10))
def test_a_count_of_changes_that_begins_again_is_no_damage(left: int, file: Path) -> None:
    commands = session(5, 10)
    with (
        connections_made_by(lambda uri: LongLived(connect_by_sqlite3(uri), left)),
        journal.open(file) as om,
    ):
        for command in commands:
            execute(command, om)
        assert state(om) == states(commands)[-1]
    assert journal.verify(file).state_hash == om.state_hash()


# ---------------------------------------------------------------------- strikes


class Strike(BaseException):
    """Like KeyboardInterrupt."""


def line_of(frame: Any) -> str:
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()


@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_an_append_that_is_struck_anywhere_is_in_both_or_in_neither(
    durability: Durability, tmp_path: Path
) -> None:
    inside = str(Path(journal.__file__).parent)
    at = 0
    while True:
        at += 1
        om = journal.open(tmp_path / f"{at}.db", durability=durability, group_seconds=3600)
        with om:
            om.add_order(1, "JPM", BUY, 5, 5)
            lines = 0

            def trace(frame: Any, event: str, _: Any) -> Any:
                nonlocal lines
                if not frame.f_code.co_filename.startswith(inside):
                    return None
                # A lock is let go of in C, where nothing strikes: only a tracer can come before that.
                lines += event == "line" and not line_of(frame).startswith("with ")
                if lines == at:  # noqa: B023  # it is called before the next turn
                    sys.settrace(None)
                    raise Strike
                return trace

            before = sys.gettrace()
            sys.settrace(trace)
            try:
                om.place_trade("JPM", BUY, 2)
                break
            except Strike:
                pass
            finally:
                sys.settrace(before)
            expected = list(kept(om).read())
            assert len(expected) - 1 == (om.get_order(1).amount == 3)
            om.add_order(2, "JPM", BUY, 1, 1)
            assert kept(om).verify().state_hash == om.state_hash()
    assert at > 30


# ---------------------------------------------------------------------- history


def test_compacting_drops_what_came_before_and_keeps_what_rests(file: Path) -> None:
    commands = session(7, 60)
    with journal.open(file) as om:
        for command in commands:
            execute(command, om)
        whole = state(om)
        last = whole.counters[1]
        assert kept(om).compact(1) == 0
        dropped = kept(om).compact(last // 2)
        assert 0 < dropped <= last // 2 - 1
        assert tuple(kept(om).read(dropped + 1)) == whole.events[dropped:]
        with pytest.raises(JournalError, match="was dropped"):
            list(kept(om).read())
        for wrong in (0, last + 2, True, "1"):
            with pytest.raises(InvalidArgumentError, match="before must be"):
                kept(om).compact(wrong)  # type: ignore[arg-type]  # that is the point
    with journal.open(file, verify=True) as om:
        assert (om.orders(), om.state_hash()) == (whole.orders, whole.state_hash)
        assert kept(om).compact() == last - dropped
        assert list(kept(om).read(last + 1)) == []
    with journal.open(file, verify=True) as om:
        assert om.state_hash() == whole.state_hash
        om.add_order(10**6, "JPM", BUY, 1, 1)
        assert kept(om).verify().events == 1


def test_what_was_one_change_is_dropped_as_one(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        with om.transaction():
            om.add_order(2, "JPM", BUY, 1, 1)
            om.add_order(3, "JPM", BUY, 1, 1)
        assert kept(om).compact(3) == 1
        assert kept(om).verify().first == 2


def test_a_damaged_event_log_is_not_dropped(file: Path) -> None:
    with journal.open(file) as om:
        for number in range(4):
            om.add_order(number, "JPM", BUY, 1, 1)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE events SET note = 'x' WHERE sequence = 2")
    with journal.open(file) as om:
        assert len(om) == 4
        with pytest.raises(JournalError, match="sequence 2"):
            kept(om).compact()


def test_a_journal_says_whether_it_can_be_written(file: Path) -> None:
    om = journal.open(file)
    kept(om).check_writable()
    om.close()
    with pytest.raises(JournalError, match="closed"):
        kept(om).check_writable()


# ---------------------------------------------------------------------- versions


def dump(file: Path) -> str:
    """A file as SQL."""
    with closing(sqlite3.connect(file)) as connection:
        pragmas = [
            f"PRAGMA {name}={connection.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        return "\n".join([*pragmas, *connection.iterdump(), ""])


def write_fixture(file: Path) -> None:
    """What the fixture of the present version is made by: run this module to make it."""
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        om.add_orders([Order(4, "JPM", BUY, 10, 21), Order(5, "日経", Side.SELL, 2**63 - 1, 2**63 - 1)])
        with om.transaction("a 'note'"):
            om.place_trade("JPM", BUY, 22)
            om.place_trade("日経", Side.SELL, 2**62)
        om.amend_order(4, price=22)
        kept(om).compact(2)
        om.add_order(6, "IBM", BUY, 1, 1)
        om.remove_order(6)
        om.remove_orders("日経")
        kept(om).keep_reply("a 'reply'")
        kept(om).keep_reply("日経")


@pytest.mark.parametrize(
    "fixture", sorted(FIXTURES.glob("journal_version_*.sql")), ids=lambda path: path.stem
)
def test_a_file_of_every_released_version_opens_for_ever(fixture: Path, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(fixture.read_text(encoding="utf-8"))
    with journal.open(file, verify=True) as om:
        assert om.orders() == (Order(4, "JPM", BUY, 8, 22),)
        assert [event.sequence for event in kept(om).read(2)] == [2, 3, 4, 5, 6, 7, 8]
        assert {event.note for event in kept(om).read(3)} == {"a 'note'", None}
        assert om.state_hash() == "6037637c42ce829d8ec334f7d4b33fb7ff72769f6eccba6b4ea6d8d7cf60d4eb"
        assert list(kept(om).replies()) == (["a 'reply'", "日経"] if fixture.stem[-1] >= "3" else [])
        om.add_order(7, "JPM", BUY, 1, 1)
        kept(om).keep_reply("another")
    assert journal.verify(file).last == 9


@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_a_reply_that_no_event_carries_is_kept_and_compaction_keeps_it(
    durability: Durability, file: Path
) -> None:
    replies = ["", "a 'reply'", "日経\0", "a 'reply'"]
    for number, reply in enumerate(replies):
        with journal.open(file, durability=durability, verify=True) as om:
            assert list(kept(om).replies()) == replies[:number]
            kept(om).keep_reply(reply)
            om.add_order(number, "JPM", BUY, 1, 1)
            assert kept(om).compact() == 1
            assert list(kept(om).replies()) == replies[: number + 1]


@pytest.mark.parametrize("wrong", [None, 5, b"x", "\ud800"])
def test_what_is_no_text_is_no_reply(wrong: Any, file: Path) -> None:
    with journal.open(file) as om:
        with pytest.raises(InvalidArgumentError, match="reply must be a str of valid Unicode"):
            kept(om).keep_reply(wrong)
        assert list(kept(om).replies()) == []


def test_there_is_a_fixture_of_every_version() -> None:
    names = [path.name for path in FIXTURES.glob("journal_version_*.sql")]
    assert sorted(names) == [f"journal_version_{n}.sql" for n in range(1, schema.VERSION + 1)]


def test_an_older_file_is_migrated_in_one_step_and_a_reader_says_that_it_is_older(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fixture(file)
    first, second = ("CREATE TABLE t (x)",), ("INSERT INTO t VALUES (1)", "DROP TABLE t")
    now = schema.VERSION
    monkeypatch.setattr(schema, "VERSION", now + 2)
    monkeypatch.setattr(schema, "MIGRATIONS", {now: first, now + 1: second})
    with pytest.raises(JournalError, match="an older version"):
        journal.verify(file)
    with journal.open(file, verify=True) as om:
        assert len(om) == 1
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchall() == [(now + 2,)]


def test_a_migration_that_fails_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fixture(file)
    before = dump(file)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", {schema.VERSION: ("DROP TABLE fills", "nonsense")})
        patch.setattr(schema, "VERSION", schema.VERSION + 1)
        with pytest.raises(JournalError, match="cannot be opened"):
            journal.open(file)
    assert dump(file) == before
    journal.open(file).close()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_where_nothing_can_be_written_can_be_read(file: Path) -> None:
    write_fixture(file)
    file.chmod(0o444)
    file.parent.chmod(0o555)
    try:
        assert journal.verify(file).orders == 1
        with pytest.raises(JournalError):
            journal.open(file)
    finally:
        file.parent.chmod(0o755)


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        write_fixture(Path(folder, "book.db"))
        FIXTURES.mkdir(exist_ok=True)
        fixture = FIXTURES / f"journal_version_{schema.VERSION}.sql"
        fixture.write_text(dump(Path(folder, "book.db")), encoding="utf-8")
        print(journal.verify(Path(folder, "book.db")).state_hash)
