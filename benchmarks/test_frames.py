"""How much longer adding orders takes if they come from a data frame with decimal prices.

The baseline is `add_orders` with five lists of 1,000,000 rows that contain ticks and lots already. The frames
contain the same orders with names for the sides and with decimal prices: as floats in pandas, and as text
in an Arrow table. The last workload has 1,000,000 different amounts with eight decimal places, so no
value can be converted for several rows at once.

The time of a frame includes the conversion to orders, all checks, and `add_orders`. Each call runs once. The
time is CPU time, because other processes disturb it less. Only ratios of the same run are compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]  # pyarrow has no type hints

from oms import Instrument, OrderManagement, to_columns
from workloads import SYMBOL, like_a_crowd, timed

ROWS = 1_000_000
SHARE = Instrument("0.01", "1")
COIN = Instrument("0.01", "0.00000001")


def add(columns: Any) -> None:
    OrderManagement().add_orders(columns)


def add_decimals(instrument: Instrument, frame: Any) -> None:
    OrderManagement().add_orders(instrument.orders(frame, symbol=SYMBOL))


def test_a_million_rows_of_a_frame_take_less_than_three_times_as_long_as_plain_lists() -> None:
    lists = to_columns(like_a_crowd(random.Random(1), 0, ROWS))
    sides = [{"BUY": "ask", "SELL": "bid"}[side] for side in lists["side"]]
    decimals = {"order_id": lists["order_id"], "side": sides, "amount": lists["amount"]}
    floats = decimals | {"price": [price / 100 for price in lists["price"]]}
    texts = decimals | {"price": [f"{price / 100:.2f}" for price in lists["price"]]}
    rng = random.Random(2)
    amounts = {"amount": [f"{rng.randint(1, 10**12) / 10**8:.8f}" for _ in range(ROWS)]}
    calls: dict[str, Callable[[], None]] = {
        "pandas, floats": partial(add_decimals, SHARE, pd.DataFrame(floats)),
        "Arrow, text": partial(add_decimals, SHARE, pa.table(texts)),
        "lists, text, different amounts": partial(add_decimals, COIN, texts | amounts),
    }
    baseline = timed(partial(add, lists), clock=process_time)
    ratios = {name: timed(call, clock=process_time) / baseline for name, call in calls.items()}
    print(f"plain lists: {baseline:.2f} s;", {name: f"{ratio:.2f}" for name, ratio in ratios.items()})
    assert max(ratios["pandas, floats"], ratios["Arrow, text"]) <= 3
    assert ratios["lists, text, different amounts"] <= 4
