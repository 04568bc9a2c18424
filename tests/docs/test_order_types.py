"""The page about order types: `submit` accepts every row, and the rows name every term of the engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from oms import (
    CancelReason,
    Execution,
    MatchingEngine,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "order_types.md").read_text(encoding="utf-8")
NAMES = {"PostOnly": PostOnly, "TimeInForce": TimeInForce}


def tables() -> list[list[list[str]]]:
    """Return the cells of each table without its header."""
    blocks = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()[2:]]
        for block in blocks
    ]


ORDERS = {row[0]: row[1].strip("`") for table in tables()[:2] for row in table}


def submit(name: str, *, resting: bool = True) -> Execution:
    """Submit a BUY order of 20 lots with the terms in a row, to a book with an ask of 5 at 101."""
    engine = MatchingEngine()
    if resting:
        engine.submit("ask", "JPM", Side.SELL, 5, 101)
    terms: dict[str, Any] = eval(f"dict({ORDERS[name]})", NAMES)  # noqa: S307 - our own page
    return engine.submit("order", "JPM", Side.BUY, 20, **terms)


def test_every_table_has_rows_of_equal_length() -> None:
    assert [len(table) for table in tables()] == [13, 11, 5, 4]
    assert all(len({len(row) for row in table}) == 1 for table in tables())


def test_both_tables_of_order_types_have_the_same_arguments() -> None:
    first, second = ({row[0]: row[1] for row in table} for table in tables()[:2])
    assert second.items() <= first.items()


@pytest.mark.parametrize(
    ("name", "filled", "resting", "reason"),
    [
        ("limit", 5, 15, None),
        ("market", 5, 0, CancelReason.NO_LIQUIDITY),
        ("market with a price cap", 5, 0, CancelReason.NO_LIQUIDITY),
        ("immediate or cancel", 5, 0, CancelReason.NO_LIQUIDITY),
        ("fill or kill", 0, 0, CancelReason.FILL_OR_KILL),
        ("good till canceled", 5, 15, None),
        ("good till date", 5, 15, None),
        ("day", 5, 15, None),
        ("post-only, canceled if it would trade", 0, 0, CancelReason.POST_ONLY),
        ("post-only, repriced if it would trade", 0, 20, None),
        ("stop", 0, 20, None),
        ("stop-limit", 0, 20, None),
        ("iceberg", 5, 15, None),
    ],
)
def test_the_engine_treats_the_order_as_its_name_says(
    name: str, filled: int, resting: int, reason: CancelReason | None
) -> None:
    execution = submit(name)
    assert (execution.amount, execution.resting, execution.reason) == (filled, resting, reason)


def test_every_order_type_on_the_page_is_tested() -> None:
    mark = test_the_engine_treats_the_order_as_its_name_says.pytestmark[0]  # type: ignore[attr-defined]
    assert [case[0] for case in mark.args[1]] == list(ORDERS)


def test_every_time_in_force_and_post_only_policy_is_on_the_page() -> None:
    for kind in (TimeInForce, PostOnly):
        for member in kind:
            assert f"{kind.__name__}.{member}" in PAGE


def test_every_policy_of_self_trade_prevention_is_in_its_table() -> None:
    assert [row[0].strip("`") for row in tables()[2]] == list(SelfTradePrevention)


def test_the_methods_in_the_table_of_changes_exist() -> None:
    for _, method, *_ in tables()[3]:
        assert callable(getattr(MatchingEngine, method.strip("`")))
