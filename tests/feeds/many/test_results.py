"""A result is one line of JSON, and an error names its unit."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from oms import InvalidArgumentError, Side
from oms.feeds import FeedError, ReplayResult, ReplayUnit, Report, UnitFailure, UnitsError, WorkerError
from oms.feeds.many.tasks import replay_unit
from support.many_units import CAPTURE, write_units

UNIT = ReplayUnit("a.csv")


@dataclass
class Record:
    """A value of an analysis, as a dataclass."""

    name: str
    side: Side


class Point(NamedTuple):
    """A value of an analysis, as a named tuple."""

    price: int
    money: Decimal


def result_with(value: object) -> ReplayResult[object]:
    return ReplayResult(UNIT, Report(events=0, kinds={}), 0, "", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        (0.1, 0.1),
        ([1, (2, "3")], [1, [2, "3"]]),
        (Record("a", Side.SELL), {"name": "a", "side": "SELL"}),
        ({"at": Point(1, Decimal("2.50"))}, {"at": {"price": 1, "money": "2.50"}}),
        ({Side.BUY: Fraction(1, 3)}, {"BUY": "1/3"}),
    ],
    ids=["none", "bool", "large int", "float", "sequences", "dataclass", "named tuple", "enum key"],
)
def test_the_json_of_a_result_contains_its_value(value: object, expected: object) -> None:
    assert json.loads(result_with(value).to_json())["value"] == expected


def test_the_json_does_not_depend_on_the_order_of_keys() -> None:
    assert result_with({"a": 1, "b": 2}).to_json() == result_with({"b": 2, "a": 1}).to_json()


@pytest.mark.parametrize(
    "value",
    [{1, 2}, object(), {1: 2}, {(1,): 2}, float("nan"), [float("inf")], int],
    ids=lambda value: repr(value)[:9],
)
def test_a_value_that_json_does_not_have_is_rejected(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="value must be a value "):
        result_with(value).to_json()


def test_the_json_contains_the_report_of_either_kind_of_file(tmp_path: Path) -> None:
    [unit] = write_units(tmp_path, [200])
    capture = tmp_path / "capture"
    capture.write_text(CAPTURE)
    for each, field in ((unit, "events"), (ReplayUnit(capture), "symbols")):
        result = replay_unit(each, None)
        assert isinstance(result, ReplayResult)
        line = result.to_json()
        assert "\n" not in line
        assert json.loads(line)["report"][field]
        assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301 - our own pickle


def test_an_error_of_units_has_the_path_and_the_row_of_the_first_failure() -> None:
    first, second = FeedError("a.csv", 7, "must not be empty"), WorkerError("the worker ended")
    error = UnitsError((UnitFailure(UNIT, first), UnitFailure(ReplayUnit("b.csv"), second)), ())
    assert (error.path, error.row, error.problem) == ("a.csv", 7, "must not be empty")
    assert str(error) == "a.csv: row 7: must not be empty (and 1 more)"
    assert error.__cause__ is first
    assert isinstance(error, FeedError)


def test_an_exception_of_the_analysis_comes_before_files_that_cannot_be_read() -> None:
    unreadable, own = FeedError("a.csv", 7, "must not be empty"), ZeroDivisionError("division by zero")
    error = UnitsError((UnitFailure(UNIT, unreadable), UnitFailure(ReplayUnit("b.csv"), own)), ())
    assert str(error) == "b.csv: ZeroDivisionError: division by zero (and 1 more)"
    assert error.row is None
    assert error.__cause__ is own


def test_an_error_in_another_file_of_a_unit_names_both_files() -> None:
    error = UnitsError((UnitFailure(UNIT, FeedError("book.csv", 7, "must not be empty")),), ())
    assert str(error) == "a.csv: FeedError: book.csv: row 7: must not be empty"


def test_an_error_of_units_can_be_pickled() -> None:
    error = UnitsError((UnitFailure(UNIT, WorkerError("the worker ended")),), (result_with(1),))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own pickle
    assert (str(copy), copy.results) == (str(error), error.results)
