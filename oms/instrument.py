"""Exact conversion between decimal numbers and whole numbers of ticks or lots, without floats."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from math import gcd
from typing import TypeAlias

from oms.conversions import as_int, exact_text
from oms.errors import InvalidArgumentError
from oms.models import MAX_INT

__all__ = ["ExactNumber", "Instrument", "MOST_DIGITS", "TICKS_AND_LOTS", "decimals_of", "ratio"]

MOST_DIGITS = 40
"""The maximum number of digits before the decimal point of a number. The same maximum applies after it."""

ExactNumber: TypeAlias = str | int | Decimal | Fraction
"""A number as a string ("12.5", "1e-3"), an int, a Decimal, or a Fraction. A float is not exact."""

_DIGITS = rf"(\d{{1,{MOST_DIGITS}}})(?:\.(\d{{1,{MOST_DIGITS}}}))?"
_PLAIN = re.compile(_DIGITS, re.ASCII)
_DECIMAL = re.compile(_DIGITS + r"(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_SIZE = "decimal text above 0, such as '0.01'"
_TEXT = (
    f"a decimal >= 0 such as '12.5' or '1e-3', with at most {MOST_DIGITS} digits before and after its point"
)
_EXACT = "text such as '12.5', an int, a Decimal, or a Fraction"


class _Unit:
    """A tick size or a lot size, stored as an integer `step` with a number of `decimals`.

    For example, 0.05 has the step 5 and 2 decimals.
    """

    __slots__ = ("decimals", "size", "step")

    def __init__(self, name: str, size: object) -> None:
        match = _PLAIN.fullmatch(size) if type(size) is str else None
        if match is None:
            raise InvalidArgumentError(name, size, _SIZE, _as_size(size))
        whole, fraction = match[1], match[2] or ""
        self.size = match[0]
        self.step = int(whole + fraction)
        self.decimals = len(fraction)
        if not self.step:
            raise InvalidArgumentError(name, size, _SIZE)

    def count(self, name: str, value: object) -> int:
        """Convert a number to a whole number of units. Raises InvalidArgumentError."""
        match = _PLAIN.fullmatch(value) if type(value) is str else None
        if match is not None:
            whole, fraction = match.groups("")
            if self.step == 1 and len(fraction) <= self.decimals:  # the usual case, without the steps below
                units = int(whole + fraction.ljust(self.decimals, "0"))
                if units <= MAX_INT:
                    return units
        elif type(value) is int or type(value) is Fraction:
            return self._whole(
                name, value, value.numerator * 10**self.decimals, value.denominator * self.step
            )
        else:
            whole, fraction = _split(name, value)
        step, surplus = self.step, len(fraction) - self.decimals
        if surplus > 0:
            fraction = fraction.rstrip("0")
            step *= 10 ** max(0, len(fraction) - self.decimals)
        return self._whole(name, value, int(whole + fraction.ljust(self.decimals, "0")), step)

    def _whole(self, name: str, value: object, numerator: int, denominator: int) -> int:
        units, rest = divmod(numerator, denominator)
        if rest:
            raise InvalidArgumentError(name, value, f"a multiple of {self.size}")
        if not 0 <= units <= MAX_INT:
            allowed = f"at most {self.text(MAX_INT)}" if units > 0 else "0 or more"
            raise InvalidArgumentError(name, value, allowed)
        return units

    def text(self, units: int) -> str:
        """Return the decimal number that equals this many units, as a string."""
        digits = str(units * self.step).rjust(self.decimals + 1, "0")
        return f"{digits[: -self.decimals]}.{digits[-self.decimals :]}" if self.decimals else digits


def _split(name: str, value: object) -> tuple[str, str]:
    """Return the digits before and after the decimal point. Raises InvalidArgumentError."""
    text = _plain_text(value) if type(value) is Decimal else value
    if type(text) is not str:
        raise InvalidArgumentError(name, value, _EXACT, _as_exact(name, value))
    digits = _digits(text)
    if digits is None:
        raise InvalidArgumentError(name, value, _TEXT)
    return digits


def _digits(text: str) -> tuple[str, str] | None:
    """Return the digits before and after the decimal point, or None if the text is not a decimal number.

    Any exponent is applied first. If the number has too many digits, the result is also None.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    whole, fraction = match[1], match[2] or ""
    if match[3]:  # an exponent has at most three digits, so the result cannot fill the memory
        point = len(whole) + int(match[3])
        digits = (whole + fraction).rjust(len(whole + fraction) + max(0, 1 - point), "0")
        point = max(1, point)
        whole = digits.ljust(point, "0")[:point].lstrip("0") or "0"
        fraction = digits[point:].rstrip("0")
        if max(len(whole), len(fraction)) > MOST_DIGITS:
            return None
    return whole, fraction


def _plain_text(value: Decimal) -> str:
    """Return a Decimal as a string without an exponent.

    If the number is not finite or has too many digits, return a string that is not a number, so that the
    caller rejects it.
    """
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), abs(value.adjusted())) > MOST_DIGITS:
        return f"{type(value).__name__} out of range"
    return f"{value:f}"


def _as_size(size: object) -> str:
    """Return a hint that contains the size as a plain decimal string, or "" if it is not a number."""
    digits = _digits(exact_text(size))
    if digits is None:
        return ""
    text = ".".join(part for part in digits if part)
    return f"write {text!r}"


def _as_exact(name: str, value: object) -> str:
    text = exact_text(value)
    call = "to_ticks" if name == "price" else "to_lots"
    return as_int(name, value) or (f"convert with {call}({text!r})" if text else "")


def decimals_of(text: str) -> int:
    """Return the number of decimal places without trailing zeros, or 0 for a string that is not a number.

    >>> decimals_of("5.1500"), decimals_of("7"), decimals_of("1e-8"), decimals_of("no number")
    (2, 0, 8, 0)

    """
    digits = _digits(text) if type(text) is str else None
    return len(digits[1].rstrip("0")) if digits else 0


@dataclass(frozen=True)
class Instrument:
    """The tick size and the lot size of a symbol, with exact conversions to and from ticks and lots.

    `tick_size` is the price of one tick, and `lot_size` is the amount of one lot. Both are positive decimal
    strings, and "1" by default. Raises InvalidArgumentError for any other value. Each method takes O(d) for d
    digits.

    >>> instrument = Instrument(tick_size="0.5", lot_size="0.001")
    >>> instrument.to_ticks("20.5"), instrument.to_lots("1.5")
    (41, 1500)
    >>> instrument.price_text(41), instrument.amount_text(1500), instrument.tick * 41
    ('20.5', '1.500', Decimal('20.5'))
    >>> [instrument.to_ticks(price) for price in (Decimal("20.5"), Fraction(41, 2), 20, "2e1")]
    [41, 41, 40, 40]
    >>> instrument.to_ticks("20.75")
    Traceback (most recent call last):
        ...
    oms.errors.InvalidArgumentError: price must be a multiple of 0.5, not '20.75' (str)

    """

    tick_size: str = "1"
    lot_size: str = "1"

    def __post_init__(self) -> None:
        _ = self._price, self._amount  # raise the error for an invalid size now, not at the first use

    @cached_property
    def _price(self) -> _Unit:
        return _Unit("tick_size", self.tick_size)

    @cached_property
    def _amount(self) -> _Unit:
        return _Unit("lot_size", self.lot_size)

    @classmethod
    def of_decimals(cls, price: int, amount: int) -> Instrument:
        """Return an instrument whose prices and amounts have these numbers of decimal places.

        >>> Instrument.of_decimals(price=2, amount=0)
        Instrument(tick_size='0.01', lot_size='1')

        """
        return cls(f"{Decimal((0, (1,), -price)):f}", f"{Decimal((0, (1,), -amount)):f}")

    def finer(self, other: Instrument) -> Instrument:
        """Return the instrument with the largest sizes that can express all prices and amounts of both.

        If this instrument can already express all of them, it is the result.

        >>> Instrument("0.01", "1").finer(Instrument("0.001", "10"))
        Instrument(tick_size='0.001', lot_size='1')
        >>> Instrument("0.05", "1").finer(Instrument("0.02", "1")).tick_size
        '0.01'

        """
        tick, lot = _common(self._price, other._price), _common(self._amount, other._amount)
        return self if (tick, lot) == (self.tick_size, self.lot_size) else Instrument(tick, lot)

    @property
    def tick(self) -> Decimal:
        """The tick size as a Decimal."""
        return Decimal(self.tick_size)

    @property
    def lot(self) -> Decimal:
        """The lot size as a Decimal."""
        return Decimal(self.lot_size)

    # ------------------------------------------------------------------ exact conversions

    def to_ticks(self, price: ExactNumber) -> int:
        """Return a price as a number of ticks.

        `price` is a decimal string, an int, a Decimal, or a Fraction. A string may have an exponent, as in
        "1e-3". Raises InvalidArgumentError for a float and for a string that is not a number. Also raises it
        for a number that is negative, infinite, not a multiple of the tick size, or more than 2^63-1 ticks.
        """
        return self._price.count("price", price)

    def to_lots(self, amount: ExactNumber) -> int:
        """Return an amount as a number of lots. The rules and errors are those of `to_ticks`."""
        return self._amount.count("amount", amount)

    def price_text(self, ticks: int) -> str:
        """Return a price in ticks as a decimal string, with as many decimal places as the tick size.

        Raises InvalidArgumentError if `ticks` is not an int of at least 0.
        """
        return self._price.text(_checked("ticks", ticks))

    def amount_text(self, lots: int) -> str:
        """Return an amount in lots as a decimal string, with as many decimal places as the lot size.

        Raises InvalidArgumentError if `lots` is not an int of at least 0.
        """
        return self._amount.text(_checked("lots", lots))

    # ------------------------------------------------------------------ text for display

    def show_price(self, ticks: int) -> str:
        """Return a price or a price difference in ticks as text with thousands separators."""
        return _grouped(ticks * self._price.step, self._price.decimals)

    def show_amount(self, lots: int) -> str:
        """Return an amount in lots as text with thousands separators."""
        return _grouped(lots * self._amount.step, self._amount.decimals)

    def show_total(self, total: int) -> str:
        """Return a total price (ticks times lots) as text with thousands separators.

        >>> Instrument("0.01", "0.00000001").show_total(23647 * 178_855_669)
        '422.9400004843'

        """
        price, amount = self._price, self._amount
        return _grouped(total * price.step * amount.step, price.decimals + amount.decimals)

    def show_average(self, total: int, lots: int) -> str:
        """Return the average price of `lots` lots that cost `total` (ticks times lots), as text.

        The text has two more decimal places than the tick size.
        """
        price = self._price
        return ratio(total * price.step, lots * 10**price.decimals, price.decimals + 2)

    def describe(self) -> str:
        """Return the two sizes as text, such as "1 tick = 0.01, 1 lot = 1"."""
        return f"1 tick = {self.tick_size}, 1 lot = {self.lot_size}"


TICKS_AND_LOTS = Instrument()
"""The default instrument, with a tick size and a lot size of 1."""


def _common(one: _Unit, other: _Unit) -> str:
    """Return the greatest common divisor of the two sizes."""
    decimals = max(one.decimals, other.decimals)
    steps = [unit.step * 10 ** (decimals - unit.decimals) for unit in (one, other)]
    step = gcd(*steps)
    for unit, unit_step in zip((one, other), steps, strict=True):
        if unit_step == step:
            return unit.size  # keep the text as it is, with any trailing zeros
    digits = str(step).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def _checked(name: str, value: object) -> int:
    if type(value) is not int or value < 0:
        raise InvalidArgumentError(name, value, "an int >= 0", as_int(name, value))
    return value


def ratio(numerator: int, denominator: int, decimals: int) -> str:
    """Return a quotient as a string, rounded half to even, without floats.

    >>> ratio(2, 3, 4), ratio(1, 8, 2), ratio(3, 8, 2)
    ('0.6667', '0.12', '0.38')

    """
    quotient, rest = divmod(numerator * 10**decimals, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        quotient += 1
    return _grouped(quotient, decimals)


def _grouped(value: int, decimals: int) -> str:
    whole, fraction = divmod(abs(value), 10**decimals)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole:,}" + (f".{fraction:0{decimals}}" if decimals else "")
