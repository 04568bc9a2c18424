"""What a disk may do: forget and tear what was not synced, fail at any step, or be full."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from oms import JournalError, OrderManagement, Side, journal
from oms.journal import Durability, checkpoints
from oms.journal.log_state import is_without_its_log
from oms.journal.reading import opened_to_read
from support.faulty_disk import Disk, connections_made_by
from support.sessions import Command, State, execute, session, state, states

LENGTH = 14
GROUP = 4


@pytest.fixture(autouse=True)
def _checkpoints_are_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "APPENDS_TO_CHECKPOINT", 5)


def opened(disk: Disk, file: Path, durability: Durability) -> OrderManagement:
    with connections_made_by(disk.connect):
        return journal.open(file, durability=durability, group_size=GROUP, group_seconds=3600)


def play(disk: Disk, file: Path, commands: list[Command], durability: Durability) -> int:
    """Open, do all, open again in the middle; return how many were acknowledged before the disk failed."""
    done = 0
    try:
        for part in (commands[: LENGTH // 2], commands[LENGTH // 2 :]):
            om = opened(disk, file, durability)
            try:
                for command in part:
                    execute(command, om)
                    done += 1
            finally:
                om.close()
    except JournalError:
        assert disk.failed
    return done


def recovered(folder: Path, file: Path) -> State:
    """What is there after the crash; verified throughout."""
    with journal.open(folder / file.name, verify=True) as om:
        return state(om)


def warns(file: Path) -> bool:
    """Whether a file that can be read without being repaired says that its log is missing."""
    with suppress(JournalError), opened_to_read(file) as event_log:
        return is_without_its_log(event_log.connection, file)
    return False


def before(expected: list[State], changes: int) -> list[State]:
    """The states that so many changes lead away from."""
    distinct = [state for state, _ in itertools.groupby(expected)]
    return distinct[max(0, len(distinct) - 1 - changes) :]


def crash(seed: int, folder: Path, durability: Durability) -> None:
    """One crash at a random step of a random session, and what it left."""
    rng = random.Random(seed)
    commands = session(seed % 20, LENGTH)
    expected = states(commands)
    (folder / "work").mkdir()
    (folder / "left").mkdir()
    file = folder / "work" / "book.db"
    disk = Disk()
    disk.fail_at = rng.randint(1, 330 if durability == "full" else 180)
    done = play(disk, file, commands, durability)
    disk.survive(folder / "left", rng)
    if rng.random() < 0.5:
        crash_again(folder, rng, durability)
    try:
        # Without syncs the log may be lost, although the file says that there is one.
        assert durability == "off" or not warns(folder / "left" / file.name)
        found = recovered(folder / "left", file)
    except JournalError:
        assert durability == "off", "only without syncs may a crash leave what must be refused"
        return
    may_lose = {"full": 0, "batched": GROUP - 1, "off": LENGTH}[durability]
    assert found in [*before(expected[: done + 1], may_lose), *expected[done : done + 2]], (
        f"seed {seed}: {done} were acknowledged"
    )


def crash_again(folder: Path, rng: random.Random, durability: Durability) -> None:
    """A second crash, while what the first one left is opened, and closed."""
    disk = Disk()
    disk.fail_at = rng.randint(1, 12)
    with suppress(JournalError):
        opened(disk, folder / "left" / "book.db", durability).close()
    disk.survive(folder / "left", rng)


def crashes(seeds: range, tmp_path: Path, durability: Durability) -> None:
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        crash(seed, folder, durability)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_a_crash_loses_nothing_that_was_promised_whatever_was_not_synced(
    durability: Durability, tmp_path: Path
) -> None:
    crashes(range(400), tmp_path, durability)


@pytest.mark.long
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_thousands_of_crashes_lose_nothing_that_was_promised(durability: Durability, tmp_path: Path) -> None:
    crashes(range(10_000, 14_000), tmp_path, durability)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
@pytest.mark.parametrize("how", ["full", "io", "short"])
def test_whichever_step_fails_memory_and_file_agree_or_the_error_says_what_is_unknown(
    how: str, durability: Durability, tmp_path: Path
) -> None:
    commands = session(3, LENGTH)
    expected = states(commands)
    for step in itertools.count(1):
        folder = tmp_path / str(step)
        folder.mkdir()
        disk = Disk()
        disk.fail_at, disk.how = step, how
        found = with_a_failure(disk, folder / "book.db", commands, expected, durability)
        with journal.open(folder / "book.db", verify=True) as om:
            assert state(om) in found, f"step {step}"
        if not disk.failed:
            break
    assert step > {"full": 100, "batched": 80, "off": 60}[durability]


def with_a_failure(
    disk: Disk, file: Path, commands: list[Command], expected: list[State], durability: Durability
) -> list[State]:
    """Play until a command is refused for the failure, and on; return the states that may be found."""
    try:
        om = opened(disk, file, durability)
    except JournalError:
        assert disk.failed
        return expected[:1]
    may_be = expected[:1]
    try:
        for number, command in enumerate(commands):
            try:
                execute(command, om)
            except JournalError as error:
                assert disk.failed
                assert state(om) == expected[number], "what was refused has changed nothing in memory"
                assert_read_only(om, expected[number])
                unknown = "unknown until it is opened again" in str(error)
                return expected[number : number + 2] if unknown else expected[number : number + 1]
            may_be = expected[number + 1 : number + 2]
        return may_be
    finally:
        with suppress(JournalError):
            om.close()


def assert_read_only(om: OrderManagement, before: State) -> None:
    for _ in range(2):
        with pytest.raises(JournalError, match="read-only until it is opened again"):
            om.add_order(77_777, "JPM", Side.BUY, 1, 1)
    assert state(om) == before


@pytest.mark.parametrize("durability", ["full", "batched"])
@pytest.mark.parametrize("how", ["full", "io", "short"])
def test_a_journal_that_turns_read_only_says_so_and_why_in_the_log_once(
    how: str, durability: Durability, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    om = opened(disk, tmp_path / "book.db", durability)
    disk.fail_at, disk.how = disk.steps + 1, how
    caplog.clear()
    for _ in range(GROUP):
        with pytest.raises(JournalError):
            om.add_order(1, "JPM", Side.BUY, 1, 1)
    om.close()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("oms.journal", "ERROR")
    assert record.message.endswith("book.db is read-only until it is opened again: write fails")


FULL_DISK = """
import resource, sys
from oms import JournalError, Side, journal
om = journal.open(sys.argv[1])
print(om._ledger.sequence, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    for number in range(100_000):
        om.add_order(number, "JPM", Side.BUY, 1, 1)
        done = number
except JournalError as error:
    assert number not in om
    print(done, error)
"""


def test_a_disk_that_is_really_full_refuses_and_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(file)], capture_output=True, text=True, check=True
    )
    done, _, error = run.stdout.splitlines()[1].partition(" ")
    assert "unknown until it is opened again" in error
    assert "book.db is read-only until it is opened again: " in run.stderr
    with journal.open(file, verify=True) as om:
        assert [order.order_id for order in om] in (
            list(range(int(done) + 1)),
            list(range(int(done) + 2)),
        )
