"""The state hash, which is the same in every process, and copies of the state."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given

from oms import (
    DuplicateOrderError,
    Event,
    InvalidArgumentError,
    OpenTransactionError,
    Order,
    OrderManagement,
    Side,
    Snapshot,
)
from oms.matching import MatchingEngine
from support import strategies as our

BUY, SELL = Side.BUY, Side.SELL
SESSION = """
from oms import OrderManagement, Order, Side
om = OrderManagement()
books = [(symbol, side) for symbol in ("JPM", "\u65e5\u7d4c", "A B") for side in Side] * 9
om.add_orders(Order(n, *book, n % 7 + 1, 2**62 + n % 5) for n, book in enumerate(books))
om.place_trade("JPM", Side.BUY, 9)
om.remove_order(40)
print(om.state_hash())
"""


@pytest.mark.parametrize("seed", ["0", "1", "4242", "random"])
def test_equal_states_have_equal_hashes_in_every_process(seed: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", SESSION],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout.strip() == "c22cdc2057e3be3637b11d2a2ed23cf10e2785877597fe7faf7c7abe44a51fd7"


def make(*orders: Order) -> OrderManagement:
    om = OrderManagement()
    om.add_orders(orders)
    return om


ONE, TWO = Order(1, "JPM", BUY, 20, 20), Order(2, "JPM", BUY, 10, 21)


@pytest.mark.parametrize(
    "change",
    [
        lambda: make(ONE),
        lambda: make(ONE._replace(order_id=3), TWO),
        lambda: make(ONE._replace(symbol="JPX"), TWO),
        lambda: make(ONE._replace(side=SELL), TWO),
        lambda: make(ONE._replace(amount=21), TWO),
        lambda: make(ONE._replace(price=19), TWO),
        lambda: make(ONE._replace(amount=10), TWO._replace(amount=20)),
    ],
)
def test_a_difference_in_any_order_changes_the_hash(change: Callable[[], OrderManagement]) -> None:
    assert change().state_hash() != make(ONE, TWO).state_hash()
    assert make(TWO, ONE).state_hash() == make(ONE, TWO).state_hash()


def test_a_difference_in_the_sequence_number_or_the_next_trade_id_changes_the_hash() -> None:
    om = make(ONE, TWO)
    before = om.state_hash()
    om.amend_order(1, amount=21)
    om.amend_order(1, amount=20)
    assert om.orders() == make(ONE, TWO).orders()
    by_sequence = om.state_hash()
    assert by_sequence != before
    other = make(ONE, TWO)
    other.place_trade("JPM", BUY, 1)
    other.amend_order(1, amount=20)
    assert other.orders() == om.orders()
    assert other.state_hash() not in (before, by_sequence)  # the same sequence number, another trade id


def test_a_crafted_symbol_cannot_imitate_the_hash_of_another_book() -> None:
    imitation = "JPM BUY 1\n1 20 20\n3 IBM"
    assert make(ONE._replace(symbol=imitation)).state_hash() != make(ONE).state_hash()


COPIES: list[Callable[[OrderManagement], OrderManagement]] = [
    lambda om: om.copy(),
    copy.copy,
    copy.deepcopy,
    lambda om: pickle.loads(pickle.dumps(om)),  # noqa: S301  # our own bytes
    lambda om: type(om).from_snapshot(om.snapshot()),
]


@pytest.mark.parametrize("duplicate", COPIES)
@given(orders=our.distinct_orders())
def test_a_copy_is_equal_and_independent(
    duplicate: Callable[[OrderManagement], OrderManagement], orders: list[Order]
) -> None:
    om = make(Order(99, "IBM", BUY, 5, 5), *orders)
    events: list[Event] = []
    om.subscribe(events.append)
    om.place_trade("IBM", BUY, 1)
    before = om.state_hash()
    other = duplicate(om)
    other._check()
    assert other.state_hash() == before
    assert other.place_trade("IBM", BUY, 1).trade_id == 2
    other.remove_orders()
    assert om.state_hash() == before
    assert len(events) == 1


@pytest.mark.parametrize("duplicate", COPIES)
def test_copying_inside_a_transaction_raises_an_error(
    duplicate: Callable[[OrderManagement], OrderManagement],
) -> None:
    om = make(ONE)
    for context in (om.transaction(), om.what_if()):
        with context, pytest.raises(OpenTransactionError, match="copying, pickling, or taking a snapshot"):
            duplicate(om)
    assert duplicate(om).orders() == (ONE,)


class Desk(OrderManagement):
    """A subclass with an attribute of its own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def test_a_copy_of_a_subclass_has_the_same_class_and_attributes() -> None:
    desk = Desk("rates")
    desk.add_order(*ONE)
    for duplicate in COPIES[:4]:
        other = duplicate(desk)
        assert isinstance(other, Desk)
        assert (other.name, other.orders()) == ("rates", (ONE,))


def test_a_snapshot_contains_both_counters_and_all_orders_sorted_as_in_iteration() -> None:
    om = make(TWO, ONE, Order(3, "IBM", SELL, 5, 5))
    om.place_trade("IBM", SELL, 1)
    assert om.snapshot() == Snapshot(2, 2, om.orders())
    assert OrderManagement().snapshot() == Snapshot()


def test_a_snapshot_stays_the_same_when_the_books_change() -> None:
    om = make(ONE, TWO)
    before = om.snapshot()
    om.place_trade("JPM", BUY, 25)
    assert before == make(ONE, TWO).snapshot()


@pytest.mark.parametrize(
    ("snapshot", "message"),
    [
        ((0, 1, ()), "snapshot must be a Snapshot, not (0, 1, ()) (tuple); get one from "),
        (None, "snapshot must be a Snapshot, not None (NoneType); get one from "),
        (Snapshot(-1), "sequence must be an int >= 0, not -1 (int)"),
        (Snapshot(True), "sequence must be an int >= 0, not True (bool)"),
        (Snapshot(0, 0), "next_trade_id must be an int >= 1, not 0 (int)"),
        (Snapshot(0, 1, [ONE]), "orders must be a tuple of Order, not [Order("),  # type: ignore[arg-type]
        (Snapshot(0, 1, (ONE, tuple(ONE))), "orders must be an iterable of Order, not (1, 'JPM', "),  # type: ignore[arg-type]
        (Snapshot(0, 1, (ONE._replace(amount=0),)), "amount must be an int in 1.."),
        (Snapshot(0, 1, (ONE, TWO, ONE)), "order id 1 is already taken"),
    ],
)
def test_an_invalid_snapshot_is_rejected(snapshot: Snapshot, message: str) -> None:
    with pytest.raises((InvalidArgumentError, DuplicateOrderError)) as caught:
        OrderManagement.from_snapshot(snapshot)
    assert str(caught.value).startswith(message)


def damaged_states() -> Iterator[tuple[str, object]]:
    """Yield the states of damaged pickles and of pickles of other versions, each with a name."""
    whole = make(ONE, TWO, Order(3, "IBM", SELL, 5, 5)).__getstate__()
    sequence, next_trade_id, books, instruments, digest = whole["books"]
    assert books[0][:2] == ("JPM", "BUY")
    yield "no state", None
    yield "an empty state", {}
    yield "a snapshot", {"snapshot": make(ONE).snapshot(), "own": {}}
    yield "a value is missing", whole | {"books": whole["books"][1:]}
    yield (
        "another sequence number",
        whole | {"books": (sequence + 1, next_trade_id, books, instruments, digest)},
    )
    yield "another trade id", whole | {"books": (sequence, next_trade_id + 1, books, instruments, digest)}
    other = (("JPM", {"tick_size": "0.01"}),)
    yield "another instrument", whole | {"books": (sequence, next_trade_id, books, other, digest)}
    yield "a missing value", whole | {"books": (sequence, next_trade_id, books, digest)}
    yield "another digest", whole | {"books": (sequence, next_trade_id, books, instruments, bytes(32))}
    yield "a book is missing", whole | {"books": (sequence, next_trade_id, books[1:], instruments, digest)}
    yield (
        "books in another order",
        whole | {"books": (sequence, next_trade_id, books[::-1], instruments, digest)},
    )

    def first_book(*book: object) -> dict[str, object]:
        return whole | {"books": (sequence, next_trade_id, (book, *books[1:]), instruments, digest)}

    symbol, side, columns = books[0]
    yield "another symbol", first_book("JPX", side, columns)
    yield "a lone surrogate", first_book("\ud800", side, columns)
    yield "another side", first_book(symbol, "SELL", columns)
    yield "text for bytes", first_book(symbol, side, ("text", *columns[1:]))
    yield "a number for bytes", first_book(symbol, side, (7, *columns[1:]))
    yield "columns that were swapped", first_book(symbol, side, columns[::-1])
    yield "a book that is a number", whole | {"books": (sequence, next_trade_id, (7,), instruments, digest)}
    for at in range(4):
        for damaged in (columns[at][:-8], columns[at] + columns[at][-8:], bytes(8) + columns[at][8:]):
            yield f"column {at}", first_book(symbol, side, (*columns[:at], damaged, *columns[at + 1 :]))


@pytest.mark.parametrize("state", [pytest.param(state, id=name) for name, state in damaged_states()])
def test_a_damaged_pickle_or_one_of_another_version_raises_an_error_and_adds_no_orders(state: Any) -> None:
    om = OrderManagement.__new__(OrderManagement)
    with pytest.raises(InvalidArgumentError, match="state must be an undamaged state"):
        om.__setstate__(state)
    assert om.orders() == ()


def engine_with_two_orders() -> MatchingEngine:
    """Return an engine with an order in the book and a waiting stop order."""
    engine = MatchingEngine()
    engine.submit("ask", "JPM", SELL, 5, 101)
    engine.submit("stop", "JPM", BUY, 5, stop_price=110)
    return engine


@pytest.mark.parametrize("kinds", [(OrderManagement, MatchingEngine), (MatchingEngine, OrderManagement)])
@pytest.mark.parametrize("is_empty", [True, False])
def test_the_state_of_another_class_raises_an_error_and_adds_no_orders(
    kinds: tuple[type[OrderManagement | MatchingEngine], ...], is_empty: bool
) -> None:
    source: OrderManagement | MatchingEngine = kinds[0]()
    if not is_empty:
        source = make(ONE, TWO) if kinds[0] is OrderManagement else engine_with_two_orders()
    target = kinds[1].__new__(kinds[1])
    with pytest.raises(InvalidArgumentError, match="state must be the state of an object of the same class"):
        target.__setstate__(source.__getstate__())
    target._check()
    assert target.state_hash() == kinds[1]().state_hash()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_preserves_the_whole_state(protocol: int) -> None:
    om = make(ONE, TWO, Order(0, "\u65e5\u7d4c", SELL, 2**63 - 1, 2**63 - 1))
    om.place_trade("JPM", BUY, 7)
    other = pickle.loads(pickle.dumps(om, protocol))  # noqa: S301  # our own bytes
    other._check()
    assert other.snapshot() == om.snapshot()


def test_a_pickle_with_one_changed_byte_raises_an_error_or_has_the_same_state() -> None:
    om = make(ONE, TWO)
    pickled = pickle.dumps(om)
    for at in range(len(pickled)):
        try:
            other = pickle.loads(pickled[:at] + bytes([pickled[at] ^ 1]) + pickled[at + 1 :])  # noqa: S301
        except Exception:  # noqa: S112  # pickle raises errors of many kinds
            continue
        if isinstance(other, OrderManagement):
            other._check()
            assert other.snapshot() == om.snapshot()


@pytest.mark.parametrize("duplicate", COPIES[:4])
def test_a_copy_of_a_level_with_many_orders_is_independent(
    duplicate: Callable[[OrderManagement], OrderManagement],
) -> None:
    om = make(*(Order(n, "JPM", BUY, 1, 20) for n in range(3_000)))
    om.calculate_price("JPM", BUY, 2_000)
    other = duplicate(om)
    other.remove_order(1_500)
    om.add_order(3_000, "JPM", BUY, 1, 20)
    for each, amount in ((om, 3_001), (other, 2_999)):
        each._check()
        assert each.available_amount("JPM", BUY) == amount
        assert each.calculate_price("JPM", BUY, 2_000) == 40_000


def test_a_change_of_the_original_does_not_change_its_copy() -> None:
    om = make(ONE, TWO)
    other = om.copy()
    om.place_trade("JPM", BUY, 25)
    om.add_order(5, "IBM", BUY, 1, 1)
    other._check()
    assert other.orders() == (ONE, TWO)
    assert other.symbols() == ("JPM",)


def test_last_sequence_counts_changes_and_is_rolled_back_with_a_what_if() -> None:
    om = OrderManagement()
    assert om.last_sequence == 0
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    om.amend_order(1, amount=20)  # changes nothing
    assert om.last_sequence == 1
    with om.what_if():
        om.remove_order(1)
        assert om.last_sequence == 2
    assert om.last_sequence == om.copy().last_sequence == 1
