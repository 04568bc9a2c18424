"""The state hash, which is the same in every process, and copies of the state."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given

from oms import (
    DuplicateOrderError,
    Event,
    InvalidArgumentError,
    InvalidOrderError,
    OpenTransactionError,
    Order,
    OrderManagement,
    Side,
    Snapshot,
)
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
    twin = make(ONE, TWO)
    twin.place_trade("JPM", BUY, 1)
    twin.amend_order(1, amount=20)
    assert twin.orders() == om.orders()
    assert twin.state_hash() not in (before, by_sequence)  # the same sequence number, another trade id


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
    twin = duplicate(om)
    twin._check()
    assert twin.state_hash() == before
    assert twin.place_trade("IBM", BUY, 1).trade_id == 2
    twin.remove_orders()
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
        twin = duplicate(desk)
        assert isinstance(twin, Desk)
        assert (twin.name, twin.orders()) == ("rates", (ONE,))


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


def test_a_pickle_with_an_invalid_order_is_rejected() -> None:
    state = make(ONE).__getstate__() | {"snapshot": Snapshot(0, 1, (ONE._replace(price=0),))}
    om = OrderManagement.__new__(OrderManagement)
    with pytest.raises(InvalidOrderError, match="price must be"):
        om.__setstate__(state)
    assert om.orders() == ()


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
