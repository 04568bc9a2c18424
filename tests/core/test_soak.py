"""Memory use of a long-running process: removed and filled orders leave no memory behind."""

from __future__ import annotations

import gc
import random
import tracemalloc

import pytest

from oms import OrderManagement, Side

CALLS, RESTING = 1_000_000, 1_000


def churn(om: OrderManagement, rng: random.Random, first_id: int, calls: int) -> None:
    """Add, trade, and remove orders at random, with about RESTING orders in the book."""
    ids = [order.order_id for order in om]
    for order_id in range(first_id, first_id + calls):
        side = rng.choice((Side.BUY, Side.SELL))
        if len(om) < RESTING:
            om.add_order(order_id, rng.choice("ABC"), side, rng.randint(1, 100), rng.randint(1, 200))
            ids.append(order_id)
        elif order_id % 2:
            symbol = rng.choice("ABC")
            best = om.depth(symbol, side, 2)
            om.place_trade(symbol, side, max(1, sum(level.amount for level in best) - 1))
        else:
            while (removable_id := ids.pop(rng.randrange(len(ids)))) not in om:
                pass
            om.remove_order(removable_id)


@pytest.mark.soak
def test_memory_does_not_grow_over_a_million_calls() -> None:
    om, rng = OrderManagement(), random.Random(1)
    tracemalloc.start()
    memory = []
    for quarter in range(4):
        churn(om, rng, quarter * CALLS, CALLS // 4)
        gc.collect()
        memory.append(tracemalloc.get_traced_memory()[0])
        om._check()
        assert set(om._books.orders) == {order.order_id for order in om}
    tracemalloc.stop()
    assert max(memory[1:]) < 1.1 * memory[0], "only resting orders may use memory"
