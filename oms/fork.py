"""Objects that are reset in a forked process, where only the thread that called `fork` exists."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["reset_in_forks"]


class _Resettable(Protocol):
    """An object with state that belongs to one process, such as a lock."""

    def reset_after_fork(self) -> None:
        """Reset the object in the forked process."""
        ...


_objects: WeakSet[_Resettable] = WeakSet()


def reset_in_forks(item: _Resettable) -> None:
    """Call `item.reset_after_fork()` in every process that is forked while the object exists. O(1)."""
    _objects.add(item)


def _reset_all() -> None:
    for item in list(_objects):
        item.reset_after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    os.register_at_fork(after_in_child=_reset_all)
