"""A preview of an incoming order: its worst price, and the amount that would rest."""

from __future__ import annotations

from typing import NamedTuple

from oms.engine_books import EngineBooks
from oms.models import MAX_INT
from oms.submission import PostOnly, SelfTradePrevention, Submission
from oms.submission_checks import may_rest

__all__ = ["Preview", "posted_price", "preview"]

_CANCELS_INCOMING = frozenset({SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.CANCEL_BOTH})


class Preview(NamedTuple):
    """The effect that an incoming order would have, without the stop orders that it could trigger.

    `worst_price` (ticks) is the worst price at which the order could trade now, or None if it could not
    trade. `resting` lots would stay open. If that is more than 0, the order would also fill or cancel
    `own_orders` orders of the same owner, with a total of `own_amount` lots.
    """

    worst_price: int | None
    resting: int
    own_orders: int = 0
    own_amount: int = 0


def preview(books: EngineBooks, order: Submission) -> Preview:
    """Return what an order would do. O(k) for k orders that it would fill or cancel.

    The hidden lots at a price are filled before the next price, so they count together with the visible lots.
    """
    if books.must_wait(order):
        return Preview(None, order.amount)
    book = books.by_name.get((order.symbol, order.side))
    if book is None or not book.is_crossed_by(order.price):
        return Preview(None, order.amount if may_rest(order) else 0)
    rows = book.rows(order.price)
    if order.post_only is not None:
        best = next(rows)[4]
        return Preview(None, 0 if posted_price(order, best) is None else order.amount)
    remaining, worst_price, own_orders, own_amount = order.amount, None, 0, 0
    for arrival, _, _, visible, price in rows:
        entry = books.register.entries[arrival]
        amount, is_own = visible + entry.hidden, entry.order.owner == order.owner
        prevented = is_own and order.owner is not None
        policy = books.prevention if prevented else SelfTradePrevention.NONE
        if policy in _CANCELS_INCOMING:
            remaining = 0
        elif policy is not SelfTradePrevention.CANCEL_OLDEST:
            remaining -= amount
        if policy is SelfTradePrevention.NONE:
            worst_price = price
        if is_own:
            own_orders, own_amount = own_orders + 1, own_amount + amount
        if remaining <= 0:
            break
    resting = max(remaining, 0) if may_rest(order) else 0
    return Preview(worst_price, resting, own_orders, own_amount)


def posted_price(order: Submission, best: int) -> int | None:
    """Return the price at which a post-only order that would trade at `best` rests, or None if it cannot."""
    price = best - order.side.sign
    return None if order.post_only is PostOnly.REJECT or not 1 <= price <= MAX_INT else price
