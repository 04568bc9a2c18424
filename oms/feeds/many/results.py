"""The results and the errors of `replay_many`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, cast

from oms.errors import InvalidArgumentError
from oms.feeds.errors import FeedError, WorkerError
from oms.feeds.levels.report import LevelReport
from oms.feeds.many.units import ReplayUnit
from oms.feeds.orders.report import Report

__all__ = ["Outcome", "ReplayProgress", "ReplayResult", "UnitFailure", "UnitsError", "ends_the_run"]

Value_co = TypeVar("Value_co", covariant=True)


@dataclass(frozen=True, slots=True)
class ReplayResult(Generic[Value_co]):
    """The result of one unit. The same file, options, and analysis give the same result on every machine.

    `value` is what the analysis returned, or None without an analysis. `report`, `last_sequence`, and
    `state_hash` describe the state after the whole file. The last two come from the `OrderManagement`.
    """

    unit: ReplayUnit
    report: Report | LevelReport
    last_sequence: int
    state_hash: str
    value: Value_co

    def to_json(self) -> str:
        """Return the result as one line of JSON, with sorted keys and no spaces.

        The same file, options, and analysis give the same line. Dataclasses and named tuples become objects.
        A Decimal or a Fraction becomes a string. Raise InvalidArgumentError if `value` contains anything else
        that JSON cannot represent, such as a set or NaN. O(n) for n characters.
        """
        try:
            return json.dumps(_plain(self), allow_nan=False, sort_keys=True, separators=(",", ":"))
        except ValueError as error:
            raise InvalidArgumentError("value", self.value, f"a value that JSON has ({error})") from error


def _plain(value: object) -> object:
    """Convert a value to types that the json module can write."""
    if value is None or (isinstance(value, (str, int, float)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, (Decimal, Fraction)):
        return str(value)
    if isinstance(value, Enum):
        return _plain(value.value)
    named = _named_fields(value)
    if named is not None:
        return {_key(key): _plain(item) for key, item in named.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("Iterable[object]", value)]
    raise InvalidArgumentError("value", value, "a value that JSON has, such as a number, a list, or a dict")


def _named_fields(value: object) -> Mapping[object, object] | None:
    """Return the items of a mapping, a dataclass, or a named tuple. Return None for any other value."""
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    as_dict = getattr(value, "_asdict", None)
    return as_dict() if as_dict is not None and isinstance(value, tuple) else None


def _key(key: object) -> str:
    plain = _plain(key)
    if not isinstance(plain, str):
        raise InvalidArgumentError("value", key, "a value whose dicts have strings as keys")
    return plain


Outcome: TypeAlias = ReplayResult[Any] | Exception
"""A result, or the reason why there is none.

A task returns its exception as a value. So if a future raises an exception, the cause is the executor, and
not the task.
"""


def ends_the_run(outcome: Outcome) -> bool:
    """Return True if no further unit should begin, because the same error would probably occur again.

    If a file cannot be read, or if a worker dies, other units can still succeed. Any other exception comes
    from the analysis or from an invalid option.
    """
    return isinstance(outcome, Exception) and not isinstance(outcome, (FeedError, WorkerError))


class UnitFailure(NamedTuple):
    """A unit without a result, and the exception that is the reason."""

    unit: ReplayUnit
    error: Exception


class UnitsError(FeedError):
    """Some units have no result.

    `failures` contains these units with the reasons, and `results` contains the results of the other units,
    both in the order of the units. If the analysis raised an exception, the units that had not begun are in
    neither. `path`, `row`, `problem`, and the cause describe this exception, or otherwise the first failure.
    """

    def __init__(self, failures: tuple[UnitFailure, ...], results: tuple[ReplayResult[Any], ...]) -> None:
        unit, error = next((each for each in failures if ends_the_run(each.error)), failures[0])
        if isinstance(error, FeedError) and error.path == unit.name:
            super().__init__(error.path, error.row, error.problem)
        else:
            super().__init__(unit.name, None, f"{type(error).__name__}: {error}")
        self.args = (failures, results)  # so that it can be pickled
        self.failures = failures
        self.results = results
        self.__cause__ = error

    def __str__(self) -> str:
        others = len(self.failures) - 1
        first = super().__str__()
        return f"{first} (and {others} more)" if others else first


class ReplayProgress(NamedTuple):
    """The progress after a unit has finished. `result` is None if the unit failed.

    `finished` and `total` are numbers of units, and `finished_bytes` and `total_bytes` are sizes of files.
    """

    unit: ReplayUnit
    result: ReplayResult[Any] | None
    finished: int
    total: int
    finished_bytes: int
    total_bytes: int
