"""The call stack: whether a method is running further up, in the same thread.

A flag that a method sets and clears would say the same, but an interrupt could leave it set.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

__all__ = ["callers"]


def callers() -> Iterator[tuple[str, object]]:
    """Yield the callers of the function that iterates, innermost first: their names and their `self`.

    O(depth of the stack).
    """
    frame = sys._getframe(1).f_back
    while frame is not None:
        yield frame.f_code.co_name, frame.f_locals.get("self")
        frame = frame.f_back
