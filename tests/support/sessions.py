"""Random sessions of commands, and the state of the books after each command.

A `Kind` has everything that depends on the class of the books. The functions here work with every kind.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from oms import (
    Event,
    Instrument,
    JournalError,
    MatchingEngine,
    OmsError,
    Order,
    OrderManagement,
    Side,
    journal,
)
from oms.journal import SqliteJournal

Books: TypeAlias = OrderManagement | MatchingEngine
Command = Callable[[Any], None]

UNITS = (
    Instrument("1"),
    Instrument("0.1", "1", currency="USD"),
    Instrument("0.1", "0.5"),
    Instrument("0.01"),
)


def noon() -> int:
    """Return the time of every event of a session. Open a journal with this clock to compare its states."""
    return 1_792_998_000_000_000_000


class State(NamedTuple):
    """The complete state: orders, counters, state hash, event log, and instruments."""

    orders: tuple[object, ...]
    counters: tuple[int, int]
    state_hash: str
    events: tuple[Event, ...]
    instruments: tuple[tuple[str, Instrument], ...] = ()


class Kind(NamedTuple):
    """A class whose objects a journal can store.

    `open` opens a journal, `new` returns an object without a journal, and `session` returns random commands.
    `add` adds an order with this number, which trades with no other order of the sessions.
    """

    name: str
    open: Callable[..., Any]
    new: Callable[..., Any]
    session: Callable[[int, int], list[Command]]
    add: Callable[[Any, int], object]


def session(seed: int, length: int) -> list[Command]:
    """Return random commands of every kind. The same seed gives the same commands."""
    rng = random.Random(seed)
    return [_command(rng, number) for number in range(1, length + 1)]


def _command(rng: random.Random, number: int) -> Command:
    symbol, side = rng.choice(("JPM", "日経 \0")), rng.choice(list(Side))
    order = Order(
        number,
        symbol,
        side,
        rng.choice((rng.randint(1, 40), 2**63 - 1)),
        rng.choice((rng.randint(1, 9), 2**63 - 1)),
    )
    some_id = rng.randint(1, number)
    amount = rng.choice((rng.randint(1, 60), 2**64))
    commands: list[Command] = [
        lambda om: om.add_order(*order),
        lambda om: om.add_orders([order, order._replace(order_id=number + 10_000)]),
        lambda om: om.remove_order(some_id),
        lambda om: _ignore_result(om.remove_orders(symbol, side)),
        lambda om: _ignore_result(om.amend_order(some_id, amount=order.amount, price=order.price)),
        lambda om: _ignore_result(om.place_trade(symbol, side, amount, allow_partial=True)),
        lambda om: _basket(om, order, amount, f"retry {number} \0 ' ü"),
        lambda om: om.set_instrument(symbol, UNITS[number % len(UNITS)]),
        lambda om: _convert(om, symbol, UNITS[number % len(UNITS)]),
    ]
    return rng.choices(commands, (6, 2, 1, 0.3, 2, 2, 3, 0.5, 0.5))[0]


def _ignore_result(_: object) -> None: ...


def _basket(om: OrderManagement, order: Order, amount: int, note: str) -> None:
    with om.transaction(note):
        om.add_order(*order)
        with om.what_if():
            om.remove_orders()
        om.place_trade(order.symbol, order.side, min(amount, order.amount))
        om.add_order(order.order_id + 20_000, "IBM", Side.SELL, 1, 1)
        om.remove_order(order.order_id + 20_000)


def _convert(om: OrderManagement, symbol: str, unit: Instrument) -> None:
    """Convert the orders of a symbol, without those that are too large for smaller sizes."""
    with om.transaction("other sizes"):
        for order in om.orders(symbol):
            if max(order.amount, order.price) > 1_000_000:
                om.remove_order(order.order_id)
        om.convert_orders(symbol, unit)


def _add(om: OrderManagement, number: int) -> None:
    om.add_order(number, "JPM", Side.BUY, 1, 1)


BOOKS = Kind("books", journal.open, OrderManagement, session, _add)


def execute(command: Command, om: Books) -> None:
    """Execute a command, and ignore any OmsError except JournalError."""
    try:
        command(om)
    except JournalError:
        raise
    except OmsError:
        pass


def sqlite_journal(om: Books) -> SqliteJournal:
    """Return the journal of books that were opened from a file."""
    assert isinstance(om.journal, SqliteJournal)
    return om.journal


def state(om: Books) -> State:
    """Return the state of books whose journal still contains the complete event log."""
    assert om.journal is not None
    return state_with(om, om.journal.read())


def state_with(om: Books, events: Iterable[Event]) -> State:
    """Return the state of books, with these events."""
    om._check()
    return State(om.orders(), counters(om), om.state_hash(), tuple(events), om.snapshot().instruments)


def states(commands: list[Command], kind: Kind = BOOKS) -> list[State]:
    """Return the state before the first command, and the states after each command."""
    om = kind.new(clock=noon)
    events: list[Event] = []
    om.subscribe(events.append)
    states = [state_with(om, events)]
    for command in commands:
        with suppress(OmsError):
            command(om)
        states.append(state_with(om, events))
    return states


def counters(om: Books) -> tuple[int, int]:
    """Return the next trade id and the last sequence number."""
    sequence, next_trade_id, *_ = om.snapshot()
    return next_trade_id, sequence
