"""The state machines of the books and of the engine with a journal, which crashes and reopens at random."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from oms import Account, MatchingEngine, SelfTradePrevention, journal
from oms.journal import Durability, SqliteJournal
from support.engine_machine import EngineMachine
from support.machine import Machine
from support.sessions import sqlite_journal


def copy_files(store: SqliteJournal, to: Path) -> None:
    """Copy the files of an open journal as they are, as after a kill."""
    for suffix in ("", "-wal"):
        source = store.path.with_name(store.path.name + suffix)
        if source.exists():
            shutil.copy(source, to.with_name(to.name + suffix))


class JournalMachine(Machine):
    """A state machine with a journal. A crash loses open transactions, and nothing else."""

    durability: Durability = "full"

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.files = 0
        self.open_file()

    def open_file(self) -> None:
        file = Path(self.folder.name, f"{self.files}.db")
        self.om = journal.open(file, durability=self.durability, group_seconds=3600)
        self.om.subscribe(self.events.append)

    @property
    def sqlite_journal(self) -> SqliteJournal:
        assert isinstance(self.om.journal, SqliteJournal)
        return self.om.journal

    @rule()
    def crash_and_reopen(self) -> None:
        """Copy the files as they are, as after a kill, and open the copy."""
        self.forget_open_transactions()
        old = self.sqlite_journal
        self.files += 1
        copy_files(old, Path(self.folder.name, f"{self.files}.db"))
        old.close()
        self.open_file()
        assert list(self.sqlite_journal.read()) == self.events

    @precondition(lambda self: not self.opened)
    @rule()
    def close_and_reopen(self) -> None:
        self.om.close()
        self.open_file()
        assert self.sqlite_journal.verify().state_hash == self.om.state_hash()

    def teardown(self) -> None:
        super().teardown()
        self.om.close()
        self.folder.cleanup()


class EngineJournalMachine(EngineMachine):
    """A state machine of an engine with a journal. A crash loses open transactions, and nothing else."""

    durability: Durability = "full"

    def __init__(self) -> None:
        self.folder = TemporaryDirectory()
        self.files = 0
        super().__init__()

    def start(self, prevention: SelfTradePrevention) -> None:
        if self.files:
            self.engine.close()
        super().start(prevention)
        self.files += 1
        self.open_file()

    @property
    def file(self) -> Path:
        return Path(self.folder.name, f"{self.files}.db")

    def open_file(self) -> None:
        self.engine = journal.open_engine(
            self.file,
            durability=self.durability,
            group_seconds=3600,
            self_trade_prevention=self.naive.prevention,
            clock=None,
        )
        self.engine.subscribe(self.events.append)
        self.account = Account(self.engine, history=sqlite_journal(self.engine).read())

    def continue_with_a_copy(self, copy: Callable[[MatchingEngine], MatchingEngine]) -> None:
        """Go on with the original, because a copy has no journal."""

    @rule()
    def crash_and_reopen(self) -> None:
        """Copy the files as they are, as after a kill, and open the copy."""
        self.forget_open_transactions()
        old = sqlite_journal(self.engine)
        self.files += 1
        copy_files(old, self.file)
        old.close()
        self.open_file()
        assert list(sqlite_journal(self.engine).read()) == self.events

    @precondition(lambda self: not self.opened)
    @rule(compacts=st.booleans())
    def close_and_reopen(self, compacts: bool) -> None:
        """Close and reopen the file. A copy of it is compacted and opened too."""
        self.engine.close()
        if compacts:
            copy = Path(self.folder.name, "copy.db")
            shutil.copy(self.file, copy)
            with journal.open_engine(copy) as engine:
                sqlite_journal(engine).compact()
            self.verify(copy)
        self.open_file()
        self.verify(self.file)

    def verify(self, file: Path) -> None:
        """Verify a file. A file without events has not become that of a matching engine."""
        result = journal.verify(file)
        assert result.last == len(self.events)
        assert result.state_hash == self.engine.state_hash() or not self.events

    def teardown(self) -> None:
        super().teardown()
        self.engine.close()
        self.folder.cleanup()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("durability", "examples"),
    [("full", 5), *(pytest.param(each, 500, marks=pytest.mark.soak) for each in ("full", "batched", "off"))],
)
def test_every_verb_of_a_matching_engine_agrees_with_the_naive_engine_across_crashes(
    durability: Durability, examples: int
) -> None:
    class DurableMachine(EngineJournalMachine):
        pass

    DurableMachine.durability = durability
    run_state_machine_as_test(
        DurableMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
@pytest.mark.parametrize("examples", [30, pytest.param(2_000, marks=pytest.mark.soak)])
def test_every_method_agrees_with_the_reference_book_across_crashes(
    durability: Durability, examples: int
) -> None:
    class DurableMachine(JournalMachine):
        pass

    DurableMachine.durability = durability
    run_state_machine_as_test(
        DurableMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )
