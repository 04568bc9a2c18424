"""Whether a file says one thing: the whole trail, replayed by the verbs, against all that was made of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, NamedTuple

from oms.errors import JournalError, OmsError
from oms.events import (
    Event,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Snapshot,
    TradePlaced,
)
from oms.journal.connection import reported
from oms.journal.log_state import read_state
from oms.journal.trail import Trail
from oms.management import OrderManagement
from oms.models import OrderFill, Side, Trade

__all__ = ["REPEAT", "Verification", "replayed", "restored", "state_after", "verify_trail"]


_DIGITS_OF_64_BITS = 18


class Verification(NamedTuple):
    """What was found to agree: so many events from `first` to `last`, what rests, and its `state_hash`.

    `warning` says that events after `last` may be missing, or is None; see `verify`.
    """

    first: int
    last: int
    events: int
    trades: int
    orders: int
    state_hash: str
    warning: str | None = None


def verify_trail(trail: Trail) -> Verification:
    """Replay all events and compare hashes, orders, trades and fills; O(events). Raises JournalError."""
    with reported(trail.place, "it cannot be read"):
        for (answer,) in trail.connection.execute("PRAGMA integrity_check").fetchall():
            if answer != "ok":
                raise JournalError(trail.place, f"SQLite finds it damaged: {answer}")
    start, end = trail.head("snapshot"), trail.head("now")
    trail.check_end(end)
    for _ in trail.noted():
        pass
    trail.replies()
    read_state(trail.connection, trail.place)
    with closing(_Trades(trail)) as trades:
        om = replayed(trail, end.sequence, trades.take)
        trades.check_end()
    now = restored(Snapshot(end.sequence, end.next_trade_id, trail.orders("orders", end)))
    if now.state_hash() != om.state_hash():
        raise JournalError(f"{trail.place}: orders", "they are not what the events come to")
    return Verification(
        start.sequence + 1,
        end.sequence,
        end.sequence - start.sequence,
        trades.taken,
        len(om),
        om.state_hash(),
    )


def state_after(trail: Trail, sequence: int) -> OrderManagement:
    """The books as they were after an event, by replaying all before it. Raises JournalError."""
    return replayed(trail, sequence, lambda _: None)


def restored(snapshot: Snapshot) -> OrderManagement:
    """The books of a snapshot."""
    om = OrderManagement.__new__(OrderManagement)
    om.__setstate__(snapshot._asdict())
    return om


def replayed(trail: Trail, until: int, also: Callable[[TradePlaced], None]) -> OrderManagement:
    """The books as they were after an event; every trade on the way is given to `also`."""
    start = trail.head("snapshot")
    orders = trail.orders("snapshot", start)
    om = restored(Snapshot(start.sequence, start.next_trade_id, orders))
    heard: list[Event] = []
    om.subscribe(heard.append)
    batch = 0
    for row in trail.rows(start.sequence + 1):
        sequence, first = row[:2]
        if sequence > until:
            break
        place = f"{trail.place}: events, sequence {sequence}"
        event = trail.event(row)
        if first not in (batch, sequence):
            raise JournalError(place, f"it says that it belongs to a batch which began with {first}")
        batch = first
        try:
            with om.transaction(event.note):
                REPEAT[type(event)](om, event)
        except (OmsError, TypeError) as error:
            raise JournalError(place, f"it cannot have happened: {error}") from error
        if heard != [event]:
            raise JournalError(place, f"it cannot have happened: it would have been {heard}")
        heard.clear()
        if isinstance(event, TradePlaced):
            also(event)
    return om


def _selection(om: OrderManagement, orders: tuple[Any, ...]) -> tuple[str | None, Side | None]:
    """What was asked for, that these were removed: the narrowest selection that comes to them."""
    _, symbol, side, _, _ = orders[0]
    candidates = ((symbol, side), (symbol, None), (None, side), (None, None))
    return next((each for each in candidates if om.orders(*each) == orders), (None, None))


def _amend(om: OrderManagement, event: OrderAmended) -> None:
    om.amend_order(event.after.order_id, amount=event.after.amount, price=event.after.price)


def _trade(om: OrderManagement, event: TradePlaced) -> None:
    om.place_trade(event.trade.symbol, event.trade.side, event.trade.amount)


REPEAT: dict[type[Event], Callable[[OrderManagement, Any], object]] = {
    OrderAdded: lambda om, event: om.add_order(*event.order),
    OrdersAdded: lambda om, event: om.add_orders(event.orders),
    OrderRemoved: lambda om, event: om.remove_order(event.order.order_id),
    OrdersRemoved: lambda om, event: om.remove_orders(*_selection(om, event.orders)),
    OrderAmended: _amend,
    TradePlaced: _trade,
}
"""The verb that makes each kind of event."""


class _Trades:
    """The tables of trades and fills, read in step with the events that made them."""

    def __init__(self, trail: Trail) -> None:
        self.taken = 0
        self._place = f"{trail.place}: trades"
        self._rows = self._read(trail)

    def take(self, event: TradePlaced) -> None:
        """Compare the next trade with an event's."""
        with reported(self._place, "it cannot be read"):
            found = next(self._rows, None)
        if found != (event.sequence, event.trade):
            place = f"{self._place}, trade {event.trade.trade_id}"
            raise JournalError(place, f"it is not what event {event.sequence} says")
        self.taken += 1

    def check_end(self) -> None:
        """See that there are no more."""
        with reported(self._place, "it cannot be read"):
            more = next(self._rows, None)
        if more is not None:
            raise JournalError(self._place, f"there is one too many: {more}")

    def close(self) -> None:
        """End the reading: a query that is left halfway keeps the file locked, as long as its error lives."""
        self._rows.close()

    def _read(self, trail: Trail) -> Generator[tuple[int, Trade]]:
        execute = trail.connection.execute
        fills = iter(execute("SELECT * FROM fills ORDER BY trade_id, position"))
        fill = next(fills, None)
        for trade_id, sequence, symbol, side, amount, total in execute(
            "SELECT * FROM trades ORDER BY trade_id"
        ):
            taken: list[OrderFill] = []
            while fill is not None and fill[:2] == (trade_id, len(taken)):
                taken.append(OrderFill(*fill[2:]))
                fill = next(fills, None)
            exact = Trade(trade_id, symbol, side, _exact(amount), _exact(total), tuple(taken))
            yield sequence, exact
        if fill is not None:
            raise JournalError(f"{trail.place}: fills, trade {fill[0]}", "it fits no trade")


def _exact(number: Any) -> Any:
    """The number that the file holds; whatever else it holds stays what it is, and is no such number."""
    return (
        int(number)
        if type(number) is str and number.isdecimal() and len(number) > _DIGITS_OF_64_BITS
        else number
    )
