"""The time of each method, measured with pytest-benchmark. Absolute times mean nothing on another machine."""

from __future__ import annotations

import random

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oms import Order, OrderManagement, Side
from workloads import FRESH_ID, SYMBOL, crowd, fresh, like_a_crowd

RESTING = 10_000


@pytest.fixture
def om() -> OrderManagement:
    """Return a crowd of 10,000 orders, about 10 per level."""
    return crowd(RESTING)


def amount_of(om: OrderManagement, k: int) -> int:
    """Return the amount of the k best BUY orders."""
    return sum(order.amount for order in om.orders(SYMBOL, Side.BUY)[:k])


@pytest.mark.parametrize("k", [1, 10, 100, 1000])
def test_calculate_price(benchmark: BenchmarkFixture, om: OrderManagement, k: int) -> None:
    amount = amount_of(om, k)
    assert benchmark(om.calculate_price, SYMBOL, Side.BUY, amount) > 0


def test_add_order_and_remove_order(benchmark: BenchmarkFixture, om: OrderManagement) -> None:
    orders = fresh(random.Random(2), 1000)

    def run() -> None:
        for order in orders:
            om.add_order(*order)
        for order in orders:
            om.remove_order(order.order_id)

    benchmark(run)
    assert len(om) == RESTING


def test_place_trade_over_about_ten_orders(benchmark: BenchmarkFixture) -> None:
    def book() -> tuple[tuple[OrderManagement], dict[str, object]]:
        return (crowd(RESTING),), {}

    def run(om: OrderManagement) -> int:
        return sum(om.place_trade(SYMBOL, Side.BUY, 505).amount for _ in range(100))

    traded = benchmark.pedantic(run, setup=book, rounds=5)
    assert traded == 50_500


def test_add_orders_in_bulk(benchmark: BenchmarkFixture) -> None:
    orders: list[Order] = like_a_crowd(random.Random(2), FRESH_ID, 100_000)

    def empty() -> tuple[tuple[OrderManagement], dict[str, object]]:
        return (OrderManagement(),), {}

    benchmark.pedantic(lambda om: om.add_orders(orders), setup=empty, rounds=3)
