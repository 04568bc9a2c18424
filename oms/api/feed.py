"""The content of a stream: the parts of a snapshot, and the message about each event."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from oms.api.backlog import Message, Notice, Part, Snapshot
from oms.api.last_trades import LastTrades
from oms.api.response_models import to_json
from oms.api.slices import RestingOrders, SymbolIndex
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.management import OrderManagement
from oms.models import new_order

__all__ = [
    "BookFeed",
    "Feed",
    "MESSAGES",
    "Tape",
    "message_of",
    "trade_json",
]


class Feed(Protocol):
    """The content of a stream. `viewer` is the owner of the stream's API key, or None."""

    def snapshot(self, symbol: str | None, viewer: str | None) -> Snapshot:
        """Return a snapshot of the current state. The caller holds the lock. O(1)."""
        ...

    def notice(self, event: Event) -> Notice:
        """Return a notice of an event that is being published. O(1) for each order that it touches."""
        ...

    def weight(self, event: Event) -> int:
        """Return the approximate number of orders and fills in the message about the event. O(1)."""
        ...

    def key(self, notice: Notice, symbol: str | None, viewer: str | None) -> Hashable:
        """Return a key that is equal for two streams only if they may see the same message."""
        ...

    def message(self, notice: Notice, symbol: str | None, viewer: str | None) -> Message | None:
        """Return the message, or None if the event does not concern the symbol or the viewer."""
        ...


class BookFeed:
    """The stream of an OrderManagement: all orders, and every change. A BookFeed subscribes to the books."""

    def __init__(self, om: OrderManagement, tape: Tape) -> None:
        self._om = om
        self._tape = tape
        with om.locked():
            self._symbols = SymbolIndex(om)
            om.subscribe(self._symbols)

    def snapshot(self, symbol: str | None, viewer: str | None) -> Snapshot:
        """Return all resting orders and the last trades. See Feed."""
        del viewer  # every caller sees all orders
        return _BookSnapshot(RestingOrders(self._om, self._symbols, symbol), self._tape.last(symbol))

    def notice(self, event: Event) -> Notice:
        """Return the event. See Feed."""
        return Notice(event)

    def weight(self, event: Event) -> int:
        """Return the number of orders or fills. See Feed."""
        match event:
            case OrdersAdded() | OrdersRemoved():
                return len(event.orders)
            case TradePlaced():
                return len(event.trade.fills)
            case _:
                return 1

    def key(self, notice: Notice, symbol: str | None, viewer: str | None) -> Hashable:
        """Return the symbol if the event touches several symbols. See Feed."""
        del viewer
        return symbol if notice.symbol is None else None

    def message(self, notice: Notice, symbol: str | None, viewer: str | None) -> Message | None:
        """Return the message about the event. See Feed."""
        del viewer
        return message_of(notice.event, 0, symbol)


class _BookSnapshot:
    """The resting orders and the last trades."""

    def __init__(self, orders: RestingOrders, trades: tuple[TradePlaced, ...]) -> None:
        self._orders = orders
        self._trades = deque(trades)

    def __call__(self, event: Event) -> None:
        self._orders(event)

    def next_part(self, length: int) -> Part:
        trades: list[Message] = []
        fills = 0
        while self._trades and fills < length:
            event = self._trades.popleft()
            fills += len(event.trade.fills)
            trades.append(trade_json(event))
        rows = self._orders.next(length - fills) if fills < length else []
        orders = [to_json(new_order(row)) for row in rows]
        more = bool(self._trades) or not self._orders.is_complete
        return Part({"orders": orders, "trades": trades}, more)


class Tape(LastTrades[TradePlaced]):
    """A tape of the most recent trades, which subscribes to the books' events."""

    def __call__(self, event: Event) -> None:
        """Record a trade and ignore other events. O(1)."""
        if isinstance(event, TradePlaced):
            self.record(event.trade, event)


def message_of(event: Event, previous: int, symbol: str | None = None) -> dict[str, object] | None:
    """Return the message about an event, or None if the event does not concern the symbol.

    `previous` is the sequence number of the previous message. Without a symbol, every event has a message.
    """
    change = MESSAGES[type(event)](event, symbol)
    if change is None:
        return None
    sequence, time = event.sequence, event.time
    return {
        "type": type(event).__name__,
        "previous": previous,
        "sequence": sequence,
        "time": time,
        **change,
    }


def trade_json(event: TradePlaced) -> dict[str, Any]:
    """Return a trade as a JSON object, with its event's sequence number and timestamp."""
    return {"sequence": event.sequence, "time": event.time, **to_json(event.trade)}


def _order(event: OrderAdded | OrderRemoved, _: str | None) -> dict[str, object]:
    return {"order": to_json(event.order)}


def _orders(event: OrdersAdded | OrdersRemoved, symbol: str | None) -> dict[str, object] | None:
    orders = [to_json(order) for order in event.orders if symbol in (None, order.symbol)]
    return {"orders": orders} if orders else None


def _amendment(event: OrderAmended, _: str | None) -> dict[str, object]:
    return {"before": to_json(event.before), "after": to_json(event.after)}


def _trade(event: TradePlaced, _: str | None) -> dict[str, object]:
    return {"trade": to_json(event.trade)}


MESSAGES: dict[type[Event], Callable[[Any, str | None], dict[str, object] | None]] = {
    OrderAdded: _order,
    OrdersAdded: _orders,
    OrderRemoved: _order,
    OrdersRemoved: _orders,
    OrderAmended: _amendment,
    TradePlaced: _trade,
}
"""For each event type, a function that returns the fields of its message.

The arguments are the event and the stream's symbol, which is None for all symbols. The function returns None
if the event does not concern the symbol.
"""
