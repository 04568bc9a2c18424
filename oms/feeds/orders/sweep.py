"""A sweep: one incoming order that traded against one or more resting orders.

The replay places a trade for the same amount. It then corrects the recorded orders so that their fills match
the published ones. Your own orders keep their fills from the trade. In the end, the recorded orders are in
the same state as if your orders did not exist.

The comparison with the exchange must also leave out your orders. To find the trade that would have happened
without them, the replay uses quotes. The first quote is for the traded amount. If your orders fill part of a
quote, the replay adds that part to the amount and asks for another quote. It stops when recorded orders alone
fill the traded amount.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from oms.direct_books import DirectBooks
from oms.feeds.orders.messages import Kind, MessageRow
from oms.feeds.orders.own_orders import OwnOrders
from oms.feeds.top_of_book import Level
from oms.management import OrderManagement
from oms.models import OrderFill, PriceLevel, Side, Trade

__all__ = ["Swept", "best_levels_during", "runs", "sweep"]


class Swept(NamedTuple):
    """A comparison of a replayed sweep with the published one, without your orders.

    `passed_over` contains the ids of orders that got smaller fills from the exchange than from the replay.
    `total_price` is the cost of the replayed trade, or None if the book did not have enough liquidity to fill
    it. `own_fills` contains the fills of your orders.
    """

    equal_cost: bool
    equal_fills: bool
    passed_over: tuple[int, ...] = ()
    total_price: int | None = None
    own_fills: tuple[OrderFill, ...] = ()


def runs(messages: Iterable[MessageRow]) -> Iterator[tuple[MessageRow, ...]]:
    """Group consecutive executions with the same time and side. Any other message forms its own group."""
    run: list[MessageRow] = []
    executed = Kind.EXECUTED
    for message in messages:
        if message[2] is not executed:
            if run:
                yield tuple(run)
                run = []
            yield (message,)
            continue
        _, time, _, _, side, _, _ = message
        if run and (time, side) != (run[0][1], run[0][4]):
            yield tuple(run)
            run = []
        run.append(message)
    if run:
        yield tuple(run)


def sweep(
    om: OrderManagement, symbol: str, side: Side, published: Sequence[OrderFill], own: OwnOrders | None = None
) -> Swept:
    """Place the trade for a sweep, and compare its cost and fills with the published ones.

    Every published order must be resting with at least the published amount, and must not be in `own`.
    Afterward, each recorded order has been reduced by exactly its published amount. The sweep is a single
    transaction, so subscribers are notified when it ends. O(k log n) for k fills and n resting orders.

    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 10, 20)
    >>> om.add_order(2, "JPM", Side.BUY, 10, 20)
    >>> swept = sweep(om, "JPM", Side.BUY, [OrderFill(2, 4, 20)])  # the exchange passed over order 1
    >>> swept.equal_cost, swept.equal_fills, swept.passed_over, swept.total_price
    (True, False, (1,), 80)
    >>> [order.amount for order in om]
    [10, 6]

    """
    books = DirectBooks(om, symbol) if own is None else own.books
    fills = _joined(published)
    if not own:
        if len(fills) == 1 and books.fill_best_order(side, fills[0]):
            return Swept(equal_cost=True, equal_fills=True, total_price=_cost(fills))
        with om.locked():
            if len(fills) > 1 and _come_first(om, symbol, side, fills):
                om.place_trade(symbol, side, sum(fill.amount for fill in fills))
                books.expected_version += 2
                return Swept(equal_cost=True, equal_fills=True, total_price=_cost(fills))
    amount = sum(fill.amount for fill in fills)
    with om.transaction():
        replayed = None
        if own is not None and own.rest_on(side):
            replayed = _without(om, symbol, side, amount, own)
        trade = om.place_trade(symbol, side, amount)
        own_fills = tuple(fill for fill in trade.fills if own is not None and fill.order_id in own)
        if trade.fills != fills:
            _correct(om, trade, fills, {fill.order_id for fill in own_fills})
    books.expected_version += 2
    return _compared(trade.fills if replayed is None else replayed, fills, own_fills)


def _come_first(om: OrderManagement, symbol: str, side: Side, fills: Sequence[OrderFill]) -> bool:
    """Return True if a trade for the total amount would get exactly these fills."""
    return om.quote(symbol, side, sum(fill.amount for fill in fills), allow_partial=True).fills == fills


def _cost(fills: Iterable[OrderFill]) -> int:
    return sum(fill.amount * fill.price for fill in fills)


def _without(
    om: OrderManagement, symbol: str, side: Side, amount: int, own: Container[int]
) -> tuple[OrderFill, ...]:
    """Return the fills that a trade would get if your orders did not exist."""
    requested = amount
    while True:
        fills = om.quote(symbol, side, requested).fills
        recorded = tuple(fill for fill in fills if fill.order_id not in own)
        missing = amount - sum(fill.amount for fill in recorded)
        if not missing:
            return recorded
        requested += missing


def _compared(
    replayed: tuple[OrderFill, ...], published: tuple[OrderFill, ...], own_fills: tuple[OrderFill, ...]
) -> Swept:
    cost = _cost(replayed)
    expected = _by_order(published)
    return Swept(
        cost == _cost(published),
        replayed == published,
        tuple(fill.order_id for fill in replayed if fill.amount > expected[fill.order_id]),
        cost,
        own_fills,
    )


def _by_order(fills: Iterable[OrderFill]) -> Counter[int]:
    amounts = Counter[int]()
    for fill in fills:
        amounts[fill.order_id] += fill.amount
    return amounts


def _joined(published: Sequence[OrderFill]) -> tuple[OrderFill, ...]:
    """Merge consecutive fills of the same order, as in a Trade."""
    if len(published) == 1:
        return tuple(published)
    groups = groupby(published, key=lambda fill: (fill.order_id, fill.price))
    return tuple(
        OrderFill(order_id, sum(fill.amount for fill in fills), price) for (order_id, price), fills in groups
    )


def _correct(om: OrderManagement, trade: Trade, published: Iterable[OrderFill], own: Container[int]) -> None:
    """Make the recorded orders' fills match the published ones. Your orders keep their fills."""
    expected = _by_order(published)
    for fill in trade.fills:
        if fill.order_id in own:
            continue
        surplus = fill.amount - expected.pop(fill.order_id, 0)
        if surplus < 0:
            _reduce(om, fill.order_id, -surplus)
        elif surplus and fill.order_id in om:
            om.amend_order(fill.order_id, amount=om.get_order(fill.order_id).amount + surplus)
        elif surplus:
            # The id determines the priority, so the order returns to its original position.
            om.add_order(fill.order_id, trade.symbol, trade.side, surplus, fill.price)
    for order_id, amount in expected.items():
        _reduce(om, order_id, amount)


def _reduce(om: OrderManagement, order_id: int, amount: int) -> None:
    remaining = om.get_order(order_id).amount - amount
    if remaining > 0:
        om.amend_order(order_id, amount=remaining)
    else:
        om.remove_order(order_id)


def best_levels_during(
    levels: Iterable[Level | PriceLevel], published: Sequence[OrderFill]
) -> Iterator[Level | None]:
    """Yield the best level on the swept side after each fill except the last.

    An exchange publishes its book after every fill, but a trade in `oms` is a single step. `levels` contains
    the levels before the sweep, best first. Pass more levels than there are fills, or the whole book if it
    has fewer levels.
    """
    amounts = {level.price: level.amount for level in levels}  # best first, like `levels`
    for fill in published[:-1]:
        amounts[fill.price] = amounts.get(fill.price, 0) - fill.amount
        if amounts[fill.price] <= 0:
            del amounts[fill.price]
        yield next((Level(price, amount) for price, amount in amounts.items()), None)
