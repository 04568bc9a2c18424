"""A journal is closed if its books cannot be opened, and the first error is raised."""

from __future__ import annotations

import pytest

from oms import JournalError
from oms.journal.closing import closed_after_an_error
from support.memory_journal import MemoryJournal


class UnclosableJournal(MemoryJournal):
    """A journal that raises an error when it is closed."""

    def close(self) -> None:
        super().close()
        raise JournalError("memory", "it cannot be closed")


@pytest.mark.parametrize("kind", [MemoryJournal, UnclosableJournal])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_journal_is_closed_after_an_error_of_the_block(
    kind: type[MemoryJournal], error: type[BaseException]
) -> None:
    journal = kind()
    with pytest.raises(error), closed_after_an_error(journal):
        raise error
    assert journal.closed


def test_the_journal_stays_open_without_an_error() -> None:
    journal = UnclosableJournal()
    with closed_after_an_error(journal):
        pass
    assert not journal.closed
