"""The stream of a matching engine: price levels, trades, and the executions and orders of the viewer."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from typing import NamedTuple

from oms.api.backlog import Message, Notice, Part, Snapshot
from oms.api.engine.messages import (
    MarketTrade,
    Touched,
    message_of,
    order_json,
    order_updates,
    touched_orders,
    trade_json,
    trades_of,
)
from oms.api.engine.snapshot import EngineOrders
from oms.api.last_trades import LastTrades
from oms.api.order_index import OrderIndex
from oms.api.slices import SymbolIndex
from oms.engine_events import EngineEvent
from oms.events import Event
from oms.matching import MatchingEngine
from oms.submission import OpenOrder, OrderId

__all__ = ["EngineFeed", "EngineTape"]


class EngineTape(LastTrades[MarketTrade]):
    """A tape of the most recent trades, which subscribes to the engine's events."""

    def __call__(self, event: Event) -> None:
        """Record the trades of an event. O(m) for m elementary changes."""
        assert isinstance(event, EngineEvent)
        for trade in trades_of(event):
            self.record(trade.trade, trade)


class _Details(NamedTuple):
    """The orders that an event touches, their state after the event, and their owners."""

    touched: Mapping[OrderId, Touched]
    states: Mapping[OrderId, OpenOrder | None]
    owners: frozenset[str | None]


class EngineFeed:
    """The content of the stream. See `oms.api.feed.Feed`.

    A message contains the state of the orders when the event was published. All streams share this state, so
    it is looked up once for each event. The feed subscribes to the engine.
    """

    def __init__(self, engine: MatchingEngine, tape: EngineTape, arrivals: OrderIndex) -> None:
        self._engine = engine
        self._tape = tape
        self._arrivals = arrivals
        with engine.locked():
            self._symbols = SymbolIndex(engine)
            engine.subscribe(self._symbols)

    def snapshot(self, symbol: str | None, viewer: str | None) -> Snapshot:
        """Return the price levels, the last trades, and the open orders of the viewer. See Feed."""
        orders = EngineOrders(self._engine, self._symbols, self._arrivals, symbol, viewer)
        return _EngineSnapshot(orders, self._tape.last(symbol), viewer)

    def notice(self, event: Event) -> Notice:
        """Return the event, and the state of the orders that it touches. See Feed."""
        assert isinstance(event, EngineEvent)
        touched = touched_orders(event)
        states = {each: self._engine.order(each) if each in self._engine else None for each in touched}
        return Notice(event, _Details(touched, states, frozenset(each.owner for each in touched.values())))

    def weight(self, event: Event) -> int:
        """Return the number of orders, changes, and fills. See Feed."""
        assert isinstance(event, EngineEvent)
        fills = sum(len(execution.fills) for execution in event.executions)
        return len(event.orders) + len(event.changes) + fills

    def key(self, notice: Notice, symbol: str | None, viewer: str | None) -> Hashable:
        """Return the viewer unless the event touches none of their orders. See Feed.

        All viewers without an order in the event see the same market data. The operator sees everything.
        """
        details: _Details = notice.details
        is_stranger = viewer is not None and viewer not in details.owners
        return symbol if notice.symbol is None else None, is_stranger, None if is_stranger else viewer

    def message(self, notice: Notice, symbol: str | None, viewer: str | None) -> Message | None:
        """Return the message about the event. See Feed."""
        event = notice.event
        assert isinstance(event, EngineEvent)
        details: _Details = notice.details
        message = message_of(event, 0, symbol, viewer)
        message["orders"] = order_updates(details.touched, details.states, symbol, viewer)
        is_empty = not any(message[name] for name in ("changes", "trades", "executions", "fills", "orders"))
        return None if is_empty else message


class _EngineSnapshot:
    """The price levels, the last trades, and the open orders of the viewer."""

    def __init__(self, orders: EngineOrders, trades: tuple[MarketTrade, ...], viewer: str | None) -> None:
        self._orders = orders
        self._trades = deque(trades)
        self._viewer = viewer
        self._head: Message = {"owner": viewer}

    def __call__(self, event: Event) -> None:
        self._orders(event)

    def next_part(self, length: int) -> Part:
        trades: list[Message] = []
        count = 0
        while self._trades and count < length:
            trade = self._trades.popleft()
            count += len(trade.fills)
            trades.append(trade_json(trade, self._viewer))
        levels = self._orders.next_levels(length - count) if count < length else []
        count += len(levels)
        has_room = self._orders.has_all_levels and count < length
        orders = self._orders.next_orders(length - count) if has_room else []
        head, self._head = self._head, {}
        fields = {
            **head,
            "levels": [
                {"symbol": symbol, "side": side, "price": price, "amount": amount}
                for symbol, side, price, amount in levels
            ],
            "orders": list(map(order_json, orders)),
            "trades": trades,
        }
        return Part(fields, bool(self._trades) or not self._orders.has_all_orders)
