"""`oms demo`: a tour of the command and the library, without any files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from rich.console import Console

from oms import OrderManagement, Side
from oms.cli.costs import cost_table, costs, fill_table
from oms.cli.exit_codes import ExitCode
from oms.cli.ladder import ladder
from oms.cli.progress import Driven, drive
from oms.cli.style import heading, new_console, new_table
from oms.cli.summary import summary, verdict
from oms.cli.synthetic_session import write_session
from oms.feeds import lobster

__all__ = ["demo"]

_UNITS = lobster.UNITS
_AMOUNTS = (1, 100, 1_000, 5_000, 1_000_000)
_TO_TRADE = 700


def demo() -> None:
    """Show what oms can do, using a synthetic session: exact prices, a replay, the ladder, and a trade."""
    console = new_console()
    console.print(heading("1. The four methods"))
    _worked_example(console)
    console.print(heading("2. A synthetic session, replayed from a LOBSTER file"))
    driven = _replay()
    console.print(summary(driven.report))
    console.print(verdict(driven.report))
    console.print()
    console.print(heading(f"3. The books of {driven.symbol} at the end of the session"))
    console.print(ladder(driven.om, driven.symbol, _UNITS, levels=6))
    console.print(heading("4. The cost of a trade"))
    console.print(cost_table(costs(driven.om, driven.symbol, _AMOUNTS), _UNITS))
    console.print(heading(f"5. A trade: BUY {_TO_TRADE}"))
    _trade(console, driven)
    if not driven.report.agrees:
        raise typer.Exit(ExitCode.DISAGREES)


def _worked_example(console: Console) -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    om.add_order(4, "JPM", Side.BUY, 10, 21)
    table = new_table()
    table.add_column("call", no_wrap=True)
    table.add_column("result", justify="right")
    table.add_column("")
    table.add_row('add_order(1, "JPM", BUY, 20, 20)', "", "adds 20 lots at a price of 20")
    table.add_row('add_order(4, "JPM", BUY, 10, 21)', "", "adds 10 lots at a price of 21")
    for amount, why in ((20, "20 x 20"), (10, "10 x 20"), (22, "20 x 20 + 2 x 21")):
        cost = om.calculate_price("JPM", Side.BUY, amount)
        table.add_row(f'calculate_price("JPM", BUY, {amount})', str(cost), why)
    trade = om.place_trade("JPM", Side.BUY, 22)
    remaining = "; ".join(f"{order.amount} of order {order.order_id} remain" for order in om)
    table.add_row('place_trade("JPM", BUY, 22)', str(trade.total_price), remaining)
    console.print(table)


def _replay() -> Driven:
    with TemporaryDirectory() as folder:
        return drive(lobster.read(write_session(Path(folder))), unknown="seed")


def _trade(console: Console, driven: Driven) -> None:
    om, symbol = driven.om, driven.symbol
    calculated = om.calculate_price(symbol, Side.BUY, _TO_TRADE)
    trade = om.place_trade(symbol, Side.BUY, _TO_TRADE)
    console.print(fill_table(trade, _UNITS))
    expected, paid = _UNITS.show_total(calculated), _UNITS.show_total(trade.total_price)
    console.print(f"calculate_price returned {expected}; place_trade cost {paid}.")
