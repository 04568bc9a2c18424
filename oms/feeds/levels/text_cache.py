"""A cache for converting decimal text to integers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from oms.size import decimals_of

__all__ = ["CachedConversion"]

MOST_TEXTS = 4096
"""The maximum number of texts in a cache. When it is full, the next text empties it."""

_MOST_DIGITS = 18  # any number with this many digits is at most 2**63 - 1


class CachedConversion(dict[str, int]):
    """A cache for a function that converts decimal text to multiples of `size`.

    An exchange repeats most prices and many amounts, and a lookup is much faster than a conversion. Most new
    texts are plain decimals, and most sizes are 1, 0.1, 0.01, and so on. Plain decimals are converted to such
    sizes without calling the function.

    >>> from oms import Instrument
    >>> ticks = CachedConversion(Instrument("0.01").to_ticks, "0.01")
    >>> [ticks[text] for text in ("10.25", "0", "10.25")], len(ticks)
    ([1025, 0, 1025], 2)

    """

    def __init__(self, function: Callable[[str], int], size: str) -> None:
        super().__init__()
        self._function = function
        decimals = decimals_of(size)
        self._decimals = decimals if Fraction(size) * 10**decimals == 1 else -1  # -1 matches no text

    def __missing__(self, text: str) -> int:
        if type(text) is not str:  # keys of other types can be equal, such as 1 and True
            return self._function(text)
        whole, _, fraction = text.partition(".")
        digits = whole + fraction
        zeros = self._decimals - len(fraction)
        is_plain = digits.isdecimal() and digits.isascii() and text[0] != "." != text[-1]
        if is_plain and 0 <= zeros <= _MOST_DIGITS - len(digits):
            result = int(digits + "0" * zeros)
        else:
            result = self._function(text)
        if len(self) >= MOST_TEXTS:
            self.clear()
        self[text] = result
        return result
