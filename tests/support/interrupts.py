"""A helper that interrupts a call at a chosen line of the books, the ledgers, and the matching engine."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Set
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any

import oms

__all__ = ["INTERRUPTED_FILES", "LEDGER_FILES", "Interrupt", "interrupted_at_line"]

BOOK_FILES = ("batch.py", "books.py", "level.py", "order_book.py", "price_sums.py")
LEDGER_FILES = (
    "admission.py",
    "durability.py",
    "in_flight.py",
    "ledger.py",
    "locked.py",
    "owner.py",
    "reference_data.py",
    "subscribers.py",
    "transaction.py",
)
ENGINE_FILES = (
    "crossing.py",
    "engine_books.py",
    "engine_events.py",
    "matching.py",
    "plain_changes.py",
    "register.py",
)
TAKES_LOCK = re.compile(r" *with \w+\._?lock:").match
INTERRUPTED_FILES = {
    str(Path(oms.__file__).parent / name) for name in (*BOOK_FILES, *LEDGER_FILES, *ENGINE_FILES)
}


class Interrupt(BaseException):
    """An exception that no code expects, like KeyboardInterrupt."""


def interrupted_at_line(
    line: int,
    call: Callable[[], object],
    error: type[BaseException] | Callable[[], Interrupt] = Interrupt,
    *expected: type[BaseException],
    files: Set[str] = INTERRUPTED_FILES,
) -> bool:
    """Make a call, and raise `error()` at its n-th line inside these files, where n is `line`.

    Return True if the call reached that line. Lines on which a `with` statement acquires or releases the lock
    do not count, because Python does not check for signals there. `expected` lists other errors that the call
    may raise because of the interrupt.
    """
    lines = 0
    raised: type[BaseException] = error if isinstance(error, type) else Interrupt

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in files:
            return None
        if event == "line" and not TAKES_LOCK(getline(frame.f_code.co_filename, frame.f_lineno)):
            lines += 1
            if lines == line:
                sys.settrace(None)
                raise error()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except (raised, *expected):
        return True
    finally:
        sys.settrace(before)
    return False
