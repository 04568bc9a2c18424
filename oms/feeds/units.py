"""Ticks and lots as the decimal numbers that people write, exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

__all__ = ["TICKS_AND_LOTS", "Units", "ratio"]


class Units(NamedTuple):
    """How many decimals a price and an amount have: a tick and a lot are 1 of the last one.

    >>> units = Units(price=2, amount=8)
    >>> units.show_price(23647), units.show_amount(178_855_669), units.show_total(23647 * 178_855_669)
    ('236.47', '1.78855669', '422.9400004843')
    >>> 23647 * units.tick, int(Decimal("236.47") / units.tick)
    (Decimal('236.47'), 23647)

    """

    price: int = 0
    amount: int = 0

    @property
    def tick(self) -> Decimal:
        """What 1 in a price stands for."""
        return Decimal((0, (1,), -self.price))

    @property
    def lot(self) -> Decimal:
        """What 1 in an amount stands for."""
        return Decimal((0, (1,), -self.amount))

    def show_price(self, ticks: int) -> str:
        """A price, or a difference of prices."""
        return _decimal(ticks, self.price)

    def show_amount(self, lots: int) -> str:
        """An amount."""
        return _decimal(lots, self.amount)

    def show_total(self, total: int) -> str:
        """Ticks times lots."""
        return _decimal(total, self.price + self.amount)

    def show_average(self, total: int, lots: int) -> str:
        """The average price of so many lots, rounded two decimals beyond a tick."""
        return ratio(total, lots * 10**self.price, self.price + 2)

    def describe(self) -> str:
        """What 1 tick and 1 lot are."""
        return f"1 tick = {self.tick:f}, 1 lot = {self.lot:f}"


TICKS_AND_LOTS = Units()
"""For those who count in ticks and lots themselves."""


def ratio(numerator: int, denominator: int, decimals: int) -> str:
    """A quotient, correctly rounded (half to even) without a float.

    >>> ratio(2, 3, 4), ratio(1, 8, 2), ratio(3, 8, 2)
    ('0.6667', '0.12', '0.38')

    """
    quotient, rest = divmod(numerator * 10**decimals, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        quotient += 1
    return _decimal(quotient, decimals)


def _decimal(value: int, decimals: int) -> str:
    whole, fraction = divmod(abs(value), 10**decimals)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole:,}" + (f".{fraction:0{decimals}}" if decimals else "")
