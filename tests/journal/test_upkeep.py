"""Compaction, migration and closing on a disk that fails and forgets: done or not, and nothing is lost."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from oms import JournalError, OrderManagement, Side, journal
from oms.journal import Durability, SqliteJournal, schema
from support import journal_child
from support.faulty_disk import Disk, connections_made_by
from support.sessions import State, execute, session, state

SEEDS = 3
"""Crashes at one step, each of which keeps other parts of what was not synced."""


def kept(om: OrderManagement) -> SqliteJournal:
    assert isinstance(om.journal, SqliteJournal)
    return om.journal


def lived(file: Path, disk: Disk, durability: Durability) -> OrderManagement:
    """An open journal with some past, part of it in the file and part of it in the log."""
    with connections_made_by(disk.connect):
        om = journal.open(file, durability=durability, group_seconds=3600)
    for command in session(8, 24):
        execute(command, om)
        if om._ledger.sequence == 9:
            kept(om)._checkpoints.make()
    return om


def assert_nothing_is_lost(file: Path, before: State) -> int:
    """All is there but what was dropped; return how many events were. It goes on from there."""
    with journal.open(file, verify=True) as om:
        dropped = before.counters[1] - kept(om).verify().events
        sequence, next_trade_id, orders = om.snapshot()
        assert (orders, om.state_hash()) == (before.orders, before.state_hash)
        assert (next_trade_id, sequence) == before.counters
        assert tuple(kept(om).read(dropped + 1)) == before.events[dropped:]
        om.add_order(99_999, "JPM", Side.BUY, 1, 1)
    assert journal.verify(file).last == before.counters[1] + 1
    return dropped


def disks(tmp_path: Path, how: str) -> Iterator[tuple[Disk, Path, random.Random]]:
    """Disks that fail at step 1, 2, ... from when they are told to, until one has not failed."""
    for step in itertools.count(1):
        for seed in range(SEEDS if how == "crash" else 1):
            folder = tmp_path / f"{step}_{seed}"
            (folder / "left").mkdir(parents=True)
            disk = Disk()
            disk.how = how
            yield disk, folder, random.Random(1000 * step + seed)
        if not disk.failed:
            return


def begin(disk: Disk, folder: Path) -> None:
    """From here on it counts; the number of the step is that of its folder."""
    disk.fail_at = disk.steps + int(folder.name.split("_")[0])


def whatever_fails(
    how: str, tmp_path: Path, before: Callable[[Disk, Path], State], work: Callable[[Disk, Path], object]
) -> list[int]:
    """Do some work on every such disk; return how much of the event log was dropped after each."""
    dropped = []
    for disk, folder, rng in disks(tmp_path, how):
        file = folder / "book.db"
        expected = before(disk, file)
        begin(disk, folder)
        with suppress(JournalError):
            work(disk, file)
        if how == "crash":
            disk.survive(folder / "left", rng)
            file = folder / "left" / "book.db"
        dropped.append(assert_nothing_is_lost(file, expected))
    return dropped


HOW = pytest.mark.parametrize("how", ["crash", "full", "io", "short"])


@pytest.mark.slow
@HOW
@pytest.mark.parametrize("durability", ["full", "batched"])
def test_a_compaction_that_fails_anywhere_has_dropped_all_it_should_or_nothing(
    how: str, durability: Durability, tmp_path: Path
) -> None:
    oms: list[OrderManagement] = []

    def before(disk: Disk, file: Path) -> State:
        oms[:] = [lived(file, disk, durability)]
        kept(oms[0]).sync()  # a crash may take what is not
        return state(oms[0])

    def compact(disk: Disk, file: Path) -> None:
        (om,) = oms
        orders = om.orders()
        try:
            kept(om).compact(12)
        except JournalError:
            assert disk.failed
            assert om.orders() == orders
            raise
        finally:
            om.close()

    dropped = whatever_fails(how, tmp_path, before, compact)
    assert len(dropped) > 20
    assert set(dropped) == {0, dropped[-1]}
    assert dropped[-1] > 0


@HOW
def test_a_migration_that_fails_anywhere_is_made_or_not_made(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lived(tmp_path / "first.db", Disk(), "full") as om:
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

    assert len(whatever_fails(how, tmp_path, before, migrate)) > 10


@pytest.mark.slow
@HOW
@pytest.mark.parametrize("durability", ["full", "batched"])
def test_a_closing_that_fails_anywhere_loses_nothing(
    how: str, durability: Durability, tmp_path: Path
) -> None:
    oms: list[OrderManagement] = []

    def before(disk: Disk, file: Path) -> State:
        oms[:] = [lived(file, disk, durability)]
        if how == "crash":
            kept(oms[0]).sync()
        return state(oms[0])

    def close(_: Disk, __: Path) -> None:
        oms[0].close()

    assert len(whatever_fails(how, tmp_path, before, close)) > 3


@pytest.mark.parametrize("how", ["full", "io", "short"])
def test_what_has_failed_is_not_tried_again_by_closing(how: str, tmp_path: Path) -> None:
    disk = Disk()
    om = lived(tmp_path / "book.db", disk, "full")
    disk.how, disk.fail_at = how, disk.steps + 1
    with pytest.raises(JournalError):
        om.add_order(1_000_000, "JPM", Side.BUY, 1, 1)
    steps = disk.steps
    om.close()
    assert disk.steps == steps
