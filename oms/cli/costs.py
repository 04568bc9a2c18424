"""Tables of the cost of amounts, and of the fills of a trade."""

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
    """What `amount` lots would cost (BUY) or raise (SELL), in ticks times lots, of the `available` that rest.

    The three prices are None where less is available than the amount.
    """

    side: Side
    amount: int
    available: int
    total_price: int | None
    best_price: int | None
    worst_price: int | None


def costs(om: OrderManagement, symbol: str, amounts: Iterable[int]) -> Iterator[Cost]:
    """Yield the cost of each amount on each side; raises InvalidOrderError."""
    wanted = tuple(amounts)
    for side in Side:
        for amount in wanted:
            yield _cost(om, symbol, side, amount)


def _cost(om: OrderManagement, symbol: str, side: Side, amount: int) -> Cost:
    try:
        total = om.calculate_price(symbol, side, amount)
    except InsufficientLiquidityError as error:
        return Cost(side, amount, error.available, None, None, None)
    available = om.available_amount(symbol, side)
    # The last lot has the worst price: the cost of the amount minus the cost of one lot less.
    worst = total - (om.calculate_price(symbol, side, amount - 1) if amount > 1 else 0)
    return Cost(side, amount, available, total, om.best_price(symbol, side), worst)


def cost_table(answers: Iterable[Cost], units: Instrument) -> Table:
    """Lay the answers out, with how much worse than the best price the average is, in 1/100 of a per cent."""
    table = new_table()
    table.add_column("a trade of", no_wrap=True)
    for header in ("amount", "total price", "average", "worst", "slippage\n(bps)"):
        table.add_column(header, justify="right", overflow="fold")
    last = None
    for answer in answers:
        if last not in (None, answer.side):
            table.add_section()
        last = answer.side
        table.add_row(name_of(answer.side), units.show_amount(answer.amount), *_answer(answer, units))
    return table


def _answer(cost: Cost, units: Instrument) -> tuple[str, ...]:
    if cost.total_price is None or cost.best_price is None or cost.worst_price is None:
        return (f"only {units.show_amount(cost.available)} rest",)
    at_best = cost.best_price * cost.amount
    return (
        units.show_total(cost.total_price),
        units.show_average(cost.total_price, cost.amount),
        units.show_price(cost.worst_price),
        ratio(abs(cost.total_price - at_best) * 10_000, at_best, 2),
    )


def fill_table(trade: Trade, units: Instrument) -> Table:
    """Lay out what each order gave to a trade, best first, and the sum."""
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
