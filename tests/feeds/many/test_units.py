"""A unit is a value: it can be compared, hashed, and pickled."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, cast

import pytest

from oms import InvalidArgumentError
from oms.feeds import ReplayUnit


def test_units_with_the_same_path_as_a_string_and_as_a_path_are_equal() -> None:
    unit = ReplayUnit(Path("a.csv"), book=Path("b.csv"), ignore=(7,))
    same = ReplayUnit("a.csv", book="b.csv", ignore=cast("Any", [7]))
    assert unit == same
    assert hash(unit) == hash(same)
    assert pickle.loads(pickle.dumps(unit)) == unit  # noqa: S301 - our own pickle
    assert unit.name == "a.csv"


@pytest.mark.parametrize("path", [None, 7, "", b"a.csv"])
def test_a_path_that_is_not_text_is_rejected(path: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="path must be the path of a file, not"):
        ReplayUnit(path)
    if path is not None:
        with pytest.raises(InvalidArgumentError, match="book must be the path of a file, not"):
            ReplayUnit("a.csv", book=path)


def test_the_size_of_a_unit_is_that_of_its_file_or_zero_if_there_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert ReplayUnit(path).size() == 0
    path.write_text("12345")
    assert ReplayUnit(path).size() == 5
