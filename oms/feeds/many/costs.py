"""A ready-made analysis for `replay_many`: the costs of amounts, at the end of a file or at regular times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from oms.errors import InsufficientLiquidityError
from oms.feeds.intervals import nanoseconds_in
from oms.feeds.many.unit_replay import UnitReplay
from oms.management import OrderManagement
from oms.models import Side, as_amounts

__all__ = ["CostSample", "CostSampler"]


class CostSample(NamedTuple):
    """What `amount` lots cost at a time (ns), and the lots that were available on this side.

    `total_price` is in ticks times lots. It is None if less than `amount` was available.
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

    By default, it does so once, at the end of the file. With `every`, it does so after the first event in
    each interval of `every` seconds. The value is a tuple of CostSample. Worker processes can always import
    this class, so it also works in a notebook.

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
        """Return the samples in the order of time, symbol, side, and amount."""
        return tuple(self._samples(run))

    def _samples(self, run: UnitReplay) -> Iterator[CostSample]:
        for time in self._times(run):
            for symbol in run.symbols:
                for side in Side:
                    for amount in self.amounts:
                        yield _sample(run.om, time, symbol, side, amount)

    def _times(self, run: UnitReplay) -> Iterator[int]:
        return iter(deque(run, maxlen=1)) if self.every is None else run.every(self.every)


def _sample(om: OrderManagement, time: int, symbol: str, side: Side, amount: int) -> CostSample:
    available = om.available_amount(symbol, side)
    try:
        total_price = om.calculate_price(symbol, side, amount)
    except InsufficientLiquidityError:
        total_price = None
    return CostSample(time, symbol, side, amount, available, total_price)
