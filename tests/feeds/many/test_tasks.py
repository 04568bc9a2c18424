"""A task returns a result or an exception, and raises nothing."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
from tblib import pickling_support  # type: ignore[import-untyped] # it comes with distributed, without types

from oms import OrderManagement
from oms.feeds import FeedError, ReplayResult, ReplayUnit, UnitReplay
from oms.feeds.many.tasks import replay_unit
from support.many_units import divide_by_zero, write_units


class TwoArgumentsError(Exception):
    """An exception that can be pickled, but not unpickled."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


class PlainError(Exception):
    """An exception like any other."""


class TracedError(Exception):
    """An exception whose pickle contains its traceback. Importing Dask does this to all exceptions."""


pickling_support.install(TracedError)


def test_the_rest_of_the_file_is_replayed_after_an_analysis_that_stops_early(tmp_path: Path) -> None:
    [unit] = write_units(tmp_path, [200])
    early, whole = replay_unit(unit, lambda run: next(iter(run))), replay_unit(unit, None)
    assert isinstance(early, ReplayResult)
    assert isinstance(whole, ReplayResult)
    assert early.value == next(iter(UnitReplay(unit)))
    assert replace(early, value=None) == whole


def test_an_exception_of_the_analysis_is_returned_with_the_path_and_the_traceback(tmp_path: Path) -> None:
    [unit] = write_units(tmp_path, [100])
    error = replay_unit(unit, divide_by_zero)
    assert isinstance(error, ZeroDivisionError)
    [note] = error.__notes__
    assert note.startswith(f"while {unit.name!r} was replayed:\nTraceback")
    assert "in divide_by_zero" in note


def test_an_exception_that_cannot_reach_another_process_becomes_a_runtime_error(tmp_path: Path) -> None:
    [unit] = write_units(tmp_path, [100])

    def fail(_: UnitReplay) -> None:
        raise TwoArgumentsError("this", "that")

    error = replay_unit(unit, fail)
    assert type(error) is RuntimeError
    assert str(error) == "TwoArgumentsError: this: that"


def test_a_file_that_cannot_be_read_is_returned_as_the_error_of_the_feed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("10.0,1,7,10,1000,-1\nnothing\n")
    error = replay_unit(ReplayUnit(path), None)
    assert isinstance(error, FeedError)
    assert (error.path, error.row) == (str(path), 2)
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize("kind", [PlainError, TracedError])
def test_an_exception_keeps_no_books_in_memory(tmp_path: Path, kind: type[Exception]) -> None:
    [unit] = write_units(tmp_path, [100])
    books: list[weakref.ref[OrderManagement]] = []

    def fail(run: UnitReplay) -> None:
        books.append(weakref.ref(run.om))
        raise kind(unit.name)

    error = replay_unit(unit, fail)
    gc.collect()
    assert type(error) is kind
    assert books[0]() is None
