"""A ready-made analysis for `replay_many`: the costs of amounts, at the end of a file or at regular times."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from oms.errors import InsufficientLiquidityError
from oms.feeds.intervals import nanoseconds_in
from oms.feeds.many.unit_replay import UnitReplay
from oms.management import OrderManagement
from oms.models import Side, as_amounts

__all__ = ["CostSample", "CostSampler"]


class CostSample(NamedTuple):
    """The cost of `amount` lots at one point in time, and the number of lots available.

    `time` is in nanoseconds. `available` is the number of lots on this side of the book. `total_price` is in
    ticks times lots. It is None if fewer than `amount` lots were available.
    """

    time: int
    symbol: str
    side: Side
    amount: int
    available: int
    total_price: int | None


@dataclass(frozen=True, slots=True, init=False)
class CostSampler:
    r"""An analysis that computes the cost of each amount on both sides, for each symbol.

    By default, it computes the costs once, at the end of the file. With `every`, it computes them after the
    first event in each interval of `every` seconds. The value is a tuple of CostSample. Worker processes can
    always import CostSampler, so it also works in a notebook.

    >>> import pathlib, tempfile
    >>> from oms.feeds import ReplayUnit, replay_many
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "XYZ.csv")
    ...     _ = path.write_text("34200.1,1,7,10,1000,-1\n34200.2,1,8,10,1001,-1\n34201.5,1,9,10,999,-1\n")
    ...     [result] = replay_many([ReplayUnit(path)], CostSampler([15], every=1), workers=1)
    >>> for sample in result.value[::2]:  # the BUY trades
    ...     print(sample.time, sample.available, sample.total_price)
    34200100000000 10 None
    34201500000000 30 14990

    """

    amounts: tuple[int, ...]
    every: float | None = None

    def __init__(self, amounts: Iterable[int], every: float | None = None) -> None:
        """Set the amounts (lots) and the interval (seconds).

        Raise InvalidOrderError for an invalid amount, and InvalidArgumentError for an invalid interval.
        """
        if every is not None:
            nanoseconds_in("every", every)
        object.__setattr__(self, "amounts", tuple(as_amounts(amounts)))
        object.__setattr__(self, "every", every)

    def __call__(self, run: UnitReplay) -> tuple[CostSample, ...]:
        """Return the samples, sorted by time, symbol, side, and amount."""
        return _Samples(self._samples(run))

    def _samples(self, run: UnitReplay) -> Iterator[CostSample]:
        for time in self._times(run):
            for symbol in run.symbols:
                for side in Side:
                    for amount in self.amounts:
                        yield _sample(run.om, time, symbol, side, amount)

    def _times(self, run: UnitReplay) -> Iterator[int]:
        return iter(deque(run, maxlen=1)) if self.every is None else run.every(self.every)


class _Samples(tuple[CostSample, ...]):
    """A tuple of samples that is pickled column by column.

    A worker can return thousands of samples to the program that started it. To pickle them as named tuples
    would take two to three times as much processor time.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[[Iterable[Iterable[Any]]], _Samples], tuple[object]]:
        return _from_columns, (tuple(zip(*self, strict=True)),)


def _from_columns(columns: Iterable[Iterable[Any]]) -> _Samples:
    return _Samples(map(CostSample._make, zip(*columns, strict=True)))


def _sample(om: OrderManagement, time: int, symbol: str, side: Side, amount: int) -> CostSample:
    available = om.available_amount(symbol, side)
    try:
        total_price = om.calculate_price(symbol, side, amount)
    except InsufficientLiquidityError:
        total_price = None
    return CostSample(time, symbol, side, amount, available, total_price)
