"""The formats of events, orders, and instruments in the file, and the hashes that detect damage.

An event's body is its order, orders, or trade as JSON. A digest is the hash of an order, a body, or a reply.
The hash of an event or reply also covers the previous hash, so the hashes form a chain.

All hashed data contains a word that says what it is: `text`, `event`, `reply`, `instrument`, or `head`.
Without this word, two different kinds of data could have the same hash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import fields
from hashlib import sha256
from itertools import chain
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple, TypeAlias, cast

from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.instrument import Instrument
from oms.models import Order, OrderFill, Side, Trade, new_order

__all__ = [
    "EMPTY",
    "FORMATS",
    "Head",
    "SUM_MODULUS",
    "add_formats",
    "body_of",
    "check_ints",
    "digest",
    "event_of",
    "instrument_body",
    "instrument_of",
    "instruments_hash",
    "link",
    "literals",
    "order_text",
    "reply_link",
    "sum_of",
    "sum_of_texts",
]

SUM_MODULUS = 2**256
NO_HASH = bytes(32)
_SIDES = {side.value: side for side in Side}
_ORDER_FIELDS = set(Order._fields)
_decode = json.JSONDecoder().raw_decode


class Head(NamedTuple):
    """A row of the `heads` table. It records where another table ends, so that missing rows are detected.

    The "now" head contains the counters after the last event, the number of resting orders, and the sum of
    their digests. The other heads are "snapshot", "noted", "replies", "instruments", "engine", and
    "engine_snapshot". In the last two, `next_trade_id` is the arrival number of the next order, `orders` is
    the number of entries, and `orders_sum` also contains the digests of the last prices.
    """

    sequence: int
    next_trade_id: int
    orders: int
    orders_sum: int
    last_hash: bytes

    def row(self, name: str) -> tuple[object, ...]:
        """Return the row for the `heads` table, without the `syncs` column."""
        sequence, next_trade_id, orders, orders_sum, last_hash = self
        return (
            name,
            sequence,
            next_trade_id,
            orders,
            orders_sum.to_bytes(32),
            last_hash,
            self.seal(name),
        )

    def seal(self, name: str) -> bytes:
        """Return the seal, which is the hash of the name and all fields."""
        sequence, next_trade_id, orders, orders_sum, last_hash = self
        text = f"head\n{name}\n{sequence}\n{next_trade_id}\n{orders}\n{orders_sum}\n"
        return sha256(text.encode() + last_hash).digest()


EMPTY = Head(0, 1, 0, 0, NO_HASH)
"""The head of an empty journal."""


def literals(row: Iterable[object]) -> str:
    """Return a row as SQL literals, for statements that take no parameters."""
    return ", ".join(f"x'{value.hex()}'" if isinstance(value, bytes) else repr(value) for value in row)


def digest(text: str) -> bytes:
    """Return the hash of a string: an order's JSON, an event's body, or a reply."""
    return sha256(b"text\n" + text.encode()).digest()


def link(
    before: bytes, sequence: int, batch: int, kind: str, note: str | None, time: int | None, body: bytes
) -> bytes:
    """Return an event's hash. `before` is the previous hash, and `body` is the digest of the event's body.

    An event without a timestamp has the same hash as in version 4, in which no event had a timestamp.
    """
    timed = "" if time is None else f"@{time}\n"
    noted = "-" if note is None else f"+{note}"  # the note is last, because it can contain any characters
    return sha256(before + body + f"event\n{sequence}\n{batch}\n{kind}\n{timed}{noted}".encode()).digest()


def reply_link(before: bytes, number: int, text: bytes) -> bytes:
    """Return a reply's hash. `before` is the previous hash, and `text` is the digest of the reply."""
    return sha256(before + text + f"reply\n{number}".encode()).digest()


def instruments_hash(rows: Iterable[tuple[str, str]]) -> bytes:
    """Return the hash of all n rows of the `instruments` table, which must be sorted by symbol. O(n)."""
    before = NO_HASH
    for symbol, body in rows:
        before = sha256(before + digest(body) + f"instrument\n{symbol}".encode()).digest()
    return before


def sum_of(orders: Iterable[tuple[Any, ...]]) -> int:
    """Return the sum of the digests of these orders, modulo SUM_MODULUS.

    When an order is added or removed, the sum can be updated in O(1). Pass each order as a tuple of its
    fields, with the side as a string.
    """
    names: dict[Any, str] = {}
    total = 0
    for order_id, symbol, side, amount, price in orders:
        name = names.get(symbol) or names.setdefault(symbol, quoted(symbol))
        text = f'{{"order_id":{order_id},"symbol":{name},"side":"{side}","amount":{amount},"price":{price}}}'
        total += int.from_bytes(sha256(b"text\n" + text.encode()).digest())
    return total % SUM_MODULUS


def sum_of_texts(texts: Iterable[str]) -> int:
    """Return the sum of the digests of these strings, modulo SUM_MODULUS."""
    return sum(int.from_bytes(digest(text)) for text in texts) % SUM_MODULUS


# ---------------------------------------------------------------------- bodies


def order_text(order: Order) -> str:
    """Return an order as JSON."""
    order_id, symbol, side, amount, price = order
    return (
        f'{{"order_id":{order_id},"symbol":{quoted(symbol)},"side":"{side._value_}",'
        f'"amount":{amount},"price":{price}}}'
    )


def instrument_body(instrument: Instrument) -> str:
    """Return an instrument as JSON, without the fields that are None.

    >>> instrument_body(Instrument("0.01", currency="USD"))
    '{"tick_size":"0.01","lot_size":"1","currency":"USD"}'

    """
    values = {each.name: getattr(instrument, each.name) for each in fields(instrument)}
    return json.dumps(
        {name: value for name, value in values.items() if value is not None}, separators=(",", ":")
    )


def instrument_of(body: str) -> Instrument:
    """Build an instrument from its JSON. Raises TypeError or ValueError if a field is invalid."""
    return Instrument(**_content(body))


def _orders(orders: Iterable[Order]) -> str:
    return f"[{','.join(map(order_text, orders))}]"


def _amended(before: Order, after: Order) -> str:
    return f'{{"before":{order_text(before)},"after":{order_text(after)}}}'


def _trade(trade: Trade, remaining: int | None) -> str:
    fills = ",".join(
        f'{{"order_id":{order_id},"amount":{amount},"price":{price}}}'
        for order_id, amount, price in trade.fills
    )
    return (
        f'{{"trade_id":{trade.trade_id},"symbol":{quoted(trade.symbol)},"side":"{trade.side._value_}",'
        f'"amount":{trade.amount},"total_price":{trade.total_price},"fills":[{fills}]'
        + ("}" if remaining is None else f',"remaining":{remaining}}}')
    )


def _read_order(body: Any) -> Order:
    if set(body) != _ORDER_FIELDS:
        raise ValueError(f"an order has the fields {', '.join(Order._fields)}")
    order_id, amount, price = body["order_id"], body["amount"], body["price"]
    check_ints(order_id, amount, price)
    return new_order((order_id, body["symbol"], _SIDES[body["side"]], amount, price))


def check_ints(*values: object) -> None:
    """Raise TypeError for `true` or `1.0`, which would be equal to the integer 1."""
    if set(map(type, values)) != {int}:
        raise TypeError(f"ids, amounts, and prices are integers, unlike one of {values}")


def _read_orders(body: Any) -> tuple[Order, ...]:
    return tuple(map(_read_order, body))


def _read_amended(body: Any) -> tuple[Order, ...]:
    if set(body) != {"before", "after"}:
        raise ValueError("an amendment has the fields before and after")
    return tuple(map(_read_order, (body["before"], body["after"])))


def _read_trade(body: Any) -> tuple[Trade, int | None]:
    fields: dict[str, Any] = dict(body)
    remaining = fields.pop("remaining", None)  # missing in bodies of version 3 and earlier
    fills = tuple(OrderFill(**fill) for fill in fields["fills"])
    fields |= {"side": _SIDES[fields["side"]], "fills": fills}
    trade = Trade(**fields)
    check_ints(trade.trade_id, trade.amount, trade.total_price, *chain.from_iterable(fills))
    if remaining is not None:
        check_ints(remaining)
    return trade, remaining


_Format: TypeAlias = tuple[Callable[[Any], str], Callable[[Any], Iterable[object]]]

FORMATS: dict[type[Event], _Format] = {
    OrderAdded: (lambda event: order_text(event.order), lambda body: [_read_order(body)]),
    OrdersAdded: (lambda event: _orders(event.orders), lambda body: [_read_orders(body)]),
    OrderRemoved: (lambda event: order_text(event.order), lambda body: [_read_order(body)]),
    OrdersRemoved: (lambda event: _orders(event.orders), lambda body: [_read_orders(body)]),
    OrderAmended: (lambda event: _amended(event.before, event.after), _read_amended),
    TradePlaced: (lambda event: _trade(event.trade, event.remaining), _read_trade),
}
"""For each kind of event, a function that writes the body, and one that reads it after JSON parsing."""

_KINDS = {kind.__name__: kind for kind in FORMATS}


def add_formats(formats: dict[type[Event], _Format]) -> None:
    """Add formats for other kinds of events."""
    FORMATS.update(formats)
    _KINDS.update({kind.__name__: kind for kind in formats})


def body_of(event: Event) -> str:
    """Return an event's body: its order, orders, or trade as JSON."""
    write, _ = FORMATS[type(event)]
    return write(event)


def event_of(sequence: int, kind: str, note: str | None, time: int | None, body: str) -> Event:
    """Build an event from its fields. Raises LookupError, TypeError, or ValueError if a field is invalid."""
    if not (time is None or (type(time) is int and time >= 0)):
        raise ValueError("its time is not an integer of at least 0")
    make = _KINDS[kind]
    _, read = FORMATS[make]
    return cast("Callable[..., Event]", make)(*read(_content(body)), sequence, note, time)


def _content(body: str) -> Any:
    """Return the content of a JSON string. Raises ValueError."""
    try:
        content, end = _decode(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if end != len(body):
        raise ValueError("it has more than one JSON value")
    return content
