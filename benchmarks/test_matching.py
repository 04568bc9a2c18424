"""The time of a matching engine, compared with the elementary operations that it makes.

Workload: 10,000 open orders of 1 to 100 random lots, at ten prices per side, which do not cross. Then:

- The stream: 30 % new orders, of which one in ten crosses the spread, about 25 % cancels, and about 45 %
  replacements, each with a new price and a new amount. There is no cancel while fewer orders are open.
- One verb at a time: 500 orders that rest, replace these, cancel these, and take 10 orders of 1 lot.

Every elementary operation adds an order, removes one, or places a trade. A second run makes the same
operations without an engine, by `add_order`, `remove_order`, and `place_trade`. So the ratio of the two times
is the cost of matching: ids of the submitters, arrival numbers, executions, and the decision what to do.

The two runs take turns, part by part, and the fastest turn of each part counts. The times are those of the
processor, so other processes hardly affect them. All ids are ints. Garbage collection is off, as in the other
benchmarks.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from time import process_time
from typing import NamedTuple

from oms import Event, MatchingEngine, OrderAdded, OrderManagement, OrderRemoved, Side, TradePlaced
from oms.engine_events import EngineEvent
from workloads import SYMBOL, short_collections, timed

OPEN, MESSAGES, PART, ROUNDS = 10_000, 200_000, 10_000, 3
BATCH, BATCHES = 500, 40
BUY, SELL = Side.BUY, Side.SELL


class Message(NamedTuple):
    """A call of an engine or of an OrderManagement. The verb does not use every field."""

    verb: str
    order_id: int
    side: Side = BUY
    amount: int = 0
    price: int = 0


class Part(NamedTuple):
    """Messages for an engine, and the elementary operations that the engine makes for them."""

    messages: list[Message]
    operations: list[Message]


class Stream:
    """A deterministic stream of messages. Its own engine says which orders are open."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._engine = MatchingEngine()
        self._engine.subscribe(self._record)
        self._operations: list[Message] = []
        self._ids: list[int] = []
        self._next_id = 1

    def part(self, messages: Iterator[Message]) -> Part:
        """Send messages to the engine, and return them with their elementary operations."""
        self._operations, sent = [], []
        for message in messages:
            run_engine(self._engine, [message])
            sent.append(message)
        return Part(sent, self._operations)

    def orders(self, count: int) -> Iterator[Message]:
        """Yield new orders that rest."""
        return (self.order() for _ in range(count))

    def mixed(self, count: int) -> Iterator[Message]:
        """Yield messages of all kinds."""
        for _ in range(count):
            chance = self._random.random()
            if chance < 0.3:
                yield self.order(crosses=chance < 0.03)
            elif chance < 0.55 and len(self._engine) >= OPEN:
                yield Message("cancel", self._pick())
            else:
                yield self.replacement(self._pick())

    def order(self, *, crosses: bool = False) -> Message:
        """Return a new order, whose price crosses the spread or does not."""
        side = self._random.choice((BUY, SELL))
        return self.new(side, *self._terms(side.opposite if crosses else side))

    def new(self, side: Side, amount: int, price: int) -> Message:
        """Return a new order with the next id."""
        order_id, self._next_id = self._next_id, self._next_id + 1
        self._ids.append(order_id)
        return Message("submit", order_id, side, amount, price)

    def replacement(self, order_id: int) -> Message:
        """Return a message that replaces an open order."""
        self._ids.append(order_id)
        side = self._engine.order(order_id).order.side
        return Message("replace", order_id, side, *self._terms(side))

    def _terms(self, side: Side) -> tuple[int, int]:
        distance = self._random.randrange(10)
        return self._random.randint(1, 100), 9_490 - distance if side is BUY else 9_510 + distance

    def _pick(self) -> int:
        """Return the id of a random open order, and forget it."""
        ids = self._ids
        while True:
            at = self._random.randrange(len(ids))
            ids[at], ids[-1] = ids[-1], ids[at]
            order_id = ids.pop()
            if order_id in self._engine:
                return order_id

    def _record(self, event: Event) -> None:
        assert isinstance(event, EngineEvent)
        for kind, subject in event.changes:
            if kind is OrderAdded:
                order_id, _, side, amount, price = subject
                self._operations.append(Message("add_order", order_id, side, amount, price))
            elif kind is OrderRemoved:
                self._operations.append(Message("remove_order", subject[0]))
            elif kind is TradePlaced:
                self._operations.append(Message("place_trade", 0, subject[0].side, subject[0].amount))


def run_engine(engine: MatchingEngine, messages: list[Message]) -> None:
    """Call the engine once for each message."""
    submit, cancel, replace = engine.submit, engine.cancel, engine.replace
    for verb, order_id, side, amount, price in messages:
        if verb == "submit":
            submit(order_id, SYMBOL, side, amount, price)
        elif verb == "cancel":
            cancel(order_id)
        else:
            replace(order_id, amount=amount, price=price)


def run_operations(om: OrderManagement, operations: list[Message]) -> None:
    """Call the OrderManagement once for each elementary operation."""
    add_order, remove_order, place_trade = om.add_order, om.remove_order, om.place_trade
    for verb, order_id, side, amount, price in operations:
        if verb == "add_order":
            add_order(order_id, SYMBOL, side, amount, price)
        elif verb == "remove_order":
            remove_order(order_id)
        else:
            place_trade(SYMBOL, side, amount)


class Race:
    """An engine and an OrderManagement that make the same changes, and the seconds that each of them took."""

    def __init__(self) -> None:
        self._engine, self._om = MatchingEngine(), OrderManagement()

    def run(self, part: Part) -> tuple[float, float]:
        """Return the seconds of the engine, and the seconds of the elementary operations."""
        seconds = (
            timed(partial(run_engine, self._engine, part.messages), clock=process_time),
            timed(partial(run_operations, self._om, part.operations), clock=process_time),
        )
        assert self._engine.top(SYMBOL) == self._om.top(SYMBOL)
        return seconds


def fastest(runs: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the shortest time of the engine, and the shortest time of the elementary operations."""
    return min(engine for engine, _ in runs), min(operations for _, operations in runs)


def report(name: str, seconds: tuple[float, float], count: int) -> float:
    """Print the times for each of `count` messages, and return their ratio."""
    engine, operations = (each / count * 1e6 for each in seconds)
    ratio = engine / operations
    print(f"{name}: {engine:.2f} us, its elementary operations {operations:.2f} us, ratio {ratio:.2f}")
    return ratio


def ratio_of_stream(count: int) -> float:
    """Return the time of a stream of `count` messages, divided by that of its elementary operations."""
    stream = Stream()
    opening = stream.part(stream.orders(OPEN))
    parts = [stream.part(stream.mixed(PART)) for _ in range(count // PART)]
    rounds: list[list[tuple[float, float]]] = []
    with short_collections():
        for _ in range(ROUNDS):
            race = Race()
            race.run(opening)
            rounds.append([race.run(part) for part in parts])
    of_parts = [fastest(list(runs)) for runs in zip(*rounds, strict=True)]
    engine, operations = map(sum, zip(*of_parts, strict=True))
    print(f"{count / engine:,.0f} messages a second, ", end="")
    print(f"{sum(len(part.operations) for part in parts) / count:.2f} elementary operations each")
    return report("a message", (engine, operations), count)


def test_a_message_takes_less_than_three_times_as_long_as_its_elementary_operations() -> None:
    assert ratio_of_stream(MESSAGES) < 3


def test_each_verb_takes_less_than_three_times_as_long_as_its_elementary_operations() -> None:
    stream, race = Stream(), Race()
    race.run(stream.part(stream.orders(OPEN)))
    seconds: dict[str, list[tuple[float, float]]] = {}

    def run(name: str, messages: Iterator[Message]) -> list[Message]:
        part = stream.part(messages)
        seconds.setdefault(name, []).append(race.run(part))
        return part.messages

    with short_collections():
        for _ in range(BATCHES):
            orders = run("a submit that rests", stream.orders(BATCH))
            run("replace", (stream.replacement(order.order_id) for order in orders))
            run("cancel", (Message("cancel", order.order_id) for order in reversed(orders)))
            run("makers", (stream.new(SELL, 1, 9_500) for _ in range(BATCH)))
            run("a submit that takes 10 orders", (stream.new(BUY, 10, 9_500) for _ in range(BATCH // 10)))
    for name, runs in seconds.items():
        assert report(name, fastest(runs), BATCH // 10 if "takes" in name else BATCH) < 3
