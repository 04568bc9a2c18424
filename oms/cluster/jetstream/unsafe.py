"""The word UNSAFE, which log lines and errors contain if the servers are not checked."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["UNSAFE", "marked_lines", "marked_place"]

UNSAFE = "UNSAFE: acknowledged changes can be lost"

_log = logging.getLogger("oms.cluster")


def marked_place(place: str, *, unsafe: bool) -> str:
    """Return `place` for error messages, with the word UNSAFE if the servers are not checked.

    >>> marked_place("bucket oms", unsafe=True)
    'bucket oms (UNSAFE: acknowledged changes can be lost)'

    """
    return f"{place} ({UNSAFE})" if unsafe else place


@contextmanager
def marked_lines(*, unsafe: bool) -> Generator[None]:
    """Return a context manager that adds the word UNSAFE to each line of the logger `oms.cluster`.

    If `unsafe` is False, it does nothing.
    """
    if not unsafe:
        yield
        return
    mark = _Mark()
    _log.addFilter(mark)
    try:
        yield
    finally:
        _log.removeFilter(mark)


class _Mark(logging.Filter):
    """A logging filter that adds the word UNSAFE to each line that does not contain it yet."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if UNSAFE not in text:
            record.msg, record.args = f"{text} ({UNSAFE})", None
        return True
