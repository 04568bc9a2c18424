"""The fills of events, for each symbol and each owner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from oms.engine_events import EngineEvent
from oms.events import Event, TradePlaced
from oms.models import Side
from oms.submission import OrderId

__all__ = ["BookedFill", "FillsOf", "fills_of"]

BookedFill: TypeAlias = tuple[int, int, bool]
"""One fill of one party: the amount (negative for a sale), the price in ticks, and True for a taker."""


class FillsOf(NamedTuple):
    """The fills by symbol and owner, the price of each symbol's last fill, and the events that have fills."""

    fills: defaultdict[str, defaultdict[str | None, list[BookedFill]]]
    last_prices: dict[str, int]
    traded: list[Event]


def fills_of(events: Iterable[Event]) -> FillsOf:
    """Return the fills of events, in the order in which they happened.

    A trade of an OrderManagement is a fill of the owner None, as the taker. The owners of the resting orders
    are unknown. O(m) for m fills and events.

    >>> from oms import MatchingEngine, Side
    >>> engine, events = MatchingEngine(), []
    >>> unsubscribe = engine.subscribe(events.append)
    >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 101, owner="Ann")
    >>> _ = engine.submit(2, "JPM", Side.BUY, 5, 101, owner="Bob")
    >>> dict(fills_of(events).fills["JPM"])
    {'Bob': [(5, 101, True)], 'Ann': [(-5, 101, False)]}

    """
    result = fills, last_prices, traded = FillsOf(defaultdict(_no_fills), {}, [])
    for event in events:
        if isinstance(event, EngineEvent):
            owners: dict[OrderId, str] | None = None
            for order_id, symbol, side, _, _, _, makers, _, _, _ in event.executions:
                if makers:
                    if owners is None:
                        owners = dict(event.owners)
                        traded.append(event)
                    sign, by_owner = 1 if side is Side.BUY else -1, fills[symbol]
                    add = by_owner[owners.get(order_id)].append
                    for maker, amount, price in makers:
                        amount = sign * amount  # noqa: PLW2901  # the taker's amount
                        add((amount, price, True))
                        by_owner[owners.get(maker)].append((-amount, price, False))
                    last_prices[symbol] = makers[-1].price
        elif type(event) is TradePlaced:
            _, symbol, side, _, _, resting = event.trade
            sign, taker = side.sign, fills[symbol][None]
            taker.extend((sign * amount, price, True) for _, amount, price in resting)
            last_prices[symbol] = resting[-1].price
            traded.append(event)
    return result


def _no_fills() -> defaultdict[str | None, list[BookedFill]]:
    return defaultdict(list)
