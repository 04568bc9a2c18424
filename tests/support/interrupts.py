"""Interrupt a call at each line of the books and the ledgers."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any

import oms

__all__ = ["INSIDE", "LEDGER_FILES", "Interrupt", "interrupted_at_line"]

BOOK_FILES = ("books.py", "level.py", "order_book.py", "price_sums.py")
LEDGER_FILES = ("durability.py", "ledger.py", "locked.py", "owner.py", "subscribers.py", "transaction.py")
TAKES_LOCK = re.compile(r" *with \w+\._?lock:").match
INSIDE = {str(Path(oms.__file__).parent / name) for name in (*BOOK_FILES, *LEDGER_FILES)}


class Interrupt(BaseException):
    """Like KeyboardInterrupt: no code expects it."""


def interrupted_at_line(
    line: int,
    call: Callable[[], object],
    error: type[BaseException] = Interrupt,
    *expected: type[BaseException],
) -> bool:
    """Raise `error` at the given executed line of the books and ledgers; return True if it was reached.

    Lines on which a `with` statement takes or releases the lock do not count, because Python looks for no
    interrupt there. `expected` are further errors that the call may turn the interrupt into.
    """
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in INSIDE:
            return None
        if event == "line" and not TAKES_LOCK(getline(frame.f_code.co_filename, frame.f_lineno)):
            lines += 1
            if lines == line:
                sys.settrace(None)
                raise error
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except (error, *expected):
        return True
    finally:
        sys.settrace(before)
    return False
