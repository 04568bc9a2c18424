"""Prices in a large recorded book, compared with a plain loop over the recorded orders."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from oms import InsufficientLiquidityError, Order, OrderManagement, Side

SNAPSHOT = Path(__file__).parents[3] / "shared/data/coinbase_L2L3_snapshot_2026/l3_snapshot.json.gz"
TICKS, LOTS = 2, 8  # the decimals of a price and of a size

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SNAPSHOT.exists(), reason=f"the recorded snapshot is not at {SNAPSHOT}"),
]


def scaled(text: str, decimals: int) -> int:
    """Return a decimal string as an integer number of its smallest units."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(decimals, "0"))


@pytest.fixture(scope="module")
def orders() -> list[Order]:
    """Return the recorded orders. Their position is their time priority, so it becomes the id."""
    with gzip.open(SNAPSHOT, "rt") as file:
        book = json.load(file)
    rows = [(side, row) for side, name in ((Side.BUY, "asks"), (Side.SELL, "bids")) for row in book[name]]
    return [
        Order(position, "BTC-USD", side, scaled(row[1], LOTS), scaled(row[0], TICKS))
        for position, (side, row) in enumerate(rows)
    ]


@pytest.mark.parametrize(("side", "lots"), [(Side.SELL, 12_060_069_540_717), (Side.BUY, 441_589_717_203)])
def test_prices_in_a_recorded_book_are_exact_for_every_amount_up_to_the_whole_side(
    orders: list[Order], side: Side, lots: int
) -> None:
    om = OrderManagement()
    om.add_orders(orders)
    assert len(om) == 110_606
    sign = 1 if side is Side.BUY else -1
    resting = sorted((sign * o.price, o.order_id, o.amount) for o in orders if o.side is side)
    assert sum(amount for _, _, amount in resting) == lots == om.available_amount("BTC-USD", side)
    amounts = sorted({lots * 10**n // 10**13 or 1 for n in range(14)} | {lots - 1, lots // 3})
    expected = []
    for amount in amounts:
        remaining, total = amount, 0
        for rank, _, available in resting:
            filled = min(remaining, available)
            total += filled * abs(rank)
            remaining -= filled
        expected.append(total)
    assert om.calculate_prices("BTC-USD", side, amounts) == expected
    assert [om.calculate_price("BTC-USD", side, amount) for amount in amounts] == expected
    assert om.quote("BTC-USD", side, lots).total_price == expected[-1]
    for amount, total in zip(amounts, expected, strict=True):
        assert om.calculate_amount("BTC-USD", side, total) == amount
    with pytest.raises(InsufficientLiquidityError) as caught:
        om.calculate_price("BTC-USD", side, lots + 1)
    assert caught.value.available == lots
