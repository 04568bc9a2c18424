"""The conversion of values to a dict of columns, for example for pandas, polars, pyarrow, or numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from oms.errors import InvalidArgumentError
from oms.events import KINDS, Event
from oms.models import Order, OrderFill, PriceLevel, Quote, Trade

__all__ = ["EVENT_COLUMNS", "event_rows", "to_columns"]

Row = tuple[Any, ...]

EVENT_COLUMNS = ("sequence", "event", "note", "time", "order_id", "symbol", "side", "price", "change")


class _Shape(NamedTuple):
    """The column names for one kind of value, and a function that returns the rows for one such value."""

    names: tuple[str, ...]
    rows: Callable[[Any], Iterable[Row]]


def to_columns(values: Iterable[object], *, kind: type | None = None) -> dict[str, list[Any]]:
    """Convert values of one kind to a dict of columns, which you can pass to a data frame.

    The kinds are Order, OrderFill, PriceLevel, Quote, Trade, and Event. A side becomes the string "BUY" or
    "SELL". Amounts are in lots, prices in ticks, and total prices in ticks times lots. All of them are exact
    integers of any size. The column `fills` of a Quote or a Trade contains the number of its fills. To
    convert the fills themselves, pass `trade.fills`.

    An Event produces one row for each changed amount. The column `change` is positive for an added amount and
    negative for an amount that was removed or filled. So the sum of all changes is the resting amount. An
    amendment produces two rows. The first removes the old order, and the second adds the amended order. The
    column `time` is in nanoseconds since 1970, or None for an event without a time.

    If the iterable may be empty, pass the class of the values as `kind`. O(m) for m rows.

    Raises InvalidArgumentError if the values are not all of one of these kinds, or if there are no values and
    `kind` is None.

    >>> from oms import OrderManagement, Side
    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
    >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
    >>> for name, column in to_columns(om).items():
    ...     print(name, column)
    order_id [1, 4]
    symbol ['JPM', 'JPM']
    side ['BUY', 'BUY']
    amount [20, 10]
    price [20, 21]
    >>> to_columns(om.place_trade("JPM", Side.BUY, 22).fills)
    {'order_id': [1, 4], 'amount': [20, 2], 'price': [20, 21]}
    >>> to_columns([], kind=PriceLevel)
    {'price': [], 'amount': [], 'orders': []}

    """
    if not isinstance(values, Iterable):
        raise InvalidArgumentError("values", values, f"an iterable of one of {_KINDS}")
    items = list(values)
    if kind is None:
        if not items:
            raise InvalidArgumentError("values", items, "a non-empty iterable", "pass kind")
        kind = _kind_of(items[0])
    elif not isinstance(kind, type) or kind not in _SHAPES:
        raise InvalidArgumentError("kind", kind, f"one of {_KINDS}")
    for value in items:
        if _kind_of(value) is not kind:
            raise InvalidArgumentError("values", value, f"all of one kind, {kind.__name__}")
    names, rows = _SHAPES[kind]
    table = [row for value in items for row in rows(value)]
    columns = zip(*table, strict=True)
    return dict(zip(names, map(list, columns), strict=True)) if table else {name: [] for name in names}


def _kind_of(value: object) -> type:
    kind = Event if type(value) in KINDS else type(value)
    if kind not in _SHAPES:
        raise InvalidArgumentError("values", value, f"an iterable of one of {_KINDS}")
    return kind


def _order(order: Order) -> Iterator[Row]:
    yield order.order_id, order.symbol, order.side.value, order.amount, order.price


def _itself(value: Row) -> Iterator[Row]:
    yield value


def _quote(quote: Quote) -> Iterator[Row]:
    symbol, side, *figures, fills = quote
    yield (
        symbol,
        side.value,
        *figures,
        quote.average_price,
        quote.slippage,
        quote.slippage_bps,
        len(fills),
    )


def _trade(trade: Trade) -> Iterator[Row]:
    trade_id, symbol, side, amount, total_price, fills = trade
    yield trade_id, symbol, side.value, amount, total_price, trade.average_price, len(fills)


def event_rows(event: Event) -> Iterator[Row]:
    """Yield one row for each amount that an event changes. EVENT_COLUMNS contains the column names."""
    head = event.sequence, type(event).__name__, event.note, event.time
    for order_id, symbol, side, price, change in event.rows():
        yield *head, order_id, symbol, side.value, price, change


_SHAPES: dict[type, _Shape] = {
    Order: _Shape(Order._fields, _order),
    OrderFill: _Shape(OrderFill._fields, _itself),
    PriceLevel: _Shape(PriceLevel._fields, _itself),
    Quote: _Shape((*Quote._fields[:-1], "average_price", "slippage", "slippage_bps", "fills"), _quote),
    Trade: _Shape((*Trade._fields[:-1], "average_price", "fills"), _trade),
    Event: _Shape(EVENT_COLUMNS, event_rows),
}
_KINDS = ", ".join(kind.__name__ for kind in _SHAPES)
