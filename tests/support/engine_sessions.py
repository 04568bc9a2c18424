"""Random sessions of commands of a matching engine, for the functions of `support.sessions`."""

from __future__ import annotations

import random
from functools import partial

from oms import (
    Instrument,
    MatchingEngine,
    OmsError,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
    journal,
)
from oms.submission import OrderId, Submission
from support.sessions import UNITS, Command, Kind

__all__ = ["ENGINE", "engine_session", "submission"]

HUGE = 2**63 - 1
POLICY = SelfTradePrevention.DECREMENT
"""The policy of every engine of a session. It reduces and cancels resting orders."""

SYMBOLS = ("JPM", "日経 \0")


def order_key(number: int) -> OrderId:
    """Return the id of an order: a string, a negative int, or an int of more than 64 bits."""
    return (f"order {number} \0 ' ü", -number, 2**200 + number)[number % 3]


def submission(rng: random.Random, number: int) -> Submission:
    """Return random terms that do not contradict each other."""
    price = rng.choice((None, *[rng.randint(1, 9) for _ in range(8)], HUGE))
    time_in_force = rng.choice((*TimeInForce, *[TimeInForce.GTC] * 4))
    stop_price = rng.randint(1, 9) if rng.random() < 0.25 else None
    amount = rng.choice((*[rng.randint(1, 40) for _ in range(15)], HUGE))
    tips = (None, HUGE - 1) if amount == HUGE else (None, 1, 5)  # a huge order is refilled once at most
    may_rest = price is not None and time_in_force not in (TimeInForce.IOC, TimeInForce.FOK)
    return Submission(
        order_key(number),
        rng.choice(SYMBOLS),
        rng.choice(list(Side)),
        amount,
        price,
        time_in_force,
        rng.choice((None, None, None, *PostOnly)) if may_rest and stop_price is None else None,
        rng.choice((None, "Ann", "日経 \0 ' ü")),
        rng.choice(tips) if may_rest else None,
        stop_price,
        rng.randint(1, 9) if time_in_force is TimeInForce.GTD else None,
    )


def engine_session(seed: int, length: int) -> list[Command]:
    """Return random commands of every kind. The same seed gives the same commands."""
    rng = random.Random(seed)
    return [_command(rng, number) for number in range(1, length + 1)]


def _command(rng: random.Random, number: int) -> Command:
    order, other = submission(rng, number), submission(rng, number + 10_000)
    some_id, other_id = (order_key(rng.randint(max(1, number - 9), number)) for _ in range(2))
    amount, price, now = rng.choice((None, 7)), rng.randint(1, 9), rng.randint(1, 5)
    symbol, side, owner = rng.choice(SYMBOLS), rng.choice((None, Side.BUY)), rng.choice(("Ann", None))
    commands: list[Command] = [
        partial(_submit, order=order),
        lambda engine: engine.replace(some_id, amount=amount, price=price),
        lambda engine: engine.reduce(some_id, now),
        lambda engine: engine.cancel(some_id),
        lambda engine: engine.cancel_all(symbol, side, owner),
        lambda engine: engine.expire(now),
        lambda engine: engine.end_day(symbol),
        lambda engine: engine.set_instrument(f"{symbol}{number % 5}", UNITS[number % len(UNITS)]),
        partial(_basket, order=order, other=other, some_id=some_id, note=f"retry {number} \0 ' ü"),
        partial(_failing_basket, order=order, other_id=other_id),
    ]
    return rng.choices(commands, (9, 2, 1, 1, 0.3, 0.3, 0.3, 0.5, 3, 0.5))[0]


def _submit(engine: MatchingEngine, order: Submission) -> None:
    engine.submit(**order._asdict())


def _basket(
    engine: MatchingEngine, order: Submission, other: Submission, some_id: OrderId, note: str
) -> None:
    """Submit two orders in a transaction, with a what-if and a failing transaction inside it."""
    with engine.transaction(note):
        _submit(engine, order)
        with engine.what_if():
            engine.cancel_all(order.symbol)
            with engine.transaction("provisional"):
                _submit(engine, other)
        try:
            with engine.transaction("rolled back"):
                _submit(engine, other)
                engine.replace(other.order_id, amount=HUGE)
                engine.cancel("never")
        except OmsError:
            pass
        if some_id in engine:
            engine.replace(some_id, amount=3)
        _submit(engine, other)
        engine.set_instrument("IBM", Instrument("0.5"))


def _failing_basket(engine: MatchingEngine, order: Submission, other_id: OrderId) -> None:
    with engine.transaction("never committed"):
        engine.end_day()
        _submit(engine, order)
        engine.cancel_all(order.symbol, order.side.opposite)
        engine.cancel(other_id)
        engine.cancel(other_id)  # raises OrderNotFoundError


def _add(engine: MatchingEngine, number: int) -> None:
    engine.submit(number, "IBM", Side.SELL, 1, 1)


ENGINE = Kind(
    "engine",
    partial(journal.open_engine, self_trade_prevention=POLICY),
    partial(MatchingEngine, self_trade_prevention=POLICY),
    engine_session,
    _add,
)
