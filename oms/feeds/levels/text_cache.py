"""A cache for converting decimal text to integers."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["CachedConversion"]

MOST_TEXTS = 4096
"""The maximum number of texts in a cache. When it is full, the next text empties it."""


class CachedConversion(dict[str, int]):
    """A cache for a function that converts decimal text to an integer.

    An exchange repeats most prices and many amounts, and a lookup is much faster than a conversion.

    >>> lengths = CachedConversion(len)
    >>> [lengths[text] for text in ("10.25", "0", "10.25")], len(lengths)
    ([5, 1, 5], 2)

    """

    def __init__(self, function: Callable[[str], int]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str) -> int:
        result = self._function(text)
        if type(text) is str:  # keys of other types can be equal, such as 1 and True
            if len(self) >= MOST_TEXTS:
                self.clear()
            self[text] = result
        return result
