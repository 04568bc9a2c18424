"""A tick size or a lot size, and the conversion of numbers to a whole number of ticks or lots.

A number of an exact type (text, int, Decimal, Fraction) is converted with integers only. A float is a binary
fraction, so it is rarely equal to a decimal price: 20.40 is 20.39999999999999857891... Truncation of
20.40 * 100 therefore gives 2039. Three steps make the conversion of a float safe:

1. Convert the float to a Fraction, which is exact.
2. If the float differs from the nearest tick only by a rounding error, use this tick.
3. Otherwise, the caller decides: reject the number, or round it.

Step 2 comes before any rounding, so "down" cannot lose a tick. Its tolerance is relative (1e-9), because a
float's rounding error grows with its value. A relative tolerance alone would accept 1234567890.5 as a whole
number. So one of two conditions must also be true: the difference is at most 1 % of the tick, or no other
float is nearer to the tick. The second condition is for large amounts with small lots. For example, the float
6667001.51382875 differs from this decimal number by 2 % of a lot of 0.00000001.
"""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from fractions import Fraction
from math import gcd
from typing import Literal, TypeAlias, get_args

from oms.conversions import as_int, exact_text
from oms.errors import InvalidArgumentError
from oms.models import MAX_INT

__all__ = [
    "ExactNumber",
    "MOST_DIGITS",
    "Rounding",
    "Size",
    "check_rounding",
    "common_size",
    "decimals_of",
    "exact_decimal",
]

MOST_DIGITS = 40
"""The maximum number of digits before the decimal point of a number. The same maximum applies after it."""

ExactNumber: TypeAlias = str | int | Decimal | Fraction
"""A number as a string ("12.5", "1e-3"), an int, a Decimal, or a Fraction. A float is not exact."""

Rounding: TypeAlias = Literal["raise", "nearest", "down", "up"]
"""What to do with a number that is not a multiple of the size."""

_DIGITS = rf"(\d{{1,{MOST_DIGITS}}})(?:\.(\d{{1,{MOST_DIGITS}}}))?"
_PLAIN = re.compile(_DIGITS, re.ASCII)
_DECIMAL = re.compile(_DIGITS + r"(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_SIZE = "decimal text above 0, such as '0.01'"
_TEXT = (
    f"a decimal >= 0 such as '12.5' or '1e-3', with at most {MOST_DIGITS} digits before and after its point"
)
_EXACT = "text such as '12.5', an int, a Decimal, or a Fraction"
_ROUNDINGS = get_args(Rounding)
_RELATIVE = 10**9  # a float is a tick if it differs by at most 1/_RELATIVE of itself,
_OF_A_TICK = 100  # and by at most 1/_OF_A_TICK of the tick, or if it is the float nearest to the tick
# The context of the caller may round, and may raise errors. This one computes exactly.
_ANY_SIZE = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


class Size:
    """A tick size or a lot size, stored as an integer `step` with a number of `decimals`.

    For example, 0.05 has the step 5 and 2 decimals. `scale` is 10^decimals. `field` and `call` are for
    messages: what the size measures, and the method of Instrument that converts it. `keyword` is the argument
    of this method that says how to round.
    """

    __slots__ = ("call", "decimals", "field", "keyword", "scale", "size", "step")

    def __init__(self, name: Literal["tick_size", "lot_size"], size: object) -> None:
        match = _PLAIN.fullmatch(size) if type(size) is str else None
        if match is None:
            raise InvalidArgumentError(name, size, _SIZE, _as_size(size))
        whole, fraction = match[1], match[2] or ""
        self.size = match[0]
        self.step = int(whole + fraction)
        self.decimals = len(fraction)
        self.scale = 10**self.decimals
        if not self.step:
            raise InvalidArgumentError(name, size, _SIZE)
        is_tick = name == "tick_size"
        self.field, self.call = ("price", "to_ticks") if is_tick else ("amount", "to_lots")
        self.keyword = "off_tick" if is_tick else "off_lot"

    def count(self, value: object) -> int:
        """Convert an exact number to a whole number of units. Raises InvalidArgumentError."""
        if self.step == 1 and type(value) is str:  # the usual case, without the steps below
            match = _PLAIN.fullmatch(value)
            if match is not None and len(match[2] or "") <= self.decimals:
                whole, fraction = match.groups("")
                return self._checked(value, int(whole + fraction.ljust(self.decimals, "0")))
        numerator, denominator = self._units(value)
        units, rest = divmod(numerator, denominator)
        if rest:
            raise InvalidArgumentError(self.field, value, f"a multiple of {self.size}")
        return self._checked(value, units)

    def rounded(self, value: object, rounding: object, keyword: str = "rounding") -> int:
        """Convert a number, which may be a float, to a whole number of units. Raises InvalidArgumentError.

        "nearest" rounds half to even. A float that is nearly a whole number of units becomes this number,
        whatever `rounding` is. `keyword` is the argument that messages name.

        >>> tick = Size("tick_size", "0.01")
        >>> [tick.rounded(price, "down") for price in (20.40, 20.409, "20.409")]
        [2040, 2040, 2040]
        >>> Size("lot_size", "0.00000001").rounded(6667001.51382875, "down")
        666700151382875
        >>> [tick.rounded(price, "nearest") for price in ("20.405", "20.415", 20.406)]
        [2040, 2042, 2041]

        """
        check_rounding(keyword, rounding)
        ratio = self._float_ratio(value) if _is_float(value) else None
        if ratio is None:
            numerator, denominator = self._units(value)
        else:
            numerator, denominator = ratio[0] * self.scale, ratio[1] * self.step
        down, rest = divmod(numerator, denominator)
        if not rest or numerator < 0:
            return self._checked(value, down)
        is_upper_half = 2 * rest > denominator or (2 * rest == denominator and down % 2 == 1)
        nearest = down + is_upper_half
        if ratio is not None:
            difference = abs(numerator - nearest * denominator)
            if difference * _RELATIVE <= numerator and (
                difference * _OF_A_TICK <= denominator or ratio == self._nearest_float(nearest)
            ):
                return self._checked(value, nearest)
        if rounding == "raise":
            allowed = f"a multiple of {self.size}, such as {self.text(down)} or {self.text(down + 1)}"
            remedy = f"round with {keyword}='nearest', 'down', or 'up'"
            raise InvalidArgumentError(self.field, value, allowed, remedy)
        if rounding == "nearest":
            return self._checked(value, nearest)
        return self._checked(value, down if rounding == "down" else down + 1)

    def _units(self, value: object) -> tuple[int, int]:
        """Return an exact number as a numerator and a denominator, in units. Raises InvalidArgumentError."""
        match = _PLAIN.fullmatch(value) if type(value) is str else None
        if match is not None:
            whole, fraction = match[1], match[2] or ""
        elif type(value) is int or type(value) is Fraction:
            return value.numerator * self.scale, value.denominator * self.step
        else:
            whole, fraction = self._split(value)
        step, surplus = self.step, len(fraction) - self.decimals
        if surplus > 0:
            fraction = fraction.rstrip("0")
            step *= 10 ** max(0, len(fraction) - self.decimals)
        return int(whole + fraction.ljust(self.decimals, "0")), step

    def _nearest_float(self, units: int) -> tuple[int, int]:
        """Return the float that is nearest to a number of units, as a numerator and a denominator."""
        nearest: float = units * self.step / self.scale  # Python rounds int / int correctly
        return nearest.as_integer_ratio()

    def _float_ratio(self, value: object) -> tuple[int, int]:
        """Return a float as a numerator and a denominator. Raises InvalidArgumentError."""
        number: float = value  # type: ignore[assignment]  # a float of any library
        try:
            numerator, denominator = number.as_integer_ratio()
        except (ValueError, OverflowError):  # NaN, or infinite
            raise InvalidArgumentError(self.field, value, "a finite number >= 0") from None
        return int(numerator), int(denominator)

    def _checked(self, value: object, units: int) -> int:
        if not 0 <= units <= MAX_INT:
            allowed = f"at most {self.text(MAX_INT)}" if units > 0 else "0 or more"
            raise InvalidArgumentError(self.field, value, allowed)
        return units

    def _split(self, value: object) -> tuple[str, str]:
        """Return the digits before and after the decimal point. Raises InvalidArgumentError."""
        text = _plain_text(value) if type(value) is Decimal else value
        if type(text) is not str:
            raise InvalidArgumentError(self.field, value, _EXACT, self._as_exact(value))
        digits = _digits(text)
        if digits is None:
            raise InvalidArgumentError(self.field, value, _TEXT)
        return digits

    def _as_exact(self, value: object) -> str:
        text = exact_text(value)
        call = f"convert with {self.call}({text!r})" if text else ""
        if call and _is_float(value):
            call += f", or pass {self.keyword}='raise'"
        return as_int(self.field, value) or call

    def text(self, units: int) -> str:
        """Return the decimal number that equals this many units, as a string."""
        digits = str(units * self.step).rjust(self.decimals + 1, "0")
        return f"{digits[: -self.decimals]}.{digits[-self.decimals :]}" if self.decimals else digits


def check_rounding(keyword: str, rounding: object) -> None:
    """Raise InvalidArgumentError unless the value is a Rounding."""
    if type(rounding) is not str or rounding not in _ROUNDINGS:
        raise InvalidArgumentError(keyword, rounding, "'raise', 'nearest', 'down', or 'up'")


def exact_decimal(value: int, decimals: int) -> Decimal:
    """Return value / 10^decimals as a Decimal, exactly, whatever the caller's decimal context is.

    >>> exact_decimal(-123456, 3)
    Decimal('-123.456')

    """
    return _ANY_SIZE.scaleb(Decimal(value), -decimals)


def common_size(one: Size, other: Size) -> str:
    """Return the greatest common divisor of the two sizes."""
    decimals = max(one.decimals, other.decimals)
    steps = [size.step * 10 ** (decimals - size.decimals) for size in (one, other)]
    step = gcd(*steps)
    for size, size_step in zip((one, other), steps, strict=True):
        if size_step == step:
            return size.size  # keep the text as it is, with any trailing zeros
    digits = str(step).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def decimals_of(text: str) -> int:
    """Return the number of decimal places without trailing zeros, or 0 for a string that is not a number.

    >>> decimals_of("5.1500"), decimals_of("7"), decimals_of("1e-8"), decimals_of("no number")
    (2, 0, 8, 0)

    """
    digits = _digits(text) if type(text) is str else None
    return len(digits[1].rstrip("0")) if digits else 0


def _is_float(value: object) -> bool:
    """Return True for a binary floating-point number of any library."""
    return isinstance(value, float) or (
        hasattr(type(value), "as_integer_ratio") and not isinstance(value, int | Decimal | Fraction)
    )


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
