"""One incoming order that swept the book: traded by our rule, then made what the exchange published.

Orders of yours in the book keep the fills that the trade gave them. The published fills are then made true
among the recording's orders, so that these end as they would without yours. What is compared with the
exchange is the trade as it would be without your orders: found by asking for the amount, and for as much
more as your orders take, until enough of it falls on the recording's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from oms.feeds.orders.messages import Kind, Message
from oms.feeds.orders.own_orders import OwnOrders
from oms.feeds.top_of_book import Level
from oms.management import OrderManagement
from oms.models import OrderFill, PriceLevel, Side, Trade

__all__ = ["Swept", "best_levels_during", "runs", "sweep"]


class Swept(NamedTuple):
    """How a trade by our rule, among the recording's orders, compares with what the exchange published.

    `passed_over` are the orders that, by our rule, had given more than they gave; `total_price` is what the
    trade cost by our rule, None if the book could not make it. `own_fills` are those of your orders.
    """

    equal_cost: bool
    equal_fills: bool
    passed_over: tuple[int, ...] = ()
    total_price: int | None = None
    own_fills: tuple[OrderFill, ...] = ()


def runs(messages: Iterable[Message]) -> Iterator[tuple[Message, ...]]:
    """Group neighbouring executions of one time and side; every other message stands alone."""
    run: list[Message] = []
    for message in messages:
        if run and (message.kind, message.time, message.side) == (Kind.EXECUTED, run[0].time, run[0].side):
            run.append(message)
            continue
        if run:
            yield tuple(run)
            run = []
        if message.kind is Kind.EXECUTED:
            run = [message]
        else:
            yield (message,)
    if run:
        yield tuple(run)


def sweep(
    om: OrderManagement, symbol: str, side: Side, published: Sequence[OrderFill], own: OwnOrders | None = None
) -> Swept:
    """Place the trade; return whether its cost, and whether its fills, are the published ones.

    Every order published must rest, with at least what is taken from it, and be none of `own`. Afterwards
    exactly the published amounts are gone from the orders that are not yours. All of it is one transaction:
    subscribers are notified when it is done. O(k log n) for k fills.

    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 10, 20)
    >>> om.add_order(2, "JPM", Side.BUY, 10, 20)
    >>> swept = sweep(om, "JPM", Side.BUY, [OrderFill(2, 4, 20)])  # the exchange passed over order 1
    >>> swept.equal_cost, swept.equal_fills, swept.passed_over, swept.total_price
    (True, False, (1,), 80)
    >>> [order.amount for order in om]
    [10, 6]

    """
    fills = _joined(published)
    amount = sum(fill.amount for fill in fills)
    with om.transaction():
        ruled = None
        if own is not None and own.rest_on(side):
            ruled = _without(om, symbol, side, amount, own)
        trade = om.place_trade(symbol, side, amount)
        own_fills = tuple(fill for fill in trade.fills if own is not None and fill.order_id in own)
        if trade.fills != fills:
            _make_true(om, trade, fills, {fill.order_id for fill in own_fills})
    return _compared(trade.fills if ruled is None else ruled, fills, own_fills)


def _without(
    om: OrderManagement, symbol: str, side: Side, amount: int, own: Container[int]
) -> tuple[OrderFill, ...]:
    """Return the fills of a trade in the book without your orders."""
    requested = amount
    while True:
        fills = om.quote(symbol, side, requested).fills
        theirs = tuple(fill for fill in fills if fill.order_id not in own)
        missing = amount - sum(fill.amount for fill in theirs)
        if not missing:
            return theirs
        requested += missing


def _compared(
    ruled: tuple[OrderFill, ...], published: tuple[OrderFill, ...], own_fills: tuple[OrderFill, ...]
) -> Swept:
    cost, theirs = (sum(fill.amount * fill.price for fill in fills) for fills in (ruled, published))
    owed = _by_order(published)
    return Swept(
        cost == theirs,
        ruled == published,
        tuple(fill.order_id for fill in ruled if fill.amount > owed[fill.order_id]),
        cost,
        own_fills,
    )


def _by_order(fills: Iterable[OrderFill]) -> Counter[int]:
    amounts = Counter[int]()
    for fill in fills:
        amounts[fill.order_id] += fill.amount
    return amounts


def _joined(published: Iterable[OrderFill]) -> tuple[OrderFill, ...]:
    """The fills as a trade lists them: neighbouring rows of one order are one fill."""
    neighbours = groupby(published, key=lambda fill: (fill.order_id, fill.price))
    return tuple(
        OrderFill(order_id, sum(fill.amount for fill in fills), price)
        for (order_id, price), fills in neighbours
    )


def _make_true(
    om: OrderManagement, trade: Trade, published: Iterable[OrderFill], own: Container[int]
) -> None:
    """Return surplus fills and take missing ones; your orders keep their fills."""
    owed = _by_order(published)
    for fill in trade.fills:
        if fill.order_id in own:
            continue
        surplus = fill.amount - owed.pop(fill.order_id, 0)
        if surplus < 0:
            _take(om, fill.order_id, -surplus)
        elif surplus and fill.order_id in om:
            om.amend_order(fill.order_id, amount=om.get_order(fill.order_id).amount + surplus)
        elif surplus:
            # Its priority is its id, so that it comes back to its own place.
            om.add_order(fill.order_id, trade.symbol, trade.side, surplus, fill.price)
    for order_id, amount in owed.items():
        _take(om, order_id, amount)


def _take(om: OrderManagement, order_id: int, amount: int) -> None:
    rest = om.get_order(order_id).amount - amount
    if rest > 0:
        om.amend_order(order_id, amount=rest)
    else:
        om.remove_order(order_id)


def best_levels_during(
    levels: Iterable[Level | PriceLevel], published: Sequence[OrderFill]
) -> Iterator[Level | None]:
    """Yield the best level of the swept side after each fill but the last.

    An exchange publishes a book after every fill, where a trade here is one step. `levels` are those
    before the sweep, at least one more than there are fills.
    """
    amounts = {level.price: level.amount for level in levels}  # best first, as they came
    for fill in published[:-1]:
        amounts[fill.price] = amounts.get(fill.price, 0) - fill.amount
        if amounts[fill.price] <= 0:
            del amounts[fill.price]
        yield next((Level(price, amount) for price, amount in amounts.items()), None)
