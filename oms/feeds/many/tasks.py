"""The task of a worker: a function that replays one unit (one file) and returns its outcome."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from traceback import format_exception
from typing import Any, TypeAlias, TypeVar

from oms.feeds.errors import FeedError
from oms.feeds.many.results import Outcome, ReplayResult
from oms.feeds.many.unit_replay import UnitReplay
from oms.feeds.many.units import ReplayUnit

__all__ = ["Analysis", "replay_unit"]

Value = TypeVar("Value")

Analysis: TypeAlias = Callable[[UnitReplay], Value]
"""A function that queries a replay. Its value must depend only on the replay."""


def replay_unit(unit: ReplayUnit, analysis: Analysis[Any] | None) -> Outcome:
    """Replay one unit, and call the analysis."""
    try:
        run = UnitReplay(unit)
        value = None if analysis is None else analysis(run)
        report = run.finish()
    except Exception as error:  # the analysis may raise anything
        return _portable(error, unit)
    return ReplayResult(unit, report, run.om.last_sequence, run.om.state_hash(), value)


def _portable(error: Exception, unit: ReplayUnit) -> Exception:
    """Return a copy that can be pickled, and whose traceback keeps no books in memory."""
    trace = "".join(format_exception(error))
    try:
        copy: Exception = pickle.loads(pickle.dumps(error))  # noqa: S301 - written by this very line
    except Exception:  # a class may do anything here, too
        copy = RuntimeError(f"{type(error).__qualname__}: {error}")
    # Some libraries, such as Dask, add the traceback to the pickle of an exception.
    copy.__traceback__ = copy.__cause__ = copy.__context__ = None
    if not isinstance(copy, FeedError):
        copy.add_note(f"while {unit.name!r} was replayed:\n{trace}")
    return copy
