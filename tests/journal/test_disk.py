"""A journal on a disk that loses unsynced data, fails at any step, or is full."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from oms import Instrument, JournalError, OrderManagement, Side, journal
from oms.journal import Durability, checkpoints
from oms.journal.log_state import is_without_its_log
from oms.journal.reading import opened_to_read
from support.engine_sessions import ENGINE
from support.faulty_disk import Disk, connections_made_by
from support.kinds import EACH_KIND
from support.sessions import BOOKS, Books, Command, Kind, State, execute, noon, state, states

LENGTH = 14
GROUP = 4


@pytest.fixture(autouse=True)
def _checkpoints_are_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "APPENDS_TO_CHECKPOINT", 5)


def open_on(disk: Disk, file: Path, durability: Durability, kind: Kind = BOOKS) -> Any:
    with connections_made_by(disk.connect):
        return kind.open(file, durability=durability, group_size=GROUP, group_seconds=3600, clock=noon)


def play(disk: Disk, file: Path, commands: list[Command], durability: Durability, kind: Kind) -> int:
    """Execute the commands, and open the journal again in the middle. Return how many are acknowledged."""
    acknowledged = 0
    try:
        for part in (commands[: LENGTH // 2], commands[LENGTH // 2 :]):
            om = open_on(disk, file, durability, kind)
            try:
                for command in part:
                    execute(command, om)
                    acknowledged += 1
            finally:
                om.close()
    except JournalError:
        assert disk.failed
    return acknowledged


def recovered(folder: Path, file: Path, kind: Kind) -> State:
    """Return the verified state of a file after a crash."""
    with kind.open(folder / file.name, verify=True) as om:
        return state(om)


def lacks_its_log(file: Path) -> bool:
    """Return True if a file can be read without recovery and its log is missing."""
    with suppress(JournalError), opened_to_read(file) as event_log:
        return is_without_its_log(event_log.connection, file)
    return False


def before(expected: list[State], changes: int) -> list[State]:
    """Return the states up to `changes` changes before the last state."""
    distinct = [state for state, _ in itertools.groupby(expected)]
    return distinct[max(0, len(distinct) - 1 - changes) :]


def crash(
    seed: int, folder: Path, durability: Durability, kind: Kind, commands: Sequence[Command] | None = None
) -> None:
    """Crash at a random step of the commands or of a random session, and check the state after the crash."""
    rng = random.Random(seed)
    commands = kind.session(seed % 20, LENGTH) if commands is None else list(commands)
    expected = states(commands, kind)
    (folder / "work").mkdir()
    (folder / "surviving").mkdir()
    file = folder / "work" / "book.db"
    disk = Disk()
    disk.fail_at = rng.randint(1, 330 if durability == "full" else 180)
    acknowledged = play(disk, file, commands, durability, kind)
    disk.survive(folder / "surviving", rng)
    if rng.random() < 0.5:
        crash_again(folder, rng, durability, kind)
    try:
        # Without syncs the log may be lost, although the state in the file says that there is a log.
        assert durability == "off" or not lacks_its_log(folder / "surviving" / file.name)
        result = recovered(folder / "surviving", file, kind)
    except JournalError:
        assert durability == "off", "a crash may damage a file only if it is not synced"
        return
    may_lose = {"full": 0, "batched": GROUP - 1, "off": LENGTH}[durability]
    possible = [
        *before(expected[: acknowledged + 1], may_lose),
        *expected[acknowledged : acknowledged + 2],
    ]
    assert result in possible, f"seed {seed}: {acknowledged} commands were acknowledged"


def crash_again(folder: Path, rng: random.Random, durability: Durability, kind: Kind) -> None:
    """Crash a second time, while the file is opened and closed after the first crash."""
    disk = Disk()
    disk.fail_at = rng.randint(1, 12)
    with suppress(JournalError):
        open_on(disk, folder / "surviving" / "book.db", durability, kind).close()
    disk.survive(folder / "surviving", rng)


def crashes(
    seeds: range,
    tmp_path: Path,
    durability: Durability,
    kind: Kind = BOOKS,
    commands: Sequence[Command] | None = None,
) -> None:
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        crash(seed, folder, durability, kind, commands)


def add(number: int, price: str) -> Command:
    """Return a command that adds an order at a decimal price."""
    return lambda om: om.add_order(number, "JPM", Side.BUY, 10, om.instrument("JPM").to_ticks(price))


def convert(tick_size: str) -> Command:
    return lambda om: om.convert_orders("JPM", Instrument(tick_size), note=f"ticks of {tick_size}")


def sell_and_convert(om: OrderManagement) -> None:
    with om.transaction("a trade in other ticks"):
        om.place_trade("JPM", Side.BUY, 3)
        om.convert_orders("JPM", Instrument("0.05"))
        om.set_instrument("IBM", Instrument("0.05"))


CONVERSIONS: tuple[Command, ...] = (
    lambda om: om.set_instrument("JPM", Instrument("0.05")),
    add(1, "20.05"),
    convert("0.01"),
    add(2, "20.10"),
    lambda om: om.set_instrument("IBM", Instrument("0.25", currency="USD")),
    convert("0.005"),
    convert("0.05"),
    lambda om: om.set_instrument("IBM", Instrument("0.25", currency="EUR")),
    add(3, "20.15"),
    convert("0.01"),
    sell_and_convert,
    convert("0.025"),
    add(4, "20.025"),
    convert("0.001"),
)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_a_few_crashes_of_a_matching_engine_lose_no_change_that_the_durability_protects(
    durability: Durability, tmp_path: Path
) -> None:
    crashes(range(15), tmp_path, durability, ENGINE)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "times"), [(BOOKS, 400), (ENGINE, 150)], ids=["books", "engine"])
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_a_crash_loses_no_change_that_the_durability_protects(
    durability: Durability, kind: Kind, times: int, tmp_path: Path
) -> None:
    crashes(range(times), tmp_path, durability, kind)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_a_crash_never_separates_an_instrument_from_the_orders_that_it_converts(
    durability: Durability, tmp_path: Path
) -> None:
    reached = states(list(CONVERSIONS))
    assert len(set(reached)) == len(CONVERSIONS) + 1 == LENGTH + 1
    crashes(range(20_000, 20_200), tmp_path, durability, commands=CONVERSIONS)


@pytest.mark.soak
@EACH_KIND
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_thousands_of_crashes_lose_no_change_that_the_durability_protects(
    durability: Durability, kind: Kind, tmp_path: Path
) -> None:
    crashes(range(10_000, 14_000), tmp_path, durability, kind)


SOME_STEPS = pytest.param(ENGINE, 13, id="engine, some steps")
EACH_STEP = pytest.param(ENGINE, 1, id="engine", marks=pytest.mark.soak)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "every"), [pytest.param(BOOKS, 1, id="books"), SOME_STEPS, EACH_STEP])
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
@pytest.mark.parametrize("how", ["full", "io", "short"])
def test_after_a_failure_at_any_step_memory_and_file_agree_or_the_error_says_what_is_unknown(
    how: str, durability: Durability, kind: Kind, every: int, tmp_path: Path
) -> None:
    commands = kind.session(3, LENGTH)
    expected = states(commands, kind)
    for step in itertools.count(1, every):
        folder = tmp_path / str(step)
        folder.mkdir()
        disk = Disk()
        disk.fail_at, disk.how = step, how
        possible = play_with_a_failure(disk, folder / "book.db", commands, expected, durability, kind)
        with kind.open(folder / "book.db", verify=True) as om:
            assert state(om) in possible, f"step {step}"
        if not disk.failed:
            break
    assert step > {"full": 100, "batched": 80, "off": 60}[durability]


def play_with_a_failure(
    disk: Disk,
    file: Path,
    commands: list[Command],
    expected: list[State],
    durability: Durability,
    kind: Kind,
) -> list[State]:
    """Execute the commands up to the first that fails, and return the states that the file may have."""
    try:
        om = open_on(disk, file, durability, kind)
    except JournalError:
        assert disk.failed
        return expected[:1]
    possible = expected[:1]
    try:
        for number, command in enumerate(commands):
            try:
                execute(command, om)
            except JournalError as error:
                assert disk.failed
                assert state(om) == expected[number], (
                    "a command that raised an error has changed nothing in memory"
                )
                assert_read_only(om, expected[number], kind)
                unknown = "unknown until the journal is opened again" in str(error)
                return expected[number : number + 2] if unknown else expected[number : number + 1]
            possible = expected[number + 1 : number + 2]
        return possible
    finally:
        with suppress(JournalError):
            om.close()


def assert_read_only(om: Books, before: State, kind: Kind) -> None:
    for _ in range(2):
        with pytest.raises(JournalError, match="read-only until it is opened again"):
            kind.add(om, 77_777)
    assert state(om) == before


@pytest.mark.parametrize("durability", ["full", "batched"])
@pytest.mark.parametrize("how", ["full", "io", "short"])
def test_a_journal_that_becomes_read_only_logs_the_reason_once(
    how: str, durability: Durability, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    om = open_on(disk, tmp_path / "book.db", durability)
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


def test_a_full_disk_raises_an_error_and_loses_no_change(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(file)], capture_output=True, text=True, check=True
    )
    done, _, error = run.stdout.splitlines()[1].partition(" ")
    assert "unknown until the journal is opened again" in error
    assert "book.db is read-only until it is opened again: " in run.stderr
    with journal.open(file, verify=True) as om:
        assert [order.order_id for order in om] in (
            list(range(int(done) + 1)),
            list(range(int(done) + 2)),
        )
