"""A function that reads the call stack, to check if a method is running in the current thread.

A flag that the method sets and clears would not be reliable, because an interrupt could leave it set.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

__all__ = ["callers"]


def callers() -> Iterator[tuple[str, object]]:
    """Yield the name and the `self` of each calling function, innermost first.

    The function that calls `callers` is not included. O(d) for a stack of depth d.
    """
    frame = sys._getframe(1).f_back
    while frame is not None:
        yield frame.f_code.co_name, frame.f_locals.get("self")
        frame = frame.f_back
