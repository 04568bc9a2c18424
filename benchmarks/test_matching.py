"""The time of the matching engine, compared with the elementary operations that it makes.

The stream of messages: 30 % new orders, of which one in ten crosses the best price, 25 % cancels, and 45 %
replacements, which change the price, the amount, or both. The engine begins with 10,000 open orders at ten
prices per side, and has about as many at the end. The ids are ints.

Most messages add an order, remove one, or place a trade. These elementary operations are recorded as calls of
`add_order`, `remove_order`, and `place_trade`, and measured without the engine, on the same books. So the
ratio is the cost of what a matching engine adds: ids, executions, arrival numbers, and the choice what to do.
Both run in turns, chunk by chunk, and the fastest run of each chunk counts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

from oms import Event, MatchingEngine, OrderAdded, OrderManagement, OrderRemoved, Side, TradePlaced
from oms.engine_events import EngineEvent
from workloads import SYMBOL, timed

OPEN, MESSAGES, CHUNK, ROUNDS = 10_000, 200_000, 10_000, 5
BUY, SELL = Side.BUY, Side.SELL
DEPTH = 10  # prices per side at which orders arrive


class Message(NamedTuple):
    """A call of the engine, or of OrderManagement. The last four fields are 0 where the call has none."""

    verb: str
    order_id: int
    side: Side
    amount: int = 0
    price: int = 0


class Stream:
    """A deterministic stream of messages. Its own engine says which orders are open."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self.engine = MatchingEngine()
        self._open: list[int] = []
        self._next_id = 1
        self.operations: list[Message] = []
        self.engine.subscribe(self._record)

    def messages(self, count: int) -> Iterator[Message]:
        """Yield the next messages."""
        for _ in range(count):
            chance = self._random.random()
            order_id = 0 if chance < 0.3 else self._pick(remove=chance < 0.55)
            if not order_id:
                yield self._send(self.new_order(crosses=chance < 0.03))
            elif chance < 0.55:
                yield self._send(Message("cancel", order_id, BUY))
            else:
                side = self.engine.order(order_id).order.side
                yield self._send(Message("replace", order_id, side, self._amount(), self._price(side)))

    def new_order(self, crosses: bool = False) -> Message:
        """Return a new order, at or behind the best price of its side, or a few ticks through the spread."""
        order_id, self._next_id = self._next_id, self._next_id + 1
        self._open.append(order_id)
        side = self._random.choice((BUY, SELL))
        return Message(
            "submit", order_id, side, self._amount(), self._price(side.opposite if crosses else side)
        )

    def _amount(self) -> int:
        return self._random.randint(1, 100)

    def _price(self, side: Side) -> int:
        distance = self._random.randrange(DEPTH)
        return 9_499 - distance if side is BUY else 9_500 + distance

    def _pick(self, remove: bool) -> int:
        """Return the id of a random open order, or 0 if there is none."""
        orders = self._open
        while orders:
            at = self._random.randrange(len(orders))
            order_id = orders[at]
            is_open = order_id in self.engine
            if remove or not is_open:
                orders[at] = orders[-1]
                orders.pop()
            if is_open:
                return order_id
        return 0

    def _send(self, message: Message) -> Message:
        call(self.engine, message)
        return message

    def _record(self, event: Event) -> None:
        assert isinstance(event, EngineEvent)
        for kind, subject in event.changes:
            if kind is OrderAdded:
                order_id, _, side, amount, price = subject
                self.operations.append(Message("add_order", order_id, side, amount, price))
            elif kind is OrderRemoved:
                self.operations.append(Message("remove_order", subject[0], BUY))
            elif kind is TradePlaced:
                trade = subject[0]
                self.operations.append(Message("place_trade", 0, trade.side, trade.amount))


def call(engine: MatchingEngine, message: Message) -> None:
    run_engine(engine, [message])


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
    """Call OrderManagement once for each elementary operation."""
    add_order, remove_order, place_trade = om.add_order, om.remove_order, om.place_trade
    for verb, order_id, side, amount, price in operations:
        if verb == "add_order":
            add_order(order_id, SYMBOL, side, amount, price)
        elif verb == "remove_order":
            remove_order(order_id)
        else:
            place_trade(SYMBOL, side, amount)


class Recording(NamedTuple):
    """The messages that open the first orders, and the chunks of messages and of elementary operations."""

    opening: list[Message]
    opening_operations: list[Message]
    messages: list[list[Message]]
    operations: list[list[Message]]
    final: str  # the hash of the state of the engine


def record(count: int, chunk: int = CHUNK) -> Recording:
    stream = Stream()

    def operations() -> list[Message]:
        recorded, stream.operations = stream.operations, []
        return recorded

    opening = [stream._send(stream.new_order()) for _ in range(OPEN)]
    first = operations()
    chunks, done = [], []
    for _ in range(count // chunk):
        chunks.append(list(stream.messages(chunk)))
        done.append(operations())
    return Recording(opening, first, chunks, done, stream.engine.state_hash())


def microseconds(recording: Recording, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the microseconds per message: those of the engine, and those of the elementary operations."""
    fastest: dict[tuple[str, int], float] = {}
    for _ in range(rounds):
        engine, om = MatchingEngine(), OrderManagement()
        run_engine(engine, recording.opening)
        run_operations(om, recording.opening_operations)
        for at, (messages, operations) in enumerate(zip(*recording[2:4], strict=True)):
            runs: dict[str, Callable[[], None]] = {
                "engine": partial(run_engine, engine, messages),
                "operations": partial(run_operations, om, operations),
            }
            for name, run in runs.items():
                fastest[name, at] = min(timed(run), fastest.get((name, at), float("inf")))
        assert engine.state_hash() == recording.final
        assert [order[2:] for order in om] == [(o[2], *o[3:]) for o in engine_rows(engine)]
    count = sum(map(len, recording.messages))
    seconds = {
        name: sum(s for (n, _), s in fastest.items() if n == name) for name in ("engine", "operations")
    }
    return seconds["engine"] / count * 1e6, seconds["operations"] / count * 1e6


def engine_rows(engine: MatchingEngine) -> list[tuple[int, str, Side, int, int]]:
    return list(chain.from_iterable(book.rows() for book in engine._books.select(None, None)))


def test_a_message_takes_at_most_a_few_times_as_long_as_its_elementary_operations() -> None:
    recording = record(MESSAGES)
    engine, operations = microseconds(recording)
    per_message = sum(map(len, recording.operations)) / MESSAGES
    print(
        f"{engine:.2f} us a message ({1e6 / engine:,.0f} a second), {operations:.2f} us for its "
        f"{per_message:.2f} elementary operations: ratio {engine / operations:.2f}"
    )
    assert engine < 4 * operations


if __name__ == "__main__":
    test_a_message_takes_at_most_a_few_times_as_long_as_its_elementary_operations()
