"""A process that is killed at any moment: every acknowledged change is in the file, once and in order."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from oms import journal
from oms.journal import schema
from oms.journal.log_state import AWAY, is_without_its_log, read_state
from oms.journal.reading import opened_to_read
from support import journal_child
from support.engine_sessions import ENGINE
from support.kinds import EACH_KIND
from support.sessions import BOOKS, Kind, execute, session, state, states

CHILD = Path(journal_child.__file__)
MODES = ["plain", "checkpoints", "compaction", "start", "reopening"]


def kill(
    file: Path, durability: str, seed: int, acknowledged: int, mode: str, rng: random.Random, kind: Kind
) -> int:
    """Kill a child after a random number of acknowledgments, and return the last acknowledged command."""
    settings = [kind.name, str(file), durability, str(seed), str(acknowledged), mode]
    arguments = [sys.executable, str(CHILD), *settings]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHILD.parent), *filter(None, sys.path)])}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        is_silent = mode in ("start", "migration")
        lines = [process.stdout.readline() for _ in range(0 if is_silent else rng.randint(0, 12))]
        for _ in range(rng.randint(0, 400_000 if is_silent else 100_000)):  # wait for a random time
            pass
        process.kill()
        lines += process.stdout.readlines()
    assert process.returncode in (0, -signal.SIGKILL)
    return int(next((line for line in reversed(lines) if line.endswith("\n")), str(acknowledged)))


def kill_many(files: int, tmp_path: Path, seed: int, kind: Kind) -> None:
    rng = random.Random(seed)
    for count in range(files):
        durability, mode = ("full", "batched", "off")[count % 3], MODES[count // 3 % len(MODES)]
        folder = tmp_path / str(count)
        folder.mkdir()
        kill_three_times(folder / "book.db", durability, mode, rng, kind)


def kill_three_times(file: Path, durability: str, mode: str, rng: random.Random, kind: Kind) -> None:
    """Kill the writers of a file three times, and check the state of the file after each kill.

    After a compaction only the state hashes are compared, because events are missing.
    """
    seed, acknowledged = rng.randint(0, 30), 0
    expected = states(kind.session(seed, journal_child.LENGTH), kind)
    for _ in range(3):
        acknowledged = max(acknowledged, kill(file, durability, seed, acknowledged, mode, rng, kind))
        if not file.exists():
            assert acknowledged == 0
            continue
        if rng.random() < 0.3 and not is_marked_away(file):
            # Another program copies the log into the file, and removes the log.
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("SELECT * FROM heads").fetchall()
        with opened_to_read(file) as event_log:
            assert not is_without_its_log(event_log.connection, file)
        with kind.open(file, verify=True) as om:
            if mode == "compaction":
                result: object = om.state_hash()
                possible: list[object] = [
                    after.state_hash for after in expected[acknowledged : acknowledged + 2]
                ]
            else:
                result = state(om)
                possible = [*expected[acknowledged : acknowledged + 2]]
            assert result in possible, f"{acknowledged} commands were acknowledged"
            acknowledged += possible.index(result)


def is_marked_away(file: Path) -> bool:
    """Return True if the process was killed during a checkpoint, when a missing log is not detectable."""
    with opened_to_read(file) as event_log:
        return read_state(event_log.connection, str(file)) == AWAY


@pytest.mark.slow
def test_acknowledged_changes_of_a_matching_engine_survive_three_kills(tmp_path: Path) -> None:
    kill_many(1, tmp_path, seed=3, kind=ENGINE)


@pytest.mark.long
@EACH_KIND
def test_acknowledged_changes_survive_a_hundred_kills(kind: Kind, tmp_path: Path) -> None:
    kill_many(34, tmp_path, seed=1, kind=kind)


@pytest.mark.soak
@EACH_KIND
def test_acknowledged_changes_survive_a_thousand_kills(kind: Kind, tmp_path: Path) -> None:
    kill_many(334, tmp_path, seed=2, kind=kind)


@pytest.mark.slow
def test_a_killed_migration_is_complete_or_has_changed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, rng = tmp_path / "first.db", random.Random(3)
    with journal.open(first) as om:
        for command in session(4, 60):
            execute(command, om)
        before = state(om)
    files = [tmp_path / f"{number}.db" for number in range(12)]
    for file in files:
        shutil.copy(first, file)
        kill(file, "full", 4, 0, "migration", rng, BOOKS)
        if version_of(file) == schema.VERSION:
            with journal.open(file, verify=True) as om:
                assert state(om) == before
    monkeypatch.setattr(schema, "VERSION", schema.VERSION)
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS)
    journal_child.use_a_newer_version()
    for file in files:
        with journal.open(file, verify=True) as om:
            assert state(om) == before
        assert version_of(file) == schema.VERSION


def version_of(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(version)
