"""The checks of a submission's terms."""

from __future__ import annotations

from oms.conversions import as_text
from oms.errors import InvalidOrderError
from oms.models import Side, check_book, check_resting, is_text
from oms.submission import PostOnly, Submission, Terms, TimeInForce, new_submission

__all__ = ["check_display", "check_order_key", "check_owner", "check_submission", "may_rest"]

_MOST_PARTS = 10_000  # of an iceberg order
_LONGEST_ID = 256  # bits of an int
_GTC = TimeInForce.GTC


def check_submission(terms: Terms) -> None:
    """Raise InvalidOrderError for the first term that is not allowed, or that contradicts another term."""
    order_id, symbol, side, amount, price, time_in_force, post_only, owner, display, stop_price, expires = (
        terms
    )
    # A single condition checks the terms of a plain order, as in check_order.
    if (
        type(amount) is int
        and type(price) is int
        and amount
        and price
        and not (amount | price) >> 63
        and type(order_id) is int
        and order_id.bit_length() <= _LONGEST_ID
        and type(symbol) is str
        and symbol
        and symbol.isascii()
        and type(side) is Side
        and time_in_force is _GTC
        and post_only is None
        and owner is None
        and display is None
        and stop_price is None
        and expires is None
    ):
        return
    order = new_submission(terms)
    check_order_key(order_id)
    check_book(symbol, side)
    check_resting("amount", amount)
    if price is not None:
        check_resting("price", price)
    if type(time_in_force) is not TimeInForce:
        raise InvalidOrderError("time_in_force", time_in_force, "a member of TimeInForce")
    check_owner(owner)
    _check_post_only(order)
    _check_display(order)
    if stop_price is not None:
        check_resting("stop_price", stop_price)
    _check_expiry(order)


def check_order_key(order_id: object) -> None:
    """Raise InvalidOrderError unless the value is an int of at most 256 bits or a non-empty str.

    Python cannot convert an int of thousands of digits to text, so such an id could not be shown or hashed.
    """
    is_id = order_id.bit_length() <= _LONGEST_ID if type(order_id) is int else is_text(order_id)
    if not is_id:
        allowed = f"an int of at most {_LONGEST_ID} bits or a non-empty str of valid Unicode"
        raise InvalidOrderError("order_id", order_id, allowed, as_text("order_id", order_id))


def check_owner(owner: object) -> None:
    """Raise InvalidOrderError unless the value is None or a non-empty str."""
    if owner is not None and not is_text(owner):
        raise InvalidOrderError(
            "owner", owner, "a non-empty str of valid Unicode, or None", as_text("owner", owner)
        )


def _check_post_only(order: Submission) -> None:
    post_only = order.post_only
    if post_only is None:
        return
    if type(post_only) is not PostOnly:
        raise InvalidOrderError("post_only", post_only, "a member of PostOnly, or None")
    if order.stop_price is not None or not may_rest(order):
        raise InvalidOrderError(
            "post_only",
            post_only,
            "None unless the order has a price, has no stop price, and is neither IOC nor FOK",
        )


def _check_display(order: Submission) -> None:
    if order.display is None:
        return
    check_resting("display", order.display)
    if not may_rest(order):
        raise InvalidOrderError(
            "display", order.display, "None unless the order has a price and is neither IOC nor FOK"
        )
    check_display(order.display, order.amount)


def check_display(display: int, amount: int) -> None:
    """Raise InvalidOrderError if an iceberg order would show too many parts, one after another.

    Each part takes a step of its own, so an unlimited number of parts could block the engine for hours.
    """
    least = -(-amount // _MOST_PARTS)
    if display < least:
        allowed = f"at least {least} for {amount} lots, because an order has at most {_MOST_PARTS:,} parts"
        raise InvalidOrderError("display", display, allowed)


def _check_expiry(order: Submission) -> None:
    if (order.expires is not None) != (order.time_in_force is TimeInForce.GTD):
        raise InvalidOrderError("expires", order.expires, "a time for GTD orders, and None for all others")
    if order.expires is not None:
        check_resting("expires", order.expires)


def may_rest(order: Submission) -> bool:
    """Return True if the order has a price and a time in force with which it can stay in the book."""
    return order.price is not None and order.time_in_force not in (TimeInForce.IOC, TimeInForce.FOK)
