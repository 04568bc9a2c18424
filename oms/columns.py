"""The conversion of values to a dict of columns, for example for pandas, polars, pyarrow, or numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple, cast

from oms.engine_events import ENGINE_KINDS
from oms.errors import InvalidArgumentError
from oms.events import KINDS, Event
from oms.instrument import Instrument
from oms.models import Order, OrderFill, PriceLevel, Quote, Trade
from oms.positions import Position, ProfitPoint

__all__ = ["EVENT_COLUMNS", "event_rows", "to_columns"]

Row = tuple[Any, ...]

EVENT_COLUMNS = ("sequence", "event", "note", "time", "order_id", "symbol", "side", "price", "change")


class _Shape(NamedTuple):
    """The column names for one kind of value, and a function that returns the rows for one such value."""

    names: tuple[str, ...]
    rows: Callable[[Any], Iterable[Row]]


_PRICES = frozenset({"price", "best_price", "worst_price", "last_price"})
_AMOUNTS = frozenset({"requested", "amount", "shortfall", "change", "bought", "sold"})
_TOTALS = frozenset({"total_price", "slippage", "cash"})
_FLOATS = frozenset({"average_entry", "realized", "unrealized", "fees", "profit"})

Instruments = Mapping[str, Instrument] | Instrument


def to_columns(
    values: Iterable[object], *, kind: type | None = None, instruments: Instruments | None = None
) -> dict[str, list[Any]]:
    """Convert values of one kind to a dict of columns, which you can pass to a data frame.

    The kinds are Order, OrderFill, PriceLevel, Quote, Trade, Event, Position, and ProfitPoint. A side becomes
    the string "BUY" or "SELL". Amounts are in lots, prices in ticks, and total prices and cash in ticks times
    lots. All of them are exact integers of any size. The column `fills` of a Quote or a Trade contains the
    number of its fills. To convert the fills themselves, pass `trade.fills`.

    An Event produces one row for each changed amount. The column `change` is positive for an added amount and
    negative for an amount that was removed or filled. So the sum of all changes is the resting amount. An
    amendment produces two rows. The first removes the old order, and the second adds the amended order. The
    column `time` contains timestamps in nanoseconds since 1970, or None for an event without a timestamp.

    A Position has two more columns, `unrealized` and `profit`, which are valued at its last price. The
    profits, the fees, and the average entry price of a Position or a ProfitPoint are floats, correctly
    rounded. The values themselves are exact.

    If the iterable may be empty, pass the class of the values as `kind`. O(m) for m rows.

    With `instruments`, prices, amounts, and total prices are exact Decimals. An average price and a profit
    are floats in the same units. `instruments` maps symbols to Instruments, as `OrderManagement.instruments`
    does, or is one Instrument for all values. An OrderFill, a PriceLevel, or a ProfitPoint does not contain a
    symbol, so for these kinds, pass one Instrument. If orders have been converted to a different tick size or
    lot size, the events before the conversion are in the old ticks and lots. Convert them with the old
    instrument.

    Raises InvalidArgumentError if the values are not all of one of these kinds, if there are no values and
    `kind` is None, or if a value has no instrument in `instruments`.

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
    >>> to_columns(om.depth("JPM", Side.BUY), instruments=Instrument("0.01"))
    {'price': [Decimal('0.21')], 'amount': [Decimal('8')], 'orders': [1]}

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
    lists: Iterable[list[Any]] = map(list, zip(*table, strict=True)) if table else ([] for _ in names)
    columns = dict(zip(names, lists, strict=True))
    if instruments is not None:
        _use_decimals(columns, _instrument_of_each(columns, len(table), instruments))
    for name in _FLOATS & columns.keys():
        columns[name] = [None if value is None else float(value) for value in columns[name]]
    return columns


def _instrument_of_each(columns: dict[str, list[Any]], rows: int, instruments: object) -> list[Instrument]:
    """Return the instrument of each row."""
    if type(instruments) is Instrument:
        return [instruments] * rows
    by_symbol = cast("Mapping[object, object]", instruments)
    if not isinstance(instruments, Mapping):
        allowed = "a mapping of symbols to Instruments, or one Instrument"
        raise InvalidArgumentError("instruments", instruments, allowed)
    if "symbol" not in columns:
        allowed = "one Instrument for values without a symbol"
        raise InvalidArgumentError("instruments", by_symbol, allowed, "pass instruments[symbol]")
    found = [by_symbol.get(symbol) for symbol in columns["symbol"]]
    for symbol, instrument in zip(columns["symbol"], found, strict=True):
        if type(instrument) is not Instrument:
            remedy = "add it to instruments, or call set_instrument(symbol, instrument)"
            raise InvalidArgumentError("symbol", symbol, "a symbol with an instrument", remedy)
    return cast("list[Instrument]", found)


def _use_decimals(columns: dict[str, list[Any]], instruments: list[Instrument]) -> None:
    """Replace ticks and lots with Decimals."""
    for names, convert in (
        (_PRICES, Instrument.to_price),
        (_AMOUNTS, Instrument.to_amount),
        (_TOTALS, Instrument.to_money),
    ):
        for name in names & columns.keys():
            columns[name] = list(map(convert, instruments, columns[name]))
    for name in _FLOATS & columns.keys():
        sizes = (
            Fraction(each.tick) * (1 if name == "average_entry" else Fraction(each.lot))
            for each in instruments
        )
        pairs = zip(columns[name], sizes, strict=True)
        columns[name] = [None if value is None else value * size for value, size in pairs]
    if "average_price" in columns:
        both = zip(columns["total_price"], columns["amount"], strict=True)
        columns["average_price"] = [float(Fraction(total) / Fraction(amount)) for total, amount in both]


def _kind_of(value: object) -> type:
    kind = Event if type(value) in _EVENTS else type(value)
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


def _position(position: Position) -> Iterator[Row]:
    *figures, fees, bought, sold, last_price = position
    yield (*figures, position.unrealized(), fees, position.profit(), bought, sold, last_price)


def _point(point: ProfitPoint) -> Iterator[Row]:
    yield (*point, point.profit)


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
    Position: _Shape(
        (*Position._fields[:6], "unrealized", "fees", "profit", *Position._fields[7:]), _position
    ),
    ProfitPoint: _Shape((*ProfitPoint._fields, "profit"), _point),
}
_EVENTS = KINDS | ENGINE_KINDS
_KINDS = ", ".join(kind.__name__ for kind in _SHAPES)
