"""The JSON of a matching engine's values and events, as the operator or an owner may see them.

An owner sees the ids of their own orders only. The ids and the owners of all other orders are null. If
`viewer` is None, the viewer is the operator, who sees everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from oms.contract import id_as_json
from oms.engine_books import EntryChanged
from oms.engine_events import EngineEvent
from oms.events import TradePlaced
from oms.models import Side, Trade
from oms.submission import EngineFill, Execution, OpenOrder, OrderId, Submission

__all__ = [
    "MarketTrade",
    "Touched",
    "execution_json",
    "message_of",
    "order_json",
    "order_updates",
    "terms_json",
    "touched_orders",
    "trade_json",
    "trades_of",
]


class MarketTrade(NamedTuple):
    """A trade of a matching engine, with its event's sequence number and timestamp, and its fills."""

    sequence: int
    time: int | None
    trade: Trade
    fills: tuple[EngineFill, ...]


class Touched(NamedTuple):
    """The symbol and the owner of an order that an event touches."""

    symbol: str
    owner: str | None


# ---------------------------------------------------------------------- orders and executions


def terms_json(order: Submission) -> dict[str, Any]:
    """Return the terms of an order as a JSON object."""
    return {**order._asdict(), "order_id": id_as_json(order.order_id)}


def order_json(order: OpenOrder) -> dict[str, Any]:
    """Return an open order as a JSON object: its terms, its status, and its amounts.

    `resting_price` is null while the order waits for its stop price.
    """
    _, filled, remaining, displayed, price = order
    status = "WAITING" if order.waiting else "PARTIALLY_FILLED" if filled else "OPEN"
    return {
        **terms_json(order.order),
        "status": status,
        "filled": filled,
        "remaining": remaining,
        "displayed": displayed,
        "resting_price": None if order.waiting else price,
    }


def execution_json(
    execution: Execution, owners: Mapping[OrderId, str], viewer: str | None = None
) -> dict[str, Any]:
    """Return an execution as a JSON object. `owners` maps the filled orders to their owners."""
    fills = [
        {
            "order_id": id_as_json(fill.order_id) if _sees(viewer, owners.get(fill.order_id)) else None,
            "amount": fill.amount,
            "price": fill.price,
        }
        for fill in execution.fills
    ]
    return {**execution._asdict(), "order_id": id_as_json(execution.order_id), "fills": fills}


def _sees(viewer: str | None, owner: str | None) -> bool:
    return viewer is None or viewer == owner


def _seen_id(order_id: OrderId, owner: str | None, viewer: str | None) -> int | str | None:
    return id_as_json(order_id) if _sees(viewer, owner) else None


# ---------------------------------------------------------------------- trades


def trades_of(event: EngineEvent) -> Iterator[MarketTrade]:
    """Yield the trades of an event, oldest first. O(m) for m elementary changes."""
    fills = event.fills()
    for kind, subject in event.changes:
        if kind is TradePlaced:
            trade: Trade = subject[0]
            yield MarketTrade(event.sequence, event.time, trade, tuple(islice(fills, len(trade.fills))))


def trade_json(past: MarketTrade, viewer: str | None) -> dict[str, Any]:
    """Return a trade as a JSON object, with its event's sequence number and timestamp."""
    return {"sequence": past.sequence, "time": past.time, **_trade(past, viewer)}


def _trade(past: MarketTrade, viewer: str | None) -> dict[str, Any]:
    trade, taker = past.trade, past.fills[0]
    return {
        "trade_id": trade.trade_id,
        "symbol": trade.symbol,
        "side": trade.side,
        "amount": trade.amount,
        "total_price": trade.total_price,
        "taker": _seen_id(taker.taker, taker.taker_owner, viewer),
        "taker_owner": taker.taker_owner if _sees(viewer, taker.taker_owner) else None,
        "fills": [
            {
                "maker": _seen_id(fill.maker, fill.maker_owner, viewer),
                "maker_owner": fill.maker_owner if _sees(viewer, fill.maker_owner) else None,
                "amount": fill.amount,
                "price": fill.price,
            }
            for fill in past.fills
        ],
    }


# ---------------------------------------------------------------------- events


def touched_orders(event: EngineEvent) -> dict[OrderId, Touched]:
    """Return the orders that an event touches, by id. O(m) for m elementary changes."""
    touched = {order.order_id: Touched(order.symbol, order.owner) for order in event.orders}
    for kind, subject in event.changes:
        if kind is EntryChanged:
            for entry in filter(None, subject):
                touched[entry.order.order_id] = Touched(entry.order.symbol, entry.order.owner)
    for fill in event.fills():
        touched[fill.taker] = Touched(fill.symbol, fill.taker_owner)
        touched[fill.maker] = Touched(fill.symbol, fill.maker_owner)
    return touched


def message_of(
    event: EngineEvent, previous: int, symbol: str | None = None, viewer: str | None = None
) -> dict[str, Any]:
    """Return the message about an event. `previous` is the number of the previous message.

    An event that touches no order of the viewer has the type BookChanged, and contains only market data.
    """
    touched = touched_orders(event)
    is_own = viewer is None or any(each.owner == viewer for each in touched.values())
    return {
        "type": type(event).__name__ if is_own else "BookChanged",
        "previous": previous,
        "sequence": event.sequence,
        "time": event.time,
        "changes": _of_symbol(_level_changes(event), symbol),
        "trades": _of_symbol([_trade(trade, viewer) for trade in trades_of(event)], symbol),
        "executions": _of_symbol(
            [
                execution_json(execution, dict(event.owners), viewer)
                for execution in event.executions
                if _sees(viewer, touched[execution.order_id].owner)
            ],
            symbol,
        ),
        "fills": _of_symbol([fill for fill in _order_fills(event) if _sees(viewer, fill["owner"])], symbol),
    }


def _of_symbol(objects: list[dict[str, Any]], symbol: str | None) -> list[dict[str, Any]]:
    return [each for each in objects if symbol in (None, each["symbol"])]


def _level_changes(event: EngineEvent) -> list[dict[str, Any]]:
    """Return how the visible amount at each price has changed. A side is the side of the book's trades."""
    changes: dict[tuple[str, Side, int], int] = {}
    for _, symbol, side, price, change in event.rows():
        changes[symbol, side, price] = changes.get((symbol, side, price), 0) + change
    return [
        {"symbol": symbol, "side": side, "price": price, "change": change}
        for (symbol, side, price), change in changes.items()
        if change
    ]


def _order_fills(event: EngineEvent) -> Iterator[dict[str, Any]]:
    """Yield each fill of the event twice, once for each of its two orders, with the order's side."""
    for symbol, side, amount, price, taker, taker_owner, maker, maker_owner in event.fills():
        for order_id, owner, own_side, role in (
            (taker, taker_owner, side, "TAKER"),
            (maker, maker_owner, side.opposite, "MAKER"),
        ):
            yield {
                "order_id": id_as_json(order_id),
                "owner": owner,
                "symbol": symbol,
                "side": own_side,
                "amount": amount,
                "price": price,
                "role": role,
            }


def order_updates(
    touched: Mapping[OrderId, Touched],
    states: Mapping[OrderId, OpenOrder | None],
    symbol: str | None,
    viewer: str | None,
) -> list[dict[str, Any]]:
    """Return the orders that an event touched, as they are now. A closed order has only four fields."""
    updates: list[dict[str, Any]] = []
    for order_id, about in touched.items():
        state = states[order_id]
        if not _sees(viewer, about.owner) or symbol not in (None, about.symbol):
            continue
        if state is None or (state.order.symbol, state.order.owner) != about:  # the id is in use again
            updates.append({"order_id": id_as_json(order_id), "status": "CLOSED", **about._asdict()})
        else:
            updates.append(order_json(state))
    return updates
