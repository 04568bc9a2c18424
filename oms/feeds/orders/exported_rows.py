"""Restore rows that another program exported to their original form.

Other programs may add a header, quote fields, add a first column with row numbers, or write whole numbers as
`1000000.0` or `1e+06`. These functions undo such changes only if the original form is certain. A header must
name the expected columns in the expected order. Row numbers must be consecutive. A number with six or more
digits before a positive exponent may have been rounded, so it stays unchanged and the caller rejects it.
"""

from __future__ import annotations

import re
import reprlib

from oms.feeds.text_file import TextFile

__all__ = ["is_header", "names_are", "plain", "uncounted"]

_NUMBER = re.compile(r"(-?)(\d{1,40})(?:\.(\d{0,40}))?(?:[eE]([+-]?\d{1,2}))?", re.ASCII)
_ROUNDED_DIGITS = 6  # the precision of C's %g


def plain(text: str) -> str:
    """Remove quotes, exponents, and trailing zeros from the fields of a row.

    >>> plain('"34200.50",1,1e+06,585330.0,-1.0')
    '34200.5,1,1000000,585330,-1'
    >>> plain("1.61136e+07")  # it may have been 16113575
    '1.61136e+07'

    """
    return ",".join(map(_plain_field, text.split(",")))


def _plain_field(field: str) -> str:
    if len(field) > 1 and field[0] == field[-1] == '"':
        field = field[1:-1]
    match = _NUMBER.fullmatch(field)
    if match is None:
        return field
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or 0)
    digits, shift = whole + fraction, exponent - len(fraction)
    if shift > 0 and exponent and len(digits.lstrip("0")) >= _ROUNDED_DIGITS:
        return field
    digits = digits + "0" * shift if shift > 0 else digits.rjust(1 - shift, "0")
    whole, fraction = (digits[:shift], digits[shift:].rstrip("0")) if shift < 0 else (digits, "")
    return f"{sign}{whole.lstrip('0') or '0'}" + (f".{fraction}" if fraction else "")


def uncounted(text: str, number: int | None = None) -> tuple[int, str] | None:
    """Split a row into the row number in its first column and the rest. Return None if the number is wrong.

    `number` is the expected row number. If it is None, this is the first row, whose number may be 0 or 1.

    >>> uncounted("0,34200.5,1"), uncounted("8,34200.5,1", 8), uncounted("9,34200.5,1", 8)
    ((0, '34200.5,1'), (8, '34200.5,1'), None)

    """
    first, _, rest = text.partition(",")
    first = first.strip('"')
    expected = ("0", "1") if number is None else (str(number),)
    return (int(first), rest) if rest and first in expected else None


def names_are(text: str, names: tuple[str, ...], least: int) -> bool:
    """Return True if a row has at least `least` column names, which match the patterns `names` in order.

    Case and punctuation do not matter. There may be one extra column at the start, and any number at the end.

    >>> names_are('"","Time","Order ID"', ("time", "orderid", "price"), least=2)
    True

    """
    columns = [re.sub("[^a-z0-9]", "", name.lower()) for name in text.split(",")]
    return any(
        len(candidate) >= least and all(map(re.fullmatch, names, candidate))
        for candidate in (columns, columns[1:])
    )


def is_header(file: TextFile, row: int, text: str, names: tuple[str, ...], least: int) -> bool:
    """Return True if the row is the file's header. Raise FeedError if it is an unexpected header."""
    if row > 1 or any(_NUMBER.fullmatch(_plain_field(field)) for field in text.split(",")):
        return False
    if names_are(text, names, least):
        return True
    columns = ", ".join(re.sub(r"[|?\\].*", "", name) for name in names)
    raise file.error(1, f"must be a row of values or a header that names {columns}, not {reprlib.repr(text)}")
