"""Conversion of ticks and lots to floats for plotting, and to strings for labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

from oms.instrument import TICKS_AND_LOTS, Instrument
from oms.management import OrderManagement

__all__ = ["Units", "units_of"]


class Units:
    """A converter for one instrument's ticks and lots. Floats are correctly rounded.

    `price`, `amount`, and `money` are labels for an axis. If the instrument has a currency, it is the label
    for prices and money.

    >>> units = Units(Instrument(tick_size="0.01", lot_size="1"))
    >>> units.prices([2005]), units.price, units.amount
    ([20.05], '1 tick = 0.01', 'lots')
    >>> Units(Instrument("0.01", currency="USD")).price
    'USD'

    """

    def __init__(self, instrument: Instrument) -> None:
        self._tick = Fraction(instrument.tick)
        self._lot = Fraction(instrument.lot)
        self.price = instrument.currency or ("ticks" if self._tick == 1 else f"1 tick = {instrument.tick:f}")
        self.amount = "lots" if self._lot == 1 else f"1 lot = {instrument.lot:f}"

        unit = self._tick * self._lot
        self.money = instrument.currency or (
            "ticks x lots" if unit == 1 else f"1 tick x 1 lot = {instrument.to_money(1):f}"
        )

    def prices(self, ticks: Iterable[int | Fraction]) -> list[float]:
        """Return prices as floats."""
        return _scaled(ticks, self._tick)

    def totals(self, totals: Iterable[int | Fraction]) -> list[float]:
        """Return total prices or profits (ticks times lots) as floats."""
        return _scaled(totals, self._tick * self._lot)

    def amounts(self, lots: Iterable[int]) -> list[float]:
        """Return amounts as floats."""
        return _scaled(lots, self._lot)

    def show_prices(self, ticks: Sequence[int]) -> list[str]:
        """Return prices as exact strings with the same number of decimals."""
        return _written(ticks, self._tick)

    def show_price(self, ticks: int) -> str:
        """Return a price, or a difference between prices, as an exact string."""
        return _written([ticks], self._tick)[0]

    def show_amount(self, lots: int) -> str:
        """Return an amount as an exact string."""
        return _written([lots], self._lot)[0]


def units_of(om: OrderManagement, symbol: str, instrument: Instrument | None, *, ticks: bool) -> Units:
    """Return the units of a plot: ticks and lots, the passed instrument, or the symbol's instrument."""
    if ticks:
        return Units(TICKS_AND_LOTS)
    return Units(om.instrument(symbol) if instrument is None else instrument)


def _scaled(values: Iterable[int | Fraction], size: Fraction) -> list[float]:
    above, below = size.numerator, size.denominator
    return [value * above / below if isinstance(value, int) else float(value * size) for value in values]


def _written(values: Sequence[int], size: Fraction) -> list[str]:
    digits = 0
    while any(value * size.numerator * 10**digits % size.denominator for value in values):
        digits += 1
    scaled = (value * size.numerator * 10**digits // size.denominator for value in values)
    return [f"{Decimal(f'{value}E-{digits}'):,f}" for value in scaled]
