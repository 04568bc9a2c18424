"""A process is killed at any moment; what it acknowledged is there afterwards, once, in order."""

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
from support.sessions import execute, session, state, states

CHILD = Path(journal_child.__file__)
WAYS = ["plain", "checkpoints", "compaction", "start", "reopening"]


def killed(file: Path, durability: str, seed: int, done: int, way: str, rng: random.Random) -> int:
    """Kill a child after a few acknowledgements and a moment; return the last command acknowledged."""
    arguments = [sys.executable, str(CHILD), str(file), durability, str(seed), str(done), way]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHILD.parent), *filter(None, sys.path)])}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        quiet = way in ("start", "migration")
        said = [process.stdout.readline() for _ in range(0 if quiet else rng.randint(0, 12))]
        for _ in range(rng.randint(0, 400_000 if quiet else 100_000)):  # a moment of no length in particular
            pass
        process.kill()
        said += process.stdout.readlines()
    assert process.returncode in (0, -signal.SIGKILL)
    return int(next((line for line in reversed(said) if line.endswith("\n")), str(done)))


def kills(files: int, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for count in range(files):
        durability, way = ("full", "batched", "off")[count % 3], WAYS[count // 3 % len(WAYS)]
        folder = tmp_path / str(count)
        folder.mkdir()
        one_life(folder / "book.db", durability, way, rng)


def one_life(file: Path, durability: str, way: str, rng: random.Random) -> None:
    """A file that is killed three times on end; a compacted event_log has no events to compare."""
    seed, done = rng.randint(0, 30), 0
    expected = states(session(seed, journal_child.LENGTH))
    for _ in range(3):
        done = max(done, killed(file, durability, seed, done, way, rng))
        if not file.exists():
            assert done == 0
            continue
        if rng.random() < 0.3 and not killed_while_away(file):
            # Another program copies the log into the file, and removes it.
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("SELECT * FROM heads").fetchall()
        with opened_to_read(file) as event_log:
            assert not is_without_its_log(event_log.connection, file)
        with journal.open(file, verify=True) as om:
            if way == "compaction":
                found: object = om.state_hash()
                possible: list[object] = [each.state_hash for each in expected[done : done + 2]]
            else:
                found = state(om)
                possible = [*expected[done : done + 2]]
            assert found in possible, f"{done} were acknowledged"
            done += possible.index(found)


def killed_while_away(file: Path) -> bool:
    """Whether it was killed in the moment in which it cannot be told that the file alone is whole."""
    with opened_to_read(file) as event_log:
        return read_state(event_log.connection, str(file)) == AWAY


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_hundred_kills(tmp_path: Path) -> None:
    kills(34, tmp_path, seed=1)


@pytest.mark.long
def test_what_was_acknowledged_survives_a_thousand_kills(tmp_path: Path) -> None:
    kills(334, tmp_path, seed=2)


@pytest.mark.slow
def test_a_migration_that_is_killed_is_made_or_not_made(
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
        killed(file, "full", 4, 0, "migration", rng)
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
