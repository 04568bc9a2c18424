"""Many threads share one OrderManagement, and their calls never interleave."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from oms import OmsError, Order, OrderManagement, Side
from oms.order_book import OrderBook

THREADS, CALLS = 8, 400


@pytest.fixture(autouse=True)
def eager_switches() -> Iterator[None]:
    """Let the interpreter switch threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def overlaps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets a line whenever two threads are inside the books at the same time."""
    lines: list[str] = []
    running: dict[int, str] = {}

    def watch(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            me = threading.get_ident()
            lines.extend(f"{name} within {other}" for thread, other in running.items() if thread != me)
            outer = running.get(me)
            running[me] = name
            try:
                time.sleep(0)  # let another thread run
                return method(*args)
            finally:
                if outer is None:
                    del running[me]
                else:
                    running[me] = outer

        return call

    changes = ["add", "update", "remove", "resize", "remove_fills", "clear"]
    for name in [*changes, "depth", "find_price", "best_price", "orders", "amounts"]:
        monkeypatch.setattr(OrderBook, name, watch(name, getattr(OrderBook, name)))
    return lines


def one_call(om: OrderManagement, rng: random.Random, tally: dict[str, int]) -> None:
    """Call a random method, and add to the tally the amounts that were added, traded, and removed."""
    order_id, side = rng.randrange(64), rng.choice(list(Side))
    method = rng.choice(["add", "add", "add", "add_many", "amend", "trade", "remove_many", "price", "depth"])
    try:
        if method == "add":
            om.add_order(order_id, "JPM", side, 10, rng.randint(1, 5))
            tally["added"] += 10
        elif method == "add_many":
            om.add_orders(Order(order_id + n, "JPM", side, 10, 1 + n) for n in range(3))
            tally["added"] += 30
        elif method == "trade":
            tally["traded"] += om.place_trade("JPM", side, rng.randint(1, 30)).amount
        elif method == "remove_many" and rng.random() < 0.1:
            tally["removed"] += sum(order.amount for order in om.remove_orders("JPM", side))
        elif method == "amend":
            om.amend_order(order_id, price=rng.randint(1, 5))
        elif method == "price":
            assert om.calculate_price("JPM", side, 10) in range(10, 51)
        else:
            assert all(level.amount >= level.orders > 0 for level in om.depth("JPM", side))
    except OmsError:
        pass


def test_the_calls_of_eight_threads_never_interleave(overlaps: list[str]) -> None:
    om = OrderManagement()
    tallies = [dict.fromkeys(("added", "traded", "removed"), 0) for _ in range(THREADS)]
    failures: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def work(me: int) -> None:
        rng = random.Random(me)
        start.wait()
        try:
            for _ in range(CALLS):
                one_call(om, rng, tallies[me])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    om._check()
    total = {key: sum(tally[key] for tally in tallies) for key in tallies[0]}
    assert failures == []
    assert overlaps == []
    assert total["added"] == total["traded"] + total["removed"] + sum(order.amount for order in om)
    assert all(total.values()), "every kind of change happened"


def test_another_thread_sees_only_committed_states(overlaps: list[str]) -> None:
    """One thread moves lots between two symbols and rolls back other changes. Another thread watches."""
    om = OrderManagement()
    om.add_orders([Order(1, "A", Side.BUY, 100, 5), Order(2, "B", Side.BUY, 100, 5)])
    hashes, observed_hashes = {om.state_hash()}, set[str]()
    failures: list[BaseException] = []
    queries = 0
    done = threading.Event()

    def read_repeatedly() -> None:
        nonlocal queries
        try:
            while queries < 20 or not done.is_set():
                assert sum(order.amount for order in om) == 200
                assert len(om) == 2
                assert 3 not in om
                assert om.symbols() == ("A", "B")
                assert om.quote("A", Side.BUY, 1).total_price == 5
                assert om.calculate_price("A", Side.BUY, 1) == 5
                observed_hashes.add(om.state_hash())
                queries += 1
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read_repeatedly)
    reader.start()
    for _ in range(300):
        amount = om.get_order(1).amount
        move = 10 if amount < 150 else -100
        with om.what_if():
            om.remove_order(1)
            om.add_order(3, "C", Side.BUY, 1, 1)
        with suppress(OmsError), om.transaction():
            om.add_order(3, "C", Side.BUY, 1, 1)
            om.place_trade("C", Side.BUY, 2)
        with om.transaction():
            om.amend_order(1, amount=amount + move)
            om.amend_order(2, amount=200 - amount - move)
        hashes.add(om.state_hash())
    done.set()
    reader.join()
    assert failures == []
    assert overlaps == []
    assert observed_hashes <= hashes


class CountingLock:
    """A lock that counts how often it is acquired."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.acquisitions = 0

    def acquire(self) -> bool:
        self.acquisitions += 1
        return bool(self.lock.acquire())

    def release(self) -> None:
        self.lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


BUY = Side.BUY
LOCKED: dict[str, Callable[[OrderManagement], object]] = {
    "add_order": lambda om: om.add_order(9, "A", BUY, 1, 1),
    "add_orders": lambda om: om.add_orders([Order(9, "A", BUY, 1, 1)]),
    "amend_order": lambda om: om.amend_order(1, amount=1),
    "amount_within": lambda om: om.amount_within("A", BUY, 1),
    "available_amount": lambda om: om.available_amount("A", BUY),
    "best_price": lambda om: om.best_price("A", BUY),
    "calculate_amount": lambda om: om.calculate_amount("A", BUY, 1),
    "calculate_price": lambda om: om.calculate_price("A", BUY, 1),
    "calculate_prices": lambda om: om.calculate_prices("A", BUY, [1]),
    "close": OrderManagement.close,
    "copy": OrderManagement.copy,
    "depth": lambda om: om.depth("A", BUY),
    "get_order": lambda om: om.get_order(1),
    "locked": lambda om: om.locked().__enter__(),
    "orders": OrderManagement.orders,
    "place_trade": lambda om: om.place_trade("A", BUY, 1),
    "price_curve": lambda om: om.price_curve("A", BUY),
    "queue_ahead": lambda om: om.queue_ahead(1),
    "quote": lambda om: om.quote("A", BUY, 1),
    "remove_order": lambda om: om.remove_order(1),
    "remove_orders": OrderManagement.remove_orders,
    "snapshot": OrderManagement.snapshot,
    "state_hash": OrderManagement.state_hash,
    "subscribe": lambda om: om.subscribe(print),
    "symbols": OrderManagement.symbols,
    "top": lambda om: om.top("A"),
    "transaction": lambda om: om.transaction().__enter__(),
    "what_if": lambda om: om.what_if().__enter__(),
    "__contains__": lambda om: 1 in om,
    "__iter__": list,
    "__len__": len,
    "__repr__": repr,
    "__rich_repr__": OrderManagement.__rich_repr__,
    "_repr_html_": OrderManagement._repr_html_,
    "__getstate__": OrderManagement.__getstate__,
}


def locked_book() -> tuple[OrderManagement, CountingLock]:
    om = OrderManagement()
    om.add_order(1, "A", BUY, 10, 5)
    lock: Any = CountingLock(om._lock)
    om._lock = om._ledger.lock = om._ledger.subscribers._lock = lock
    return om, lock


def test_the_list_of_calls_that_acquire_the_lock_is_complete() -> None:
    public = {name for name, value in vars(OrderManagement).items() if callable(value) and name[0] != "_"}
    assert public <= set(LOCKED)


@pytest.mark.parametrize("name", LOCKED)
def test_every_call_acquires_the_lock(name: str) -> None:
    om, lock = locked_book()
    LOCKED[name](om)
    assert lock.acquisitions >= 1


def test_unsubscribing_acquires_the_lock() -> None:
    om, lock = locked_book()
    unsubscribe = om.subscribe(print)
    before = lock.acquisitions
    unsubscribe()
    assert lock.acquisitions == before + 1


def test_a_cached_price_needs_no_lock_unless_the_cache_was_cleared_or_a_transaction_is_open() -> None:
    om, lock = locked_book()

    def acquisitions() -> int:
        before = lock.acquisitions
        assert om.calculate_price("A", BUY, 1) == 5
        return lock.acquisitions - before

    assert [acquisitions(), acquisitions()] == [1, 0]
    om.add_order(2, "A", BUY, 1, 5)
    om.add_order(3, "B", BUY, 1, 5)
    assert acquisitions() == 0
    om.add_orders([Order(4, "A", BUY, 1, 4), Order(5, "A", BUY, 1, 5)])
    om.remove_order(4)
    assert [acquisitions(), acquisitions()] == [1, 0]
    with om.transaction():
        assert acquisitions() == 1
    assert acquisitions() == 0


def test_a_copy_has_a_lock_of_its_own() -> None:
    om = OrderManagement()
    assert om.copy()._lock is not om._lock


def test_prices_that_are_read_without_the_lock_are_correct_while_another_thread_changes_the_book() -> None:
    """The best 10 lots always cost either 1 or 2 ticks each, and the next 10 lots cost 3 ticks each."""
    om = OrderManagement()
    om.add_orders([Order(1, "A", BUY, 10, 1), Order(2, "A", BUY, 10, 3)])
    wrong_prices: list[object] = []
    queries = 0
    done = threading.Event()

    def read_repeatedly() -> None:
        nonlocal queries
        try:
            while queries < 20 or not done.is_set():
                price = om.calculate_price("A", BUY, 15)
                if price not in (25, 35):
                    wrong_prices.append(price)
                queries += 1
        except BaseException as error:
            wrong_prices.append(error)

    readers = [threading.Thread(target=read_repeatedly) for _ in range(2)]
    for reader in readers:
        reader.start()
    for n in range(1500):
        om.amend_order(1, price=1 + n % 2)
        if n % 3 == 0:
            with om.what_if():
                om.remove_order(1)
                om.calculate_price("A", BUY, 10)
                om.calculate_price("A", BUY, 10)
    done.set()
    for reader in readers:
        reader.join()
    assert wrong_prices == []
