"""The state machine of the core tests with a journal, which crashes and reopens at random."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from oms import journal
from oms.journal import Durability, SqliteJournal
from support.machine import Machine


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
        if self.opened:
            first = self.opened[0]
            self.reference.resting = list(first.resting)
            self.reference.next_trade_id = first.next_trade_id
            self.tally = first.tally
            self.opened.clear()
        old = self.sqlite_journal
        self.files += 1
        for suffix in ("", "-wal"):
            source = old.path.with_name(old.path.name + suffix)
            if source.exists():
                shutil.copy(source, Path(self.folder.name, f"{self.files}.db{suffix}"))
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


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
@pytest.mark.parametrize("examples", [30, pytest.param(2_000, marks=pytest.mark.long)])
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
