"""Tests of oms.id_map: ids ascend in order of arrival, are never given twice, and survive a restart."""

from __future__ import annotations

import ast
import copy
import pickle
import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from oms import (
    DuplicateOrderError,
    IdMap,
    InvalidArgumentError,
    InvalidOrderError,
    JournalError,
    OmsError,
    Order,
    OrderManagement,
    OrderNotFoundError,
    Side,
    journal,
)
from support.memory_journal import FailingJournal, MemoryJournal

FIRST, SECOND, THIRD = (UUID(int=n) for n in (9, 4, 7))  # their own order is not the order of arrival
MAX_INT = 2**63 - 1


def add(om: OrderManagement, ids: IdMap[Any], key: Any, amount: int = 10, price: int = 20) -> int:
    with ids.adding(om, key) as order_id:
        om.add_order(order_id, "JPM", Side.BUY, amount, price)
    return order_id


def entries(ids: IdMap[Any]) -> list[tuple[Any, int]]:
    return [(key, ids[key]) for key in ids]


# ---------------------------------------------------------------------- keys and ids


def test_keys_get_ascending_ids_in_the_order_of_arrival() -> None:
    ids = IdMap(UUID)
    assert [ids.new(key) for key in (FIRST, SECOND, THIRD)] == [1, 2, 3]
    assert [ids[key] for key in (FIRST, SECOND, THIRD)] == [1, 2, 3]
    assert [ids.key_of(order_id) for order_id in (1, 2, 3)] == [FIRST, SECOND, THIRD]
    assert list(ids) == [FIRST, SECOND, THIRD]
    assert repr(ids) == "<IdMap of 3 keys, next id 4>"


def test_at_one_price_the_order_that_arrived_first_is_filled_first() -> None:
    om, ids = OrderManagement(), IdMap(UUID)
    for key in (FIRST, SECOND, THIRD):
        add(om, ids, key)
    trade = om.place_trade("JPM", Side.BUY, 25)
    assert [ids.key_of(fill.order_id) for fill in trade.fills] == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize("key", ["8f2c-77", FIRST, 7, ("XNYS", 12), None, 2.5, frozenset({1})])
def test_a_key_may_be_any_hashable_value(key: Hashable) -> None:
    ids: IdMap[Hashable] = IdMap(ast.literal_eval)
    assert ids.new(key) == 1
    assert ids.key_of(1) == key
    assert key in ids


@pytest.mark.parametrize("next_id", [0, 1, 5_000, MAX_INT])
def test_the_first_id_is_the_one_that_was_requested(next_id: int) -> None:
    ids = IdMap(next_id=next_id)
    assert ids.next_id == next_id
    assert ids.new("a") == next_id


@pytest.mark.parametrize("next_id", [-1, MAX_INT + 1, True, 1.0, "1", np.int64(1), None])
def test_a_first_id_that_no_order_can_have_is_rejected(next_id: Any) -> None:
    with pytest.raises(InvalidOrderError, match="order_id must be an int in 0"):
        IdMap(next_id=next_id)


def test_no_id_is_given_after_the_largest_one() -> None:
    ids = IdMap(next_id=MAX_INT)
    ids.new("a")
    with pytest.raises(InvalidOrderError):
        ids.new("b")
    assert entries(ids) == [("a", MAX_INT)]


def test_a_known_key_gets_no_second_id() -> None:
    ids = IdMap(UUID)
    ids.new(FIRST)
    with pytest.raises(DuplicateOrderError) as caught:
        ids.new(FIRST)
    assert caught.value.order_id == FIRST
    assert str(caught.value) == f"order id {FIRST!r} is already taken"
    assert (entries(ids), ids.next_id) == ([(FIRST, 1)], 2)


def test_an_unknown_key_or_id_raises_an_error() -> None:
    ids = IdMap(UUID)
    ids.new(FIRST)
    for call in (lambda: ids[SECOND], lambda: ids.remove(SECOND), lambda: ids.note(FIRST, SECOND)):
        with pytest.raises(OrderNotFoundError, match=str(SECOND)):
            call()
    with pytest.raises(OrderNotFoundError, match="no order with id 2 is resting"):
        ids.key_of(2)
    assert SECOND not in ids


@pytest.mark.parametrize("order_id", [-1, MAX_INT + 1, True, 1.0, "1", np.int64(1), None])
def test_only_an_order_id_has_a_key(order_id: Any) -> None:
    ids = IdMap()
    ids.new("a")
    with pytest.raises(InvalidOrderError, match="order_id must be"):
        ids.key_of(order_id)


def test_a_key_that_is_not_hashable_is_rejected() -> None:
    ids: IdMap[Any] = IdMap(ast.literal_eval)
    calls: list[Callable[[], object]] = [
        lambda: ids.new([1]),
        lambda: ids[[1]],
        lambda: [1] in ids,
        lambda: ids.remove([1]),
    ]
    for call in calls:
        with pytest.raises(
            InvalidArgumentError, match=r"key must be hashable, not .*; convert a list with tuple"
        ):
            call()


def test_a_removed_key_gets_a_new_id_when_it_is_added_again() -> None:
    ids = IdMap()
    ids.new("a")
    assert ids.remove("a") == 1
    assert "a" not in ids
    with pytest.raises(OrderNotFoundError):
        ids.key_of(1)
    assert ids.new("a") == 2


def test_keys_may_be_removed_during_an_iteration() -> None:
    ids = IdMap()
    for key in "abc":
        ids.new(key)
    assert [ids.remove(key) for key in ids] == [1, 2, 3]
    assert len(ids) == 0


def test_copies_and_pickles_are_independent() -> None:
    ids = IdMap(UUID)
    ids.new(FIRST)
    for other in (copy.deepcopy(ids), pickle.loads(pickle.dumps(ids))):  # noqa: S301  # our own bytes
        assert other.new(SECOND) == 2
    assert entries(ids) == [(FIRST, 1)]


# ---------------------------------------------------------------------- adding orders


def test_the_note_of_an_added_order_contains_its_key_and_id() -> None:
    om, ids = OrderManagement(MemoryJournal()), IdMap()
    notes: list[str | None] = []
    om.subscribe(lambda event: notes.append(event.note))
    add(om, ids, "8f2c-77")
    om.remove_order(1)
    assert notes == ['{"oms.ids":[[1,"8f2c-77"]]}', None]


def test_a_rejected_order_leaves_no_key_and_its_id_is_never_used() -> None:
    om, ids = OrderManagement(), IdMap()
    with pytest.raises(InvalidOrderError, match="price"):
        add(om, ids, "a", price=0)
    assert (entries(ids), len(om)) == ([], 0)
    assert add(om, ids, "a") == 2


def test_an_order_that_is_not_durable_leaves_no_key() -> None:
    storage = FailingJournal()
    om, ids = OrderManagement(storage), IdMap()
    storage.error = JournalError("memory", "the disk is full")
    with pytest.raises(JournalError):
        add(om, ids, "a")
    assert (entries(ids), len(om)) == ([], 0)
    assert add(om, ids, "a") == 2


def test_a_key_that_is_added_twice_keeps_its_first_id() -> None:
    om, ids = OrderManagement(), IdMap()
    add(om, ids, "a")
    with pytest.raises(DuplicateOrderError):
        add(om, ids, "a")
    om.remove_order(1)
    with pytest.raises(DuplicateOrderError):  # even if the first order is no longer resting
        add(om, ids, "a")
    assert entries(ids) == [("a", 1)]


def test_a_key_remains_if_only_a_subscriber_fails() -> None:
    om, ids = OrderManagement(), IdMap()

    def fail(_: object) -> None:
        raise RuntimeError("a subscriber failed")

    om.subscribe(fail)
    with pytest.raises(RuntimeError, match="a subscriber failed"):
        add(om, ids, "a")
    assert (entries(ids), len(om)) == ([("a", 1)], 1)


def test_a_key_that_parse_does_not_restore_is_not_added() -> None:
    om = OrderManagement()
    maps: list[tuple[IdMap[Any], Any]] = [
        (IdMap(UUID), "a"),
        (IdMap(), FIRST),
        (IdMap(int), "07"),
        (IdMap(lambda _: {7}), frozenset({7})),  # equal to the key, but not hashable
        (IdMap(ast.literal_eval), Side.BUY),
    ]
    for ids, key in maps:
        with pytest.raises(InvalidArgumentError, match=r"key must be .*; pass another parse"):
            add(om, ids, key)
        assert (list(ids), len(om)) == ([], 0)


def test_several_orders_share_one_note() -> None:
    om, ids = OrderManagement(MemoryJournal()), IdMap(UUID)
    keys = (FIRST, SECOND, THIRD)
    orders = [Order(ids.new(key), "JPM", Side.BUY, 10, 20) for key in keys]
    with om.transaction(ids.note(*keys)):
        om.add_orders(orders)
    assert entries(IdMap.from_history(om, UUID)) == entries(ids)


def test_threads_add_orders_in_the_order_of_their_ids() -> None:
    om, ids, arrivals = OrderManagement(), IdMap(), list[int]()
    om.subscribe(lambda event: arrivals.extend(row[0] for row in event.rows()))
    threads = [
        threading.Thread(target=lambda name=name: [add(om, ids, f"{name}-{n}") for n in range(50)])
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert arrivals == list(range(1, 201))
    assert len(ids) == 200


def test_a_thread_that_comes_too_late_does_not_remove_the_key_of_a_filled_order() -> None:
    om, ids, duplicates = OrderManagement(), IdMap(), list[DuplicateOrderError]()

    def add_and_fill() -> None:
        try:
            with ids.adding(om, "a") as order_id:
                om.add_order(order_id, "JPM", Side.BUY, 10, 20)
                om.place_trade("JPM", Side.BUY, 10)
        except DuplicateOrderError as error:
            duplicates.append(error)

    threads = [threading.Thread(target=add_and_fill) for _ in range(2)]
    with om.transaction():
        for thread in threads:
            thread.start()
        while om._ledger._waiters < 2:  # until both threads have entered `adding`
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert len(duplicates) == 1
    assert entries(ids) == [("a", 1)]


# ---------------------------------------------------------------------- restarts


def test_a_journal_restores_the_keys_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    ids = IdMap(UUID)
    with journal.open(path) as om:
        for key in (FIRST, SECOND, THIRD):
            add(om, ids, key)
        om.remove_order(2)
        om.place_trade("JPM", Side.BUY, 10)
    with journal.open(path) as om:
        restored = IdMap.from_history(om, UUID)
        assert entries(restored) == entries(ids)
        assert restored.key_of(om.orders()[0].order_id) == THIRD
        assert add(om, restored, UUID(int=1)) == 4


def test_a_compacted_journal_still_restores_every_key(tmp_path: Path) -> None:
    path, ids = tmp_path / "book.db", IdMap()
    with journal.open(path) as om:
        for key in ("a", "b", "c"):
            add(om, ids, key)
        om.remove_order(1)
    with journal.open(path) as om:
        assert isinstance(om.journal, journal.SqliteJournal)
        assert om.journal.compact(om.last_sequence) > 0
        assert entries(IdMap.from_history(om)) == entries(ids)
    with journal.open(path) as om:
        assert entries(IdMap.from_history(om)) == entries(ids)


def test_a_map_without_a_journal_starts_above_the_resting_orders() -> None:
    om = OrderManagement()
    assert IdMap.from_history(om).next_id == 1
    om.add_order(70, "JPM", Side.BUY, 10, 20)
    ids = IdMap.from_history(om)
    assert (entries(ids), ids.next_id) == ([], 71)


def test_the_next_id_is_above_every_id_in_the_journal() -> None:
    om = OrderManagement(MemoryJournal())
    om.add_order(90, "JPM", Side.BUY, 10, 20)
    om.remove_order(90)
    assert IdMap.from_history(om).next_id == 91


def test_a_key_that_was_used_again_has_its_last_id_after_a_restart() -> None:
    om, ids = OrderManagement(MemoryJournal()), IdMap()
    for key in ("a", "b"):
        add(om, ids, key)
    om.remove_order(ids.remove("a"))
    add(om, ids, "a")
    restored = IdMap.from_history(om)
    assert entries(restored) == entries(ids) == [("b", 2), ("a", 3)]
    with pytest.raises(OrderNotFoundError):
        restored.key_of(1)


def test_an_order_without_a_key_in_the_same_transaction_gets_none() -> None:
    om, ids = OrderManagement(MemoryJournal()), IdMap(next_id=5)
    with ids.adding(om, "a") as order_id:
        om.add_order(2, "JPM", Side.BUY, 10, 20)
        om.add_order(order_id, "JPM", Side.BUY, 10, 20)
        om.amend_order(2, amount=3)
    assert entries(IdMap.from_history(om)) == [("a", 5)]


@pytest.mark.parametrize(
    "note",
    [
        "the key of oms.ids",
        '["oms.ids"]',
        '{"oms.ids":7}',
        '{"oms.ids":[7]}',
        '{"oms.ids":[[1,"a","b"]]}',
        '{"oms.ids":[["1","a"]]}',
        '{"oms.ids":[[[],"a"]]}',
        '{"oms.ids":[[1,7]]}',
        '{"other":"oms.ids"}',
        '{"oms.ids":' + "[" * 100_000,
    ],
)
def test_a_note_of_another_program_is_ignored(note: str) -> None:
    om = OrderManagement(MemoryJournal())
    with om.transaction(note):
        om.add_order(1, "JPM", Side.BUY, 10, 20)
    assert entries(IdMap.from_history(om)) == []


@pytest.mark.parametrize("parse", [UUID, ast.literal_eval])
def test_a_stored_key_that_parse_cannot_read_raises_an_error(parse: Any) -> None:
    om = OrderManagement(MemoryJournal())
    add(om, IdMap(), "[1]")
    with pytest.raises(InvalidArgumentError, match=r"key must be text that parse .*, not '\[1\]' \(str\)"):
        IdMap.from_history(om, parse)


KEYS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, st.text(st.characters(codec=None))),  # a lone surrogate too
    (UUID, st.uuids()),
    (int, st.integers()),
    (
        ast.literal_eval,
        st.tuples(st.text(), st.integers() | st.booleans() | st.none() | st.floats(-9, 9)),
    ),
]


@pytest.mark.parametrize(("parse", "keys"), KEYS, ids=["text", "uuids", "integers", "tuples"])
@given(data=st.data())
@settings(max_examples=50)
def test_every_key_is_restored_exactly(parse: Any, keys: st.SearchStrategy[Any], data: st.DataObject) -> None:
    om, ids = OrderManagement(MemoryJournal()), IdMap(parse, next_id=data.draw(st.integers(0, MAX_INT - 10)))
    for key in data.draw(st.lists(keys, max_size=5, unique=True)):
        add(om, ids, key)
    restored = IdMap.from_history(om, parse)
    assert entries(restored) == entries(ids)
    assert [type(key) for key in restored] == [type(key) for key in ids]


# ---------------------------------------------------------------------- the naive reference


class Reference:
    """A list of all pairs of a key and an id, with the removed ones crossed out."""

    def __init__(self, next_id: int) -> None:
        self.rows: list[tuple[str, int] | None] = []
        self.first = next_id

    def new(self, key: str) -> int:
        if any(row is not None and row[0] == key for row in self.rows):
            raise DuplicateOrderError(key)
        self.rows.append((key, self.first + len(self.rows)))
        return self.first + len(self.rows) - 1

    def lookup(self, key: str) -> int:
        for row in self.rows:
            if row is not None and row[0] == key:
                return row[1]
        raise OrderNotFoundError(key)

    def key_of(self, order_id: int) -> str:
        for row in self.rows:
            if row is not None and row[1] == order_id:
                return row[0]
        raise OrderNotFoundError(order_id)

    def remove(self, key: str) -> int:
        order_id = self.lookup(key)
        self.rows[order_id - self.first] = None
        return order_id


def outcome(call: Any) -> tuple[object, ...]:
    try:
        return ("returned", call())
    except OmsError as error:
        return ("raised", type(error), error.args)


class Machine(RuleBasedStateMachine):
    """Random calls of an IdMap and the reference. Orders are added, rejected, filled, and removed."""

    keys = st.sampled_from("abcdef")

    def __init__(self) -> None:
        super().__init__()
        self.om = OrderManagement(MemoryJournal())
        self.ids, self.reference = IdMap(next_id=3), Reference(3)
        self.given: list[int] = []

    @rule(key=keys)
    def new(self, key: str) -> None:
        actual = outcome(lambda: self.ids.new(key))
        assert actual == outcome(lambda: self.reference.new(key))
        if actual[0] == "returned":
            self.given.append(self.ids[key])

    @rule(key=keys, price=st.integers(0, 3))
    def add(self, key: str, price: int) -> None:
        actual = outcome(lambda: add(self.om, self.ids, key, price=price))
        expected = outcome(lambda: self.reference.new(key))
        if expected[0] == "returned" and price == 0:
            assert actual[:2] == ("raised", InvalidOrderError)
            self.reference.remove(key)
        else:
            assert actual == expected
        if actual[0] == "returned":
            self.given.append(self.ids[key])

    @rule(amount=st.integers(1, 25))
    def trade(self, amount: int) -> None:
        if self.om.available_amount("JPM", Side.BUY):
            trade = self.om.place_trade("JPM", Side.BUY, amount, allow_partial=True)
            prices = [(fill.price, fill.order_id) for fill in trade.fills]
            assert prices == sorted(prices)

    @rule(key=keys)
    def remove(self, key: str) -> None:
        actual = outcome(lambda: self.ids.remove(key))
        assert actual == outcome(lambda: self.reference.remove(key))
        if actual[0] == "returned" and actual[1] in self.om:
            self.om.remove_order(int(str(actual[1])))

    @rule(order_id=st.integers(0, 12))
    def key_of(self, order_id: int) -> None:
        assert outcome(lambda: self.ids.key_of(order_id)) == outcome(lambda: self.reference.key_of(order_id))

    @invariant()
    def the_map_equals_the_reference(self) -> None:
        assert entries(self.ids) == [row for row in self.reference.rows if row is not None]
        assert self.given == sorted(set(self.given))
        assert self.ids.next_id > max(self.given, default=2)

    @invariant()
    def a_restart_restores_the_key_of_every_resting_order_with_a_key(self) -> None:
        restored = IdMap.from_history(self.om)
        assert [restored.key_of(order.order_id) for order in self.om] == [
            self.ids.key_of(order.order_id) for order in self.om
        ]
        assert restored.next_id > max((order.order_id for order in self.om), default=0)


def test_random_calls_agree_with_the_reference() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
