"""A cache of conversions from decimal text to integers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

__all__ = ["CachedConversion"]

MOST_TEXTS = 4096
"""The largest number of texts in a cache. One more text empties the cache."""


class CachedConversion(dict[str, int]):
    """A function from decimal text to an integer, and its results for the latest texts.

    An exchange repeats most prices and many amounts, and a lookup is much faster than a conversion.

    >>> lengths = CachedConversion(len)
    >>> lengths.convert(["10.25", "0", "10.25"]), len(lengths)
    ([5, 1, 5], 2)

    """

    def __init__(self, function: Callable[[str], int]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str) -> int:
        result = self._function(text)
        if len(self) >= MOST_TEXTS:
            self.clear()
        self[text] = result
        return result

    def convert(self, texts: Iterable[str]) -> list[int]:
        """Convert all texts. Raise the function's error for the first invalid one."""
        # A message may contain a value that is not text. It may not be hashable, so it bypasses the cache.
        return [self[text] if type(text) is str else self._function(text) for text in texts]
