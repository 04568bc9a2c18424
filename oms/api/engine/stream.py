"""The stream of a matching engine: price levels, trades, and the executions and orders of the viewer."""

from __future__ import annotations

from collections import deque
from typing import Any

from oms.api.engine.messages import (
    MarketTrade,
    message_of,
    order_json,
    order_updates,
    touched_orders,
    trade_json,
    trades_of,
)
from oms.api.stream import TAPE_LENGTH, Message, Notice
from oms.engine_events import EngineEvent
from oms.events import Event
from oms.matching import MatchingEngine
from oms.models import Side

__all__ = ["EngineFeed", "EngineTape"]


class EngineTape:
    """The last 20 trades of each symbol. A tape subscribes to the engine."""

    def __init__(self) -> None:
        self._trades: dict[str, deque[MarketTrade]] = {}

    def __call__(self, event: Event) -> None:
        """Record the trades of an event. O(m) for m elementary changes."""
        assert isinstance(event, EngineEvent)
        for trade in trades_of(event):
            symbol = trade.trade.symbol
            self._trades.setdefault(symbol, deque(maxlen=TAPE_LENGTH)).append(trade)

    def last(self, symbol: str | None, viewer: str | None) -> list[dict[str, Any]]:
        """Return the last 20 trades of a symbol, or of all symbols, as JSON objects, oldest first."""
        tapes = self._trades.values() if symbol is None else [self._trades.get(symbol, ())]
        trades = sorted((trade for tape in tapes for trade in tape), key=lambda each: each.trade.trade_id)
        return [trade_json(trade, viewer) for trade in trades[-TAPE_LENGTH:]]


class EngineFeed:
    """The content of the stream. See `oms.api.stream.Feed`.

    A message contains the state of the orders when the event was published. All streams share this state, so
    it is looked up once for each event.
    """

    def __init__(self, engine: MatchingEngine, tape: EngineTape) -> None:
        self._engine = engine
        self._tape = tape
        self._last: Notice | None = None

    def snapshot(self, symbol: str | None, viewer: str | None) -> Message:
        """Return the price levels, the last trades, and the open orders of the viewer. See Feed."""
        symbols = self._engine.symbols() if symbol is None else [symbol]
        levels = [
            {"symbol": each, "side": side, "price": level.price, "amount": level.amount}
            for each in symbols
            for side in Side
            for level in self._engine.depth(each, side)
        ]
        orders = [order_json(order) for order in self._engine.orders(symbol, owner=viewer)]
        trades = self._tape.last(symbol, viewer)
        return {"owner": viewer, "levels": levels, "orders": orders, "trades": trades}

    def notice(self, event: Event) -> Notice:
        """Return the event, and the state of the orders that it touches. See Feed."""
        assert isinstance(event, EngineEvent)
        if self._last is None or self._last.event is not event:
            touched = touched_orders(event)
            states = {each: self._engine.order(each) if each in self._engine else None for each in touched}
            self._last = Notice(event, (touched, states))
        return self._last

    def message(
        self, notice: Notice, previous: int, symbol: str | None, viewer: str | None
    ) -> Message | None:
        """Return the message about the event. See Feed."""
        event = notice.event
        assert isinstance(event, EngineEvent)
        touched, states = notice.details
        message = message_of(event, previous, symbol, viewer)
        message["orders"] = order_updates(touched, states, symbol, viewer)
        is_empty = not any(message[name] for name in ("changes", "trades", "executions", "fills", "orders"))
        return None if is_empty else message
