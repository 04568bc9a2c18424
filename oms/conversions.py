"""Hints for error messages: the call that converts a rejected value to the required type.

Each function returns "" if it cannot suggest a call. For example, the value may be out of range, or
ambiguous, such as "bid" as a side.
"""

from __future__ import annotations

from decimal import Context, Decimal
from enum import Enum
from typing import cast

__all__ = ["as_bool", "as_int", "as_number", "as_order", "as_side", "as_text", "exact_text"]

_LONGEST = 40  # limits the length and the exponent of a number in a message
_EXACT = Context(prec=2 * _LONGEST)  # by default, Decimal computes with 28 digits
_OF_PRICES = {"price", "limit_price"}
_OF_AMOUNTS = {"amount", "amounts"}


def as_number(field: str, value: object) -> str:
    """Return a hint on how to convert a value to ticks (a price), to lots (an amount), or to an int.

    >>> as_number("price", 20.25), as_number("order_id", 7.0)
    ("convert with Instrument('0.01', '1').to_ticks('20.25')", 'convert with int(order_id)')

    An int needs no conversion.

    >>> as_number("price", 2**63), as_number("order_id", 2**63)
    ('', '')

    """
    if type(value) is int:
        return ""
    call, text = as_int(field, value), exact_text(value)
    if call or not text:
        return call
    if field not in _OF_PRICES | _OF_AMOUNTS:
        return "" if _EXACT.remainder(Decimal(text), Decimal(1)) else f"convert with int({field})"
    size = f"{Decimal((0, (1,), min(0, int(Decimal(text).normalize(_EXACT).as_tuple().exponent)))):f}"
    if field in _OF_AMOUNTS:
        return f"convert with Instrument('0.01', '{size}').to_lots({text!r})"
    return f"convert with Instrument('{size if len(size) > 4 else '0.01'}', '1').to_ticks({text!r})"


def as_int(field: str, value: object) -> str:
    """Return a hint on how to convert an integer of another type, such as a numpy integer, to an int.

    For an array, the hint says how to convert the whole array.

    >>> import numpy
    >>> as_int("amount", numpy.int64(5))
    'convert with int(amount), or a whole array with .tolist()'

    """
    kind = type(value)
    if _is_array(value):
        return "convert an array with .tolist()"
    if kind is int or isinstance(value, bool) or not hasattr(kind, "__index__") or _is_bool(value):
        return ""
    return f"convert with int({field}), or a whole array with .tolist()"


def exact_text(value: object) -> str:
    """Return a number of any type as a decimal string, or "" if the value is not a number above 0.

    A float is written as in its `repr`.

    >>> exact_text(0.1), exact_text("1e-8"), exact_text(float("nan")), exact_text(-1.0), exact_text(True)
    ('0.1', '1e-8', '', '', '')

    """
    is_number = isinstance(value, str | Decimal | float | int) or hasattr(type(value), "__float__")
    if not is_number or isinstance(value, bool) or _is_bool(value) or _is_array(value):
        return ""
    try:
        text = str(value)
        number = Decimal(text) if text.isascii() and len(text) <= _LONGEST else Decimal("nan")
    except Exception:  # a value whose `__str__` fails still needs an error message
        return ""
    is_decimal = number.is_finite() and number > 0 and abs(number.adjusted()) < _LONGEST
    return text if is_decimal and set(text) <= set("0123456789.eE+-") else ""


def as_side(value: object) -> str:
    """Return a hint on how to convert the name of a side, or a member of another enum, to a Side.

    >>> as_side("buy"), as_side("bid")
    ("convert with Side('BUY')", '')

    """
    name = value.name if isinstance(value, Enum) else value
    text = str(name).upper() if isinstance(name, str) else ""
    return f"convert with Side({text!r})" if text in {"BUY", "SELL"} else ""


def as_text(field: str, value: object) -> str:
    """Return a hint on how to convert bytes, or an instance of a subclass of str, to a str."""
    if isinstance(value, bytes):
        return f"convert with {field}.decode()"
    return f"convert with str({field})" if isinstance(value, str) and type(value) is not str else ""


def as_bool(field: str, value: object) -> str:
    """Return a hint on how to convert 0, 1, or a bool of another library, such as numpy, to a bool."""
    is_number = type(value) is int and value in (0, 1)
    return f"convert with bool({field})" if is_number or _is_bool(value) else ""


def as_order(value: object) -> str:
    """Return a hint on how to convert a tuple or list of five fields to an Order, or an Order to a list."""
    if hasattr(value, "_fields"):
        return "write [order]"
    row = cast("tuple[object, ...]", value) if isinstance(value, tuple | list) else ()
    return "convert with Order(*row)" if len(row) == 5 else ""


def _is_array(value: object) -> bool:
    return hasattr(type(value), "tolist") and hasattr(type(value), "__len__")


def _is_bool(value: object) -> bool:
    return type(value).__name__.rstrip("_") == "bool"
