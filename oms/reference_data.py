"""The instruments of an OrderManagement: what a tick and a lot of each symbol are worth.

An instrument never changes a price, an amount, or a sequence number, and setting one is not an event. It says
what the integers in a symbol's books mean. So once it has been set, its sizes cannot change while orders rest
in these books. `convert_orders` changes the sizes and the orders together. In a MatchingEngine, the sizes
also cannot change after the symbol has traded, because the price of the last trade is stored in ticks.

If a transaction sets an instrument and is rolled back, the instrument is rolled back too. See savepoint.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, cast

from oms.books import Books
from oms.columns import to_columns
from oms.conversions import as_bool
from oms.errors import InvalidArgumentError
from oms.events import InstrumentKeeper, Journal, OrdersAdded, OrdersRemoved
from oms.instrument import TICKS_AND_LOTS, Instrument
from oms.ledger import Ledger
from oms.models import MAX_INT, Order, Quote, Trade, check_note, check_symbol, new_order
from oms.shown import Shown
from oms.transaction import Transaction

__all__ = ["Convertible", "ReferenceData", "check_instruments"]


class ReferenceData:
    """The methods that set and return instruments."""

    _ledger: Ledger
    # These are the two values for a MatchingEngine. Convertible has the values for an OrderManagement.
    _when_fixed = "while {0!r} has open orders or has traded"
    _how_to_resize = "before the first trade, cancel the open orders; after it, use a new MatchingEngine"

    def instrument(self, symbol: str) -> Instrument:
        """Return the symbol's instrument. If none was set, its tick size and lot size are 1.

        Raises InvalidOrderError if `symbol` is not a symbol. O(1).

        >>> from oms import Instrument, OrderManagement
        >>> om = OrderManagement(instruments={"JPM": Instrument("0.01", "1")})
        >>> om.instrument("JPM").tick_size, om.instrument("IBM").tick_size
        ('0.01', '1')

        """
        check_symbol(symbol)
        return self.instruments.get(symbol, TICKS_AND_LOTS)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The instruments that were set, by symbol, as a read-only snapshot sorted by symbol."""
        with self._ledger.lock:
            if self._ledger.busy:
                self._ledger.admit(to_read=True)
            return MappingProxyType(self._ledger.books.instruments)

    def in_decimals(self, value: Quote | Trade) -> Shown:
        """Return an object that shows a quote or a trade in decimals, with the symbol's instrument.

        A notebook shows it as a table. The quote or trade itself is shown in ticks and lots.

        Raises InvalidArgumentError unless the value is a Quote or a Trade. O(1).

        >>> from oms import Instrument, OrderManagement, Side
        >>> om = OrderManagement(instruments={"JPM": Instrument("0.01", "1", currency="USD")})
        >>> om.add_order(1, "JPM", Side.BUY, 20, 2005)
        >>> om.in_decimals(om.place_trade("JPM", Side.BUY, 10))
        <Trade 1: BUY JPM, amount 10, total price 200.50 USD, average price 20.0500>

        """
        if type(value) is not Quote and type(value) is not Trade:
            raise InvalidArgumentError("value", value, "a Quote or a Trade")
        return Shown(value, self.instrument(value.symbol))

    def to_columns(
        self, values: Iterable[object], *, kind: type | None = None, decimals: bool = False
    ) -> dict[str, list[Any]]:
        """Convert values of one kind to a dict of columns, in ticks and lots or in decimals.

        With `decimals`, prices, amounts, and totals are exact Decimals in the units of each symbol's
        instrument. Without it, the result is the same as for `oms.to_columns(values, kind=kind)`.

        Raises InvalidArgumentError in the same cases as `oms.to_columns`: for example, with `decimals`, if a
        symbol has no instrument. O(m) for m rows.

        >>> from oms import Instrument, OrderManagement, Side
        >>> om = OrderManagement(instruments={"JPM": Instrument("0.01", "1")})
        >>> om.add_order(1, "JPM", Side.BUY, 20, 2005)
        >>> om.to_columns(om)["price"], om.to_columns(om, decimals=True)["price"]
        ([2005], [Decimal('20.05')])

        """
        if type(decimals) is not bool:
            raise InvalidArgumentError("decimals", decimals, "True or False", as_bool("decimals", decimals))
        return to_columns(values, kind=kind, instruments=self.instruments if decimals else None)

    def set_instrument(self, symbol: str, instrument: Instrument) -> None:
        """Set the instrument of a symbol.

        This changes no order and creates no event. With a journal, the instrument is stored when the method
        returns. Inside a transaction or a what-if, it is rolled back together with the other changes.

        The first instrument of a symbol can be set at any time. After that, its tick size and lot size cannot
        change while orders of the symbol are resting, because their prices and amounts would change too. An
        OrderManagement has `convert_orders` for this case. In a MatchingEngine, the sizes also cannot change
        while a stop order waits, or after the symbol's first trade, because the price of the last trade is
        stored in ticks.

        Raises InvalidArgumentError if an argument is invalid, or if a size would change in one of these
        cases. Raises JournalError if the journal cannot store instruments. O(s log s) for s instruments, plus
        O(n) for n orders in a MatchingEngine.

        >>> from oms import Instrument, OrderManagement, Side
        >>> om = OrderManagement()
        >>> om.set_instrument("JPM", Instrument("0.01", "1"))
        >>> om.add_order(1, "JPM", Side.BUY, 20, om.instrument("JPM").to_ticks("20.05"))
        >>> om.get_order(1).price
        2005

        """
        _check(symbol, instrument)
        self._declare({symbol: instrument})

    def _start(self, journal: Journal | None, instruments: Mapping[str, Instrument] | None) -> None:
        """Set the instruments that were passed to a new OrderManagement. Store them if the journal can."""
        if instruments is not None:
            check_instruments(instruments)
            self._declare(instruments, is_stored=isinstance(journal, InstrumentKeeper))

    def _declare(self, instruments: Mapping[str, Instrument], *, is_stored: bool = True) -> None:
        """Set instruments, all of them or none."""
        ledger = self._ledger
        with ledger.lock:
            if ledger.busy:
                ledger.admit()
            for symbol, instrument in instruments.items():
                before = ledger.books.instruments.get(symbol)
                if before is not None and _resizes(before, instrument) and ledger.books.keeps_sizes(symbol):
                    sizes = f"tick_size {before.tick_size!r} and lot_size {before.lot_size!r}"
                    allowed = f"an Instrument with {sizes} {self._when_fixed.format(symbol)}"
                    remedy = self._how_to_resize.format(symbol)
                    raise InvalidArgumentError("instrument", instrument, allowed, remedy)
            changed = _sorted({**ledger.books.instruments, **instruments})
            if not is_stored:
                ledger.books.instruments = changed
            elif changed != ledger.books.instruments:
                with Transaction(None, ledger, keep=True, note=None):
                    ledger.books.instruments = changed


class Convertible(ReferenceData):
    """The method of OrderManagement that converts resting orders to a different tick size or lot size."""

    _when_fixed = "while orders of {0!r} are resting"
    _how_to_resize = "convert them with convert_orders({!r}, instrument)"

    def convert_orders(self, symbol: str, instrument: Instrument, *, note: str | None = None) -> None:
        """Change the tick size and the lot size of a symbol, and convert its resting orders exactly.

        Each order keeps its id, its decimal price, its decimal amount, and so its place in the queue. If
        orders are resting and a size changes, this is a transaction of two events with the note `note`:
        OrdersRemoved with all orders of the symbol, and OrdersAdded with the converted orders. With a
        journal, the orders and the instrument are stored together.

        Raises InvalidArgumentError if an argument is invalid, if the symbol has no instrument yet, or if a
        price or an amount is not a whole number of the new ticks or lots from 1 to 2^63-1. Raises
        JournalError if the journal cannot store instruments. O(n log n) for n orders of the symbol.

        >>> from oms import Instrument, OrderManagement, Side
        >>> om = OrderManagement(instruments={"JPM": Instrument("0.01", "1")})
        >>> om.add_order(1, "JPM", Side.BUY, 20, 2005)
        >>> om.convert_orders("JPM", Instrument("0.001", "1"))
        >>> om.get_order(1).price, om.instrument("JPM").price_text(om.get_order(1).price)
        (20050, '20.050')

        """
        _check(symbol, instrument)
        check_note(note)
        ledger = self._ledger
        with ledger.lock:
            if ledger.busy:
                ledger.admit()
            before = ledger.books.instruments.get(symbol)
            if before is None:
                remedy = f"call set_instrument({symbol!r}, instrument)"
                raise InvalidArgumentError("symbol", symbol, "a symbol with an instrument", remedy)
            orders = _resting(ledger.books, symbol) if _resizes(before, instrument) else ()
            converted = _converted(orders, before, instrument)
            with Transaction(None, ledger, keep=True, note=note):
                if orders:
                    ledger.commit(OrdersRemoved, orders)
                    ledger.commit(OrdersAdded, converted)
                ledger.books.instruments = _sorted({**ledger.books.instruments, symbol: instrument})


def check_instruments(instruments: object) -> None:
    """Raise InvalidArgumentError unless the value is a mapping of symbols to instruments."""
    if not isinstance(instruments, Mapping):
        raise InvalidArgumentError("instruments", instruments, "a mapping of symbols to Instruments")
    for symbol, instrument in cast("Mapping[object, object]", instruments).items():
        _check(symbol, instrument)


def _check(symbol: object, instrument: object) -> None:
    check_symbol(symbol)
    if type(instrument) is not Instrument:
        raise InvalidArgumentError("instrument", instrument, "an Instrument")


def _sorted(instruments: Mapping[str, Instrument]) -> dict[str, Instrument]:
    return dict(sorted(instruments.items(), key=lambda item: item[0]))


def _resizes(before: Instrument, after: Instrument) -> bool:
    """Return True if the tick size or lot size has a different value. "0.10" and "0.1" are the same."""
    return (before.tick, before.lot) != (after.tick, after.lot)


def _resting(books: Books, symbol: str) -> tuple[Order, ...]:
    return tuple(order for book in books.select(symbol, None) for order in book.orders())


def _converted(orders: Sequence[Order], before: Instrument, after: Instrument) -> tuple[Order, ...]:
    """Return the orders in the ticks and lots of `after`. Raises InvalidArgumentError."""
    ticks, lots = Fraction(before.tick) / Fraction(after.tick), Fraction(before.lot) / Fraction(after.lot)
    converted: list[Order] = []
    for order_id, symbol, side, amount, price in orders:
        new_amount, lot_rest = divmod(amount * lots.numerator, lots.denominator)
        new_price, tick_rest = divmod(price * ticks.numerator, ticks.denominator)
        if lot_rest or tick_rest or max(new_amount, new_price) > MAX_INT:
            shown = f"price {before.price_text(price)}, amount {before.amount_text(amount)}"
            wanted = "a whole price and amount of at most 2^63-1"
            allowed = f"an Instrument in which order {order_id} ({shown}) has {wanted}"
            remedy = f"use om.instrument({symbol!r}).finer(instrument)" if lot_rest or tick_rest else ""
            raise InvalidArgumentError("instrument", after, allowed, remedy)
        converted.append(new_order((order_id, symbol, side, new_amount, new_price)))
    return tuple(converted)
