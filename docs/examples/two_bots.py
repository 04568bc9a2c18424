"""A market maker and a trader on one venue, whose profits survive `kill -9`.

The bots remember nothing. Everything that they need is in the journal: the open orders, the fills, and the
number of the last step. Each step is one transaction, so after a crash it has happened completely or not at
all. Run it with `python docs/examples/two_bots.py [FILE]`, kill it, and run it again.
"""

from __future__ import annotations

import sys
from itertools import accumulate
from random import Random

from oms import Account, MatchingEngine, SelfTradePrevention, Side, TimeInForce, journal

SYMBOL = "XYZ"
STEPS = 500


def random_walk(steps: int, seed: int = 7) -> list[int]:
    """Return the prices on another market (ticks), which both bots see. They are a random walk."""
    random = Random(seed).random
    return list(accumulate((int(random() * 7) - 3 for _ in range(steps)), initial=10_000))


# The market maker:


def make_market(engine: MatchingEngine, account: Account, price: int) -> None:
    """Quote 10 lots on both sides, 4 ticks from the price, and lower if the bot has bought more."""
    middle = price - account.position(SYMBOL, "maker").amount // 10
    for side in Side:
        order_id, quote = f"maker-{side}", middle - side.sign * 4
        if order_id in engine:
            engine.replace(order_id, amount=10, price=quote)
        else:
            engine.submit(order_id, SYMBOL, side, 10, quote, owner="maker")


# The trader:


def follow_trend(engine: MatchingEngine, account: Account, prices: list[int]) -> None:
    """Buy if the price has risen in the last 10 steps, else sell, and hold at most 40 lots."""
    side = Side.BUY if prices[-1] > prices[-11:][0] else Side.SELL
    position = side.sign * account.position(SYMBOL, "trader").amount
    best = engine.best_price(SYMBOL, side)
    if position < 40 and best is not None:
        terms = (f"trader-{len(prices)}", SYMBOL, side, min(5, 40 - position), best)
        engine.submit(*terms, time_in_force=TimeInForce.IOC, owner="trader")


# The program:


def run(file: str, steps: int = STEPS) -> None:
    """Continue after the last step in the journal, and print the profits after every 50th step."""
    policy = SelfTradePrevention.CANCEL_OLDEST  # a new quote may meet the bot's own old quote
    prices = random_walk(steps)
    with journal.open_engine(file, self_trade_prevention=policy, clock=None) as engine:
        assert engine.journal is not None
        events = list(engine.journal.read())
        account = Account(engine, history=events)
        done = int(events[-1].note or 0) if events else 0
        show(account, done, prices[done])
        for step in range(done + 1, steps + 1):
            with engine.transaction(note=str(step)):
                make_market(engine, account, prices[step])
                follow_trend(engine, account, prices[: step + 1])
            if step % 50 == 0:
                show(account, step, prices[step])


def show(account: Account, step: int, price: int) -> None:
    """Print the profits in ticks times lots, with the positions valued at the price."""
    maker, trader = (account.position(SYMBOL, owner).profit(mark=price) for owner in ("maker", "trader"))
    print(f"step {step}: the maker has {maker:+,}, and the trader has {trader:+,}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1] if len(sys.argv) > 1 else "two_bots.db")
