"""The scenarios of the exchange-core project that concern order books, run from its feature file.

Steps about balances and reserve prices are skipped: a matching engine has neither. An order moved to another
price is `replace`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from oms import OrderFill, OrderNotFoundError, Side
from oms.matching import MatchingEngine
from oms.submission import TimeInForce
from support.recordings import DATA

FEATURE = DATA / "exchange_core" / "basic.feature"
SIDES = {"BID": Side.BUY, "ASK": Side.SELL}

Table = list[list[str]]


@dataclass
class Scenario:
    """The steps of a scenario, each with its table."""

    name: str
    steps: list[tuple[str, Table]] = field(default_factory=list)


def scenarios(path: Path) -> Iterator[Scenario]:
    """Yield the scenarios of a feature file. An outline is repeated for each row of its examples."""
    for block in re.split(r"\n\s*Scenario(?: Outline)?: ", path.read_text())[1:]:
        body, _, examples = re.sub(r"\n\s*@\w+\s*$", "", block).partition("Examples:")
        names, *rows = [cells(line) for line in examples.splitlines() if "|" in line] or [[], []]
        for row in rows:
            yield parsed(body, dict(zip(names, row, strict=True)))


def parsed(body: str, example: dict[str, str]) -> Scenario:
    for name, value in example.items():
        body = body.replace(f"<{name}>", value)
    title, *lines = body.splitlines()
    scenario = Scenario(" ".join([title, *example.values()]))
    for line in map(str.strip, lines):
        if line.startswith("|"):
            scenario.steps[-1][1].append(cells(line))
        elif line:
            scenario.steps.append((re.sub(r"^(Given|When|Then|And) ", "", line), []))
    return scenario


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


class Exchange:
    """An engine, and the fills of the last order, which the next step checks."""

    def __init__(self) -> None:
        self.engine = MatchingEngine()
        self.fills: list[OrderFill[int | str]] = []

    def place(
        self, owner: str, side: str, order_id: str, price: str, amount: str, kind: str, symbol: str
    ) -> None:
        execution = self.engine.submit(
            int(order_id),
            symbol,
            SIDES[side],
            int(amount),
            int(price),
            time_in_force=TimeInForce(kind),
            owner=owner,
        )
        self.fills = list(execution.fills)

    def move(self, price: str, order_id: str) -> None:
        self.fills = list(self.engine.replace(int(order_id), price=int(price)).fills)

    def cancel(self, amount: str, order_id: str) -> None:
        assert self.engine.cancel(int(order_id)).remaining == int(amount)

    def check_fill(self, order_id: str, how: str, price: str, amount: str) -> None:
        assert self.fills == [(int(order_id), int(amount), int(price))]
        if how == "partially":
            assert self.engine.order(int(order_id)).remaining > 0
        else:
            with pytest.raises(OrderNotFoundError):
                self.engine.order(int(order_id))

    def check_no_fill(self) -> None:
        assert self.fills == []

    def check_book(self, symbol: str, table: Table) -> None:
        """Check the levels of a book. The columns are bid, price, and ask, from the highest price down."""
        rows = [row for row in table if row[1] != "price"]
        asks = self.engine.depth(symbol, Side.BUY)[::-1]
        bids = self.engine.depth(symbol, Side.SELL)
        expected = [["", str(level.price), str(level.amount)] for level in asks]
        expected += [[str(level.amount), str(level.price), ""] for level in bids]
        assert rows == expected

    def check_orders(self, owner: str, table: Table) -> None:
        header, *rows = table
        for row in rows:
            values = dict(zip(header, row, strict=True))
            state = self.engine.order(int(values["id"]))
            assert state.order.owner == owner
            assert state.order.side is SIDES[values["side"]]
            assert (state.price, state.order.amount, state.filled) == (
                int(values["price"]),
                int(values["size"]),
                int(values["filled"]),
            )

    def check_no_orders(self, owner: str) -> None:
        assert self.engine.cancel_all(owner=owner) == ()


STEPS: dict[str, Callable[..., None]] = {
    r"A client (\w+) places an (BID|ASK) order (\d+) at (\d+)@(\d+) "
    r"\(type: (\w+), symbol: (\w+)(?:, reservePrice: \d+)?\)": Exchange.place,
    r"A client \w+ moves a price to (\d+) of the order (\d+)": Exchange.move,
    r"A client \w+ cancels the remaining size (\d+) of the order (\d+)": Exchange.cancel,
    r"The order (\d+) is (partially|fully) matched. LastPx: (\d+), LastQty: (\d+)": Exchange.check_fill,
    r"No trade events": Exchange.check_no_fill,
    r"An (\w+) order book is:": Exchange.check_book,
    r"A client (\w+) orders:": Exchange.check_orders,
    r"A client (\w+) does not have active orders": Exchange.check_no_orders,
    r"New client \w+ has a balance:|A balance of a client \w+:": lambda *_: None,
}
WITH_TABLE = (Exchange.check_book, Exchange.check_orders)


@pytest.mark.skipif(not FEATURE.is_file(), reason=f"the scenarios are not at {FEATURE}")
def test_the_scenarios_of_another_exchange_give_its_books_and_its_fills() -> None:
    names: list[str] = []
    for scenario in scenarios(FEATURE):
        exchange = Exchange()
        for text, table in scenario.steps:
            [(step, match)] = [
                (step, match) for pattern, step in STEPS.items() if (match := re.fullmatch(pattern, text))
            ]
            step(exchange, *match.groups(), *([table] if step in WITH_TABLE else []))
            exchange.engine._check()
        names.append(scenario.name)
    assert names == [
        "basic full cycle test EUR_USD",
        "basic full cycle test ETH_XBT",
        "cancel BID order",
    ]
