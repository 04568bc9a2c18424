"""The time in which an account books a fill, compared with the least work: a walk over the same fills.

Four of five orders of the workload are filled. Each fill has two parties, and both are booked.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from oms import Account, CostBasis, Event, FeeSchedule, MatchingEngine, Position, Side
from oms.engine_events import EngineEvent
from workloads import SYMBOL, fastest

FEES = FeeSchedule(maker_bps="-0.5", taker_bps=3)
WALK, FREE, FEE, AVERAGE = range(4)


def session(submissions: int) -> list[EngineEvent]:
    """Return the events of random orders of five owners at seven prices."""
    rng, events = random.Random(1), list[Event]()
    engine = MatchingEngine()
    engine.subscribe(events.append)
    for number in range(submissions):
        side, owner = rng.choice(list(Side)), rng.choice("abcde")
        engine.submit(number, SYMBOL, side, rng.randint(1, 20), 100 + rng.randint(-3, 3), owner=owner)
    return [event for event in events if isinstance(event, EngineEvent)]


def walk(events: Sequence[EngineEvent]) -> int:
    """Add up the amounts of all fills."""
    return sum(fill.amount for event in events for fill in event.fills())


def booked(
    events: Sequence[EngineEvent], fees: FeeSchedule, cost_basis: CostBasis = CostBasis.FIFO
) -> tuple[Position, ...]:
    """Book both parties of all fills, and return the positions."""
    return Account(history=events, fees=fees, cost_basis=cost_basis).positions()


def test_booking_both_parties_of_a_fill_takes_at_most_four_walks_over_the_fills() -> None:
    events = session(3_000)
    fills = sum(1 for event in events for _ in event.fills())
    times = fastest(
        {
            WALK: partial(walk, events),
            FREE: partial(booked, events, FeeSchedule()),
            FEE: partial(booked, events, FEES),
            AVERAGE: partial(booked, events, FEES, CostBasis.AVERAGE),
        },
        turns=9,
    )
    ratios = {name: round(times[name] / times[WALK], 2) for name in (FREE, FEE, AVERAGE)}
    print(f"{len(events)} events, {fills} fills;", "us a fill:", end=" ")
    print({name: round(time / fills * 1e6, 2) for name, time in times.items()}, "ratios:", ratios)
    assert ratios[FREE] < 4
    assert ratios[AVERAGE] < 8
