"""A study of trading costs over many recordings, on all processors.

What does it cost to buy 500 lots, compared with the mid price, at each minute of each day? The program writes
the recordings of four days from a seed, so every run is the same. Your own study replaces `write_day`.
Run it with `python docs/examples/cost_study.py`.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import NamedTuple

from oms import Side
from oms.feeds import ReplayUnit, UnitReplay, replay_many

AMOUNT = 500


class Costs(NamedTuple):
    """The slippage of one day, in ticks for the whole amount, at the minutes with enough liquidity."""

    minutes: int
    mean: Fraction
    worst: Fraction


def slippage_per_minute(run: UnitReplay) -> Costs:
    """Return the slippage of buying `AMOUNT` lots. A worker process calls this for each day."""
    [symbol] = run.symbols
    slippages: list[Fraction] = []
    for _ in run.every(seconds=60):
        mid = run.om.top(symbol).mid
        quote = run.om.quote(symbol, Side.BUY, AMOUNT, allow_partial=True) if mid else None
        if mid is not None and quote is not None and not quote.shortfall:
            slippages.append(quote.slippage_against(mid))
    return Costs(len(slippages), sum(slippages, Fraction()) / len(slippages), max(slippages))


def write_day(path: Path, seed: int, events: int = 3_000) -> None:
    """Write a recording in the format of LOBSTER: orders arrive around a price, and are canceled."""
    rng, resting = Random(seed), dict[int, str]()
    with path.open("w") as file:
        for number in range(events):
            time = f"{34_200 + number}.{rng.randrange(10**9):09}"
            if len(resting) > 200 or (resting and rng.random() < 0.4):
                file.write(f"{time},3,{resting.pop(rng.choice(list(resting)))}\n")
                continue
            direction = rng.choice((-1, 1))  # -1 = ask, 1 = bid
            price = 1_000_000 - direction * 100 * (1 + int(rng.expovariate(0.2)))
            order = f"{number},{10 * rng.randrange(1, 20)},{price},{direction}"
            resting[number] = order
            file.write(f"{time},1,{order}\n")


def main() -> None:
    """Write four days, replay them, and print a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        days = [Path(folder, f"XYZ_2020-01-0{day}_34200000_57600000_message_50.csv") for day in (2, 3, 6, 7)]
        for seed, path in enumerate(days):
            write_day(path, seed)
        for result in replay_many([ReplayUnit(path) for path in days], slippage_per_minute):
            costs = result.value
            day = Path(result.unit.name).name.split("_")[1]
            print(
                f"{day}: {costs.minutes} minutes, slippage {float(costs.mean):,.0f} on average, "
                f"{float(costs.worst):,.0f} at worst"
            )


if __name__ == "__main__":  # worker processes import this file, and must not run main again
    main()
