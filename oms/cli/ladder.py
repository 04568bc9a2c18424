"""The ladder: a table of the best price levels of both books, with the spread in the middle."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from oms import OrderManagement, PriceLevel, Side
from oms.cli.style import STYLE_OF, new_table
from oms.instrument import Instrument
from oms.palette import name_of

__all__ = ["Bar", "ladder"]

_WIDEST_BAR = 40
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Bar:
    """A bar whose length is proportional to `value / of`. ASCII-only terminals show '#'."""

    def __init__(self, value: int, of: int, style: str) -> None:
        self.value = value
        self.of = of
        self.style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        eighths = max(1, self.value * options.max_width * 8 // self.of)
        whole, part = divmod(eighths, 8)
        drawn = _EIGHTHS[8] * whole + _EIGHTHS[part].strip()
        yield Segment("#" * (whole or 1) if options.ascii_only else drawn, Style.parse(self.style))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(4, min(_WIDEST_BAR, options.max_width))


def ladder(om: OrderManagement, symbol: str, units: Instrument, levels: int = 10) -> Table:
    """Return a table of the best levels of both books, with asks above the spread and bids below it."""
    books = {side: om.depth(symbol, side) for side in Side}
    shown = {side: books[side][:levels] for side in Side}
    widest = max((level.amount for side in Side for level in shown[side]), default=1)
    table = new_table()
    table.add_column("book", no_wrap=True)
    for header in ("price", "orders", "amount"):
        table.add_column(header, justify="right", overflow="fold")
    table.add_column("")
    _add_rest(table, books[Side.BUY][levels:], units)
    _add_levels(table, Side.BUY, shown[Side.BUY][::-1], widest, units)
    table.add_row("spread", _spread(books, units), style="bold")
    _add_levels(table, Side.SELL, shown[Side.SELL], widest, units)
    _add_rest(table, books[Side.SELL][levels:], units)
    return table


def _add_levels(
    table: Table, side: Side, levels: tuple[PriceLevel, ...], widest: int, units: Instrument
) -> None:
    style = STYLE_OF[side]
    for level in levels:
        table.add_row(
            name_of(side),
            Text(units.show_price(level.price), style),
            f"{level.orders:,}",
            units.show_amount(level.amount),
            Bar(level.amount, widest, style),
        )
    if not levels:
        table.add_row(name_of(side), "nothing")


def _add_rest(table: Table, rest: tuple[PriceLevel, ...], units: Instrument) -> None:
    if rest:
        orders = sum(level.orders for level in rest)
        amount = sum(level.amount for level in rest)
        table.add_row(f"{len(rest):,} more", "", f"{orders:,}", units.show_amount(amount), style="dim")


def _spread(books: dict[Side, tuple[PriceLevel, ...]], units: Instrument) -> str:
    asks, bids = books[Side.BUY], books[Side.SELL]
    return units.show_price(asks[0].price - bids[0].price) if asks and bids else "none"
