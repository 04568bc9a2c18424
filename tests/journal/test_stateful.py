"""The random walk of test_stateful.py over a journal, with a crash and a reopening at any moment."""

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


class Journalled(Machine):
    """What the process held is lost, an open transaction too; what the file holds is what is told of."""

    durability: Durability = "full"

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.lives = 0
        self.open_file()

    def open_file(self) -> None:
        file = Path(self.folder.name, f"{self.lives}.db")
        self.om = journal.open(file, durability=self.durability, group_seconds=3600)
        self.om.subscribe(self.events.append)

    @property
    def kept(self) -> SqliteJournal:
        assert isinstance(self.om.journal, SqliteJournal)
        return self.om.journal

    @rule()
    def crash_and_reopen(self) -> None:
        """What a kill leaves are the files as they are, without anything that closing does to them."""
        if self.opened:
            first = self.opened[0]
            self.reference.resting = list(first.resting)
            self.reference.next_trade_id = first.next_trade_id
            self.tally = first.tally
            self.opened.clear()
        old = self.kept
        self.lives += 1
        for suffix in ("", "-wal"):
            left = old.path.with_name(old.path.name + suffix)
            if left.exists():
                shutil.copy(left, Path(self.folder.name, f"{self.lives}.db{suffix}"))
        old.close()
        self.open_file()
        assert list(self.kept.read()) == self.events

    @precondition(lambda self: not self.opened)
    @rule()
    def close_and_reopen(self) -> None:
        self.om.close()
        self.open_file()
        assert self.kept.verify().state_hash == self.om.state_hash()

    def teardown(self) -> None:
        super().teardown()
        self.om.close()
        self.folder.cleanup()


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
@pytest.mark.parametrize("examples", [30, pytest.param(2_000, marks=pytest.mark.long)])
def test_every_verb_agrees_with_the_slowest_book_across_crashes(
    durability: Durability, examples: int
) -> None:
    class Lived(Journalled):
        pass

    Lived.durability = durability
    run_state_machine_as_test(
        Lived,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
