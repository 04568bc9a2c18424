"""A trade as a table: what each order gave, and the sum."""

from __future__ import annotations

from rich.table import Table

from oms import Trade
from oms.cli.units import Units
from oms.cli.words import new_table

__all__ = ["fill_table"]


def fill_table(trade: Trade, units: Units) -> Table:
    """Lay out the fills of a trade, best first."""
    table = new_table()
    table.show_footer = True
    table.add_column("order", footer="trade, average price", no_wrap=True)
    for header, footer in (
        ("amount", units.show_amount(trade.amount)),
        ("price", units.show_average(trade.total_price, trade.amount)),
        ("cost", units.show_total(trade.total_price)),
    ):
        table.add_column(header, footer=footer, justify="right", overflow="fold")
    for fill in trade.fills:
        table.add_row(
            str(fill.order_id),
            units.show_amount(fill.amount),
            units.show_price(fill.price),
            units.show_total(fill.amount * fill.price),
        )
    return table
