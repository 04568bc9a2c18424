"""One incoming order that swept the book: traded by our rule, then made what the exchange published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from oms.feeds.messages import Kind, Level, Message
from oms.management import OrderManagement
from oms.models import OrderFill, PriceLevel, Side, Trade

__all__ = ["Swept", "best_levels_during", "runs", "sweep", "take"]


class Swept(NamedTuple):
    """How a trade by our rule compares with what the exchange published.

    `passed_over` are the orders that, by our rule, had given more than they gave; `total_price` is what the
    trade cost by our rule, None if the book could not make it.
    """

    equal_cost: bool
    equal_fills: bool
    passed_over: tuple[int, ...] = ()
    total_price: int | None = None


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


def sweep(om: OrderManagement, symbol: str, side: Side, published: Sequence[OrderFill]) -> Swept:
    """Place the trade; say whether its cost, and whether its fills, are the published ones.

    Every order published must rest, with at least what is taken from it. Afterwards exactly the published
    amounts are gone. O(k log n) for k fills.

    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 10, 20)
    >>> om.add_order(2, "JPM", Side.BUY, 10, 20)
    >>> sweep(om, "JPM", Side.BUY, [OrderFill(2, 4, 20)])  # the exchange passed over order 1
    Swept(equal_cost=True, equal_fills=False, passed_over=(1,), total_price=80)
    >>> [order.amount for order in om]
    [10, 6]

    """
    fills = _joined(published)
    trade = om.place_trade(symbol, side, sum(fill.amount for fill in fills))
    equal_cost = trade.total_price == sum(fill.amount * fill.price for fill in fills)
    if trade.fills == fills:
        return Swept(equal_cost, equal_fills=True, total_price=trade.total_price)
    return Swept(equal_cost, False, _make_true(om, trade, fills), trade.total_price)


def _joined(published: Iterable[OrderFill]) -> tuple[OrderFill, ...]:
    """The fills as a trade lists them: neighbouring rows of one order are one fill."""
    neighbours = groupby(published, key=lambda fill: (fill.order_id, fill.price))
    return tuple(
        OrderFill(order_id, sum(fill.amount for fill in fills), price)
        for (order_id, price), fills in neighbours
    )


def _make_true(om: OrderManagement, trade: Trade, published: Iterable[OrderFill]) -> tuple[int, ...]:
    """Undo what was filled too much, fill what is missing; say which orders were passed over."""
    passed_over: list[int] = []
    owed = Counter[int]()
    for fill in published:
        owed[fill.order_id] += fill.amount
    for fill in trade.fills:
        surplus = fill.amount - owed.pop(fill.order_id, 0)
        if surplus > 0:
            passed_over.append(fill.order_id)
        if surplus < 0:
            take(om, fill.order_id, -surplus)
        elif surplus and fill.order_id in om:
            om.amend_order(fill.order_id, amount=om.get_order(fill.order_id).amount + surplus)
        elif surplus:
            # Its priority is its id, so that it comes back to its own place.
            om.add_order(fill.order_id, trade.symbol, trade.side, surplus, fill.price)
    for order_id, amount in owed.items():
        take(om, order_id, amount)
    return tuple(passed_over)


def take(om: OrderManagement, order_id: int, amount: int) -> None:
    """Take `amount` lots, at most what rests, from one order, wherever it stands; O(log n)."""
    rest = om.get_order(order_id).amount - amount
    if rest > 0:
        om.amend_order(order_id, amount=rest)
    else:
        om.remove_order(order_id)


def best_levels_during(
    levels: Iterable[PriceLevel], published: Sequence[OrderFill]
) -> Iterator[Level | None]:
    """Say what was best on the swept side after each fill but the last.

    An exchange publishes a book after every fill, where a trade here is one step. `levels` are those
    before the sweep, at least one more than there are fills.
    """
    amounts = {level.price: level.amount for level in levels}  # best first, as they came
    for fill in published[:-1]:
        amounts[fill.price] = amounts.get(fill.price, 0) - fill.amount
        if amounts[fill.price] <= 0:
            del amounts[fill.price]
        yield next((Level(price, amount) for price, amount in amounts.items()), None)
