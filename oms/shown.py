"""A quote or a trade in decimals, for terminals and notebooks."""

from __future__ import annotations

from oms import display
from oms.instrument import Instrument, ratio
from oms.models import Quote, Trade

__all__ = ["Shown", "price_label"]


class Shown:
    """A quote or a trade with the instrument in whose decimals it is shown.

    >>> from oms import OrderManagement, Side
    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 20, 2005)
    >>> Shown(om.place_trade("JPM", Side.BUY, 10), Instrument("0.01"))
    <Trade 1: BUY JPM, amount 10, total price 200.50, average price 20.0500>

    """

    def __init__(self, value: Quote | Trade, instrument: Instrument) -> None:
        self.value = value
        self.instrument = instrument

    def _caption(self) -> str:
        value = self.value
        kind = f"Trade {value.trade_id}" if isinstance(value, Trade) else "Quote"
        return f"{kind}: {value.side} {value.symbol}"

    def _figures(self) -> list[tuple[str, str]]:
        value, unit = self.value, self.instrument
        whole = [
            ("amount", unit.show_amount(value.amount)),
            ("total price", unit.show_money(value.total_price)),
            ("average price", unit.show_average(value.total_price, value.amount)),
        ]
        if isinstance(value, Trade):
            return whole
        at_best = value.amount * value.best_price
        return [
            ("requested", unit.show_amount(value.requested)),
            *whole,
            ("shortfall", unit.show_amount(value.shortfall)),
            ("best price", unit.show_price(value.best_price)),
            ("worst price", unit.show_price(value.worst_price)),
            ("price levels", f"{value.levels:,}"),
            ("slippage", unit.show_money(value.slippage)),
            ("slippage (bps)", ratio(10_000 * value.slippage, at_best, 2)),
        ]

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {display.shortened(text)}" for name, text in self._figures())
        return f"<{display.shortened(self._caption())}, {figures}>"

    def _repr_html_(self) -> str:
        fills, unit = self.value.fills, self.instrument
        rows = [
            (f"order {order_id}", unit.show_amount(amount), unit.show_price(price))
            for order_id, amount, price in fills[: display.SHOWN]
        ]
        header = ("", "amount", price_label(unit))
        return display.tables(self._caption(), self._figures(), header, rows, len(fills))


def price_label(instrument: Instrument) -> str:
    """Return the heading of a column of prices in decimals.

    >>> price_label(Instrument("0.01", currency="USD")), price_label(Instrument("0.01"))
    ('price (USD)', 'price')

    """
    return "price" if instrument.currency is None else f"price ({instrument.currency})"
