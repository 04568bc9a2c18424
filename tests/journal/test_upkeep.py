"""Compaction, migration, and closing on a disk that fails: each is complete or changes nothing."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from oms import JournalError, OrderManagement, Side, journal
from oms.journal import Durability, schema
from support import journal_child
from support.engine_sessions import ENGINE
from support.faulty_disk import Disk, connections_made_by
from support.kinds import EACH_KIND
from support.sessions import (
    BOOKS,
    Books,
    Kind,
    State,
    execute,
    noon,
    sqlite_journal,
    state,
    state_with,
    states,
)

SEEDS = 3
"""The number of crashes at each step. After each crash, other parts of the unsynced data survive."""


def open_with_changes(file: Path, disk: Disk, durability: Durability, kind: Kind = BOOKS) -> Any:
    """Return an open journal with changes, of which the later ones are only in the log."""
    with connections_made_by(disk.connect):
        om = kind.open(file, durability=durability, group_seconds=3600)
    for command in kind.session(8, 24):
        execute(command, om)
        if om._ledger.sequence == 9:
            sqlite_journal(om)._checkpoints.make()
    return om


def assert_nothing_is_lost(file: Path, before: State, kind: Kind) -> int:
    """Check that only dropped events are missing, add an order, and return how many events were dropped."""
    with kind.open(file, verify=True) as om:
        dropped = before.counters[1] - sqlite_journal(om).verify().events
        events = before.events[:dropped] + tuple(sqlite_journal(om).read(dropped + 1))
        assert state_with(om, events) == before
        kind.add(om, 99_999)
    assert journal.verify(file).last == before.counters[1] + 1
    return dropped


def disks(tmp_path: Path, how: str) -> Iterator[tuple[Disk, Path, random.Random]]:
    """Yield disks and folders for failures at step 1, 2, and so on, until a disk has not failed."""
    for step in itertools.count(1):
        for seed in range(SEEDS if how == "crash" else 1):
            folder = tmp_path / f"{step}_{seed}"
            (folder / "surviving").mkdir(parents=True)
            disk = Disk()
            disk.how = how
            yield disk, folder, random.Random(1000 * step + seed)
        if not disk.failed:
            return


def schedule_failure(disk: Disk, folder: Path) -> None:
    """Let the disk fail after the number of steps in the name of its folder."""
    disk.fail_at = disk.steps + int(folder.name.split("_")[0])


def fail_at_each_step(
    how: str,
    tmp_path: Path,
    before: Callable[[Disk, Path], State],
    work: Callable[[Disk, Path], object],
    kind: Kind = BOOKS,
) -> list[int]:
    """Do the work with a failure at each step, and return the number of dropped events for each step."""
    dropped = []
    for disk, folder, rng in disks(tmp_path, how):
        file = folder / "book.db"
        expected = before(disk, file)
        schedule_failure(disk, folder)
        with suppress(JournalError):
            work(disk, file)
        if how == "crash":
            disk.survive(folder / "surviving", rng)
            file = folder / "surviving" / "book.db"
        dropped.append(assert_nothing_is_lost(file, expected, kind))
    return dropped


HOW = pytest.mark.parametrize("how", ["crash", "full", "io", "short"])


@pytest.mark.long
@HOW
@pytest.mark.parametrize(
    ("kind", "durability"),
    [(BOOKS, "full"), (BOOKS, "batched"), (ENGINE, "full")],
    ids=["full", "batched", "engine"],
)
def test_a_compaction_that_fails_at_any_step_is_complete_or_has_dropped_nothing(
    how: str, durability: Durability, kind: Kind, tmp_path: Path
) -> None:
    oms: list[Books] = []

    def before(disk: Disk, file: Path) -> State:
        oms[:] = [open_with_changes(file, disk, durability, kind)]
        sqlite_journal(oms[0]).sync()  # a crash may lose changes that are not synced
        return state(oms[0])

    def compact(disk: Disk, file: Path) -> None:
        (om,) = oms
        orders = om.orders()
        try:
            sqlite_journal(om).compact(12)
        except JournalError:
            assert disk.failed
            assert om.orders() == orders
            raise
        finally:
            om.close()

    dropped = fail_at_each_step(how, tmp_path, before, compact, kind)
    assert len(dropped) > 20
    assert set(dropped) == {0, dropped[-1]}
    assert dropped[-1] > 0


@HOW
def test_a_migration_that_fails_at_any_step_is_complete_or_has_changed_nothing(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_with_changes(tmp_path / "first.db", Disk(), "full") as om:
        first = state(om)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION)
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS)
    journal_child.use_a_newer_version()

    def before(_: Disk, file: Path) -> State:
        shutil.copy(tmp_path / "first.db", file)
        return first

    def migrate(disk: Disk, file: Path) -> None:
        with connections_made_by(disk.connect):
            journal.open(file).close()

    assert len(fail_at_each_step(how, tmp_path, before, migrate)) > 10


@pytest.mark.slow
@HOW
@pytest.mark.parametrize("durability", ["full", "batched"])
def test_closing_that_fails_at_any_step_loses_nothing(
    how: str, durability: Durability, tmp_path: Path
) -> None:
    oms: list[OrderManagement] = []

    def before(disk: Disk, file: Path) -> State:
        oms[:] = [open_with_changes(file, disk, durability)]
        if how == "crash":
            sqlite_journal(oms[0]).sync()
        return state(oms[0])

    def close(_: Disk, __: Path) -> None:
        oms[0].close()

    assert len(fail_at_each_step(how, tmp_path, before, close)) > 3


@pytest.mark.parametrize("how", ["full", "io", "short"])
def test_closing_does_not_retry_a_failed_write(how: str, tmp_path: Path) -> None:
    disk = Disk()
    om = open_with_changes(tmp_path / "book.db", disk, "full")
    disk.how, disk.fail_at = how, disk.steps + 1
    with pytest.raises(JournalError):
        om.add_order(1_000_000, "JPM", Side.BUY, 1, 1)
    steps = disk.steps
    om.close()
    assert disk.steps == steps


@EACH_KIND
@pytest.mark.parametrize("seed", range(3))
def test_a_journal_goes_on_after_each_of_many_compactions(seed: int, kind: Kind, tmp_path: Path) -> None:
    """Compact in part or as a whole after every few commands, and open and verify the file each time."""
    file, commands, rng = tmp_path / "book.db", kind.session(seed, 48), random.Random(seed)
    expected = states(commands, kind)
    for begin in range(0, 48, 8):
        with kind.open(file, verify=True, clock=noon) as om:
            for number in range(begin, begin + 8):
                execute(commands[number], om)
                assert om.state_hash() == expected[number + 1].state_hash
            store, after = sqlite_journal(om), expected[begin + 8]
            store.compact(rng.choice((None, rng.randint(1, om.last_sequence + 1))))
            first = store.droppable(1).first
            assert store.verify().first == first
            assert state_with(om, after.events[: first - 1] + tuple(store.read(first))) == after
            notes = {
                event.sequence for event in after.events if event.note is not None or event.sequence >= first
            }
            assert {event.sequence for event in store.history()} == notes
    assert journal.verify(file).state_hash == expected[-1].state_hash
