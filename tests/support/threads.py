"""Functions that make a call in another thread, and that prevent new threads from starting."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

T = TypeVar("T")

STARTERS = ("_start_new_thread", "_start_joinable_thread")
"""The functions with which `threading` starts a thread. Each version of Python uses one of them."""


def in_a_thread(call: Callable[[], T]) -> T:
    """Make a call in a new thread, and return its result. Wait at most 10 seconds."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(10)


def prevent_new_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every start of a thread raise RuntimeError, as on a system that has reached its limit."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    for name in STARTERS:
        monkeypatch.setattr(threading, name, fail, raising=False)
        monkeypatch.setattr(_thread, name.removeprefix("_"), fail, raising=False)
