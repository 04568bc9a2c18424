"""A function that reads the call stack, to check if a method is running in the current thread.

A flag would not be reliable, because an interrupt could prevent the method from clearing it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

__all__ = ["callers"]

_PACKAGE = os.path.dirname(__file__) + os.sep


def callers() -> Iterator[tuple[str, object]]:
    """Yield the name and the `self` of each function of this package in the call stack, innermost first.

    The function that calls `callers` is not included. O(d) for a stack of depth d.
    """
    frame = sys._getframe(1).f_back
    while frame is not None:
        # Reading `f_locals` keeps the frame's variables alive, so do not read it for code of other packages.
        if frame.f_code.co_filename.startswith(_PACKAGE):
            yield frame.f_code.co_name, frame.f_locals.get("self")
        frame = frame.f_back
