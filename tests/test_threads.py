"""Many threads share one OrderManagement: calls never interleave."""

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
    """Let the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def overlaps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects a line for every time that two threads were inside the books at once."""
    seen: list[str] = []
    inside: dict[int, str] = {}

    def watched(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            me = threading.get_ident()
            seen.extend(f"{name} within {other}" for thread, other in inside.items() if thread != me)
            outer = inside.get(me)
            inside[me] = name
            try:
                time.sleep(0)  # offer the processor to anyone who wants to come in
                return method(*args)
            finally:
                if outer is None:
                    del inside[me]
                else:
                    inside[me] = outer

        return call

    for name in ("add", "update", "remove", "resize", "depth", "levels", "__iter__"):
        monkeypatch.setattr(OrderBook, name, watched(name, getattr(OrderBook, name)))
    return seen


def one_call(om: OrderManagement, rng: random.Random, tally: dict[str, int]) -> None:
    """Any verb; the tally keeps what came, what was traded and what was taken out."""
    order_id, side = rng.randrange(64), rng.choice(list(Side))
    verb = rng.choice(["add", "add", "add", "add_many", "trade", "remove_many", "ask", "list"])
    try:
        if verb == "add":
            om.add_order(order_id, "JPM", side, 10, rng.randint(1, 5))
            tally["added"] += 10
        elif verb == "add_many":
            om.add_orders(Order(order_id + n, "JPM", side, 10, 1 + n) for n in range(3))
            tally["added"] += 30
        elif verb == "trade":
            tally["traded"] += om.place_trade("JPM", side, rng.randint(1, 30)).amount
        elif verb == "remove_many" and rng.random() < 0.1:
            tally["removed"] += sum(order.amount for order in om.remove_orders("JPM", side))
        elif verb == "ask":
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
    assert all(total.values()), "every kind of call happened"


def test_another_thread_sees_only_committed_states(overlaps: list[str]) -> None:
    """A writer moves 10 lots between two symbols, tries things and fails half way; a reader watches."""
    om = OrderManagement()
    om.add_orders([Order(1, "A", Side.BUY, 100, 5), Order(2, "B", Side.BUY, 100, 5)])
    hashes = {om.state_hash()}
    failures: list[BaseException] = []
    asked = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal asked
        try:
            while not done.is_set():
                assert sum(order.amount for order in om) == 200
                assert len(om) == 2
                assert 3 not in om
                assert om.symbols() == ("A", "B")
                assert om.quote("A", Side.BUY, 1).total_price == 5
                assert om.state_hash() in hashes
                asked += 1
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=watch)
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
    assert asked > 10
