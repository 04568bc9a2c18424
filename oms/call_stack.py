"""A function that reads the call stack, to check if a method is running in the current thread.

A flag would be unreliable, because an interrupt could stop the method before it clears the flag.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

__all__ = ["callers"]

_PACKAGE = os.path.dirname(__file__) + os.sep


def callers() -> Iterator[tuple[str, object]]:
    """Yield the name and the `self` of each function from this package on the call stack, innermost first.

    The function that calls `callers` is left out. O(d) for a stack of depth d.
    """
    frame = sys._getframe(1).f_back
    while frame is not None:
        # Reading `f_locals` keeps the frame's variables alive, so read it only in this package's frames.
        if frame.f_code.co_filename.startswith(_PACKAGE):
            yield frame.f_code.co_name, frame.f_locals.get("self")
        frame = frame.f_back
