"""Tables of trading costs and fills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.table import Table

from oms import InsufficientLiquidityError, OrderManagement, Side, Trade
from oms.cli.style import new_table
from oms.instrument import Instrument, ratio
from oms.palette import name_of

__all__ = ["Cost", "cost_table", "costs", "fill_table"]


class Cost(NamedTuple):
    """The cost (BUY) or proceeds (SELL) of trading `amount` lots.

    `total_price` is in ticks times lots, `best_price` and `worst_price` are in ticks, and `available` is in
    lots. All three prices are None if less than `amount` is available.
    """

    side: Side
    amount: int
    available: int
    total_price: int | None
    best_price: int | None
    worst_price: int | None


def costs(om: OrderManagement, symbol: str, amounts: Iterable[int]) -> Iterator[Cost]:
    """Yield the cost of each amount on each side. Raises InvalidOrderError if an amount is invalid."""
    amounts = tuple(amounts)
    for side in Side:
        for amount in amounts:
            yield _cost(om, symbol, side, amount)


def _cost(om: OrderManagement, symbol: str, side: Side, amount: int) -> Cost:
    try:
        total = om.calculate_price(symbol, side, amount)
    except InsufficientLiquidityError as error:
        return Cost(side, amount, error.available, None, None, None)
    available = om.available_amount(symbol, side)
    # The worst price is the price of the last lot: the total with that lot minus the total without it.
    worst = total - (om.calculate_price(symbol, side, amount - 1) if amount > 1 else 0)
    return Cost(side, amount, available, total, om.best_price(symbol, side), worst)


def cost_table(costs_to_show: Iterable[Cost], units: Instrument) -> Table:
    """Return a table of costs. The slippage column compares the average price with the best price."""
    table = new_table()
    table.add_column("a trade of", no_wrap=True)
    for header in ("amount", "total price", "average", "worst", "slippage\n(bps)"):
        table.add_column(header, justify="right", overflow="fold")
    last = None
    for cost in costs_to_show:
        if last not in (None, cost.side):
            table.add_section()
        last = cost.side
        table.add_row(name_of(cost.side), units.show_amount(cost.amount), *_prices(cost, units))
    return table


def _prices(cost: Cost, units: Instrument) -> tuple[str, ...]:
    if cost.total_price is None or cost.best_price is None or cost.worst_price is None:
        return (f"only {units.show_amount(cost.available)} available",)
    at_best = cost.best_price * cost.amount
    return (
        units.show_total(cost.total_price),
        units.show_average(cost.total_price, cost.amount),
        units.show_price(cost.worst_price),
        ratio(abs(cost.total_price - at_best) * 10_000, at_best, 2),
    )


def fill_table(trade: Trade, units: Instrument) -> Table:
    """Return a table of a trade's fills, best price first, with the totals in the footer."""
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
