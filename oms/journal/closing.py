"""Close a journal whose books cannot be opened."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress

from oms.errors import JournalError
from oms.events import Journal

__all__ = ["closed_after_an_error"]


@contextmanager
def closed_after_an_error(journal: Journal) -> Generator[None]:
    """Return a context manager that closes the journal if its block raises an exception."""
    try:
        yield
    except BaseException:
        with suppress(JournalError):  # raise the original error, not this one
            journal.close()
        raise
