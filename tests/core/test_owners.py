"""A transaction belongs to one thread and one context: nobody else joins it, and no wait is endless."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import oms.ledger
import oms.owner
from oms import JournalError, OmsError, OpenTransactionError, Order, OrderManagement, Side, journal
from support.memory_journal import MemoryJournal
from support.threads import in_a_thread

BUY = Side.BUY
Open = Callable[[OrderManagement], Any]
KINDS: dict[str, Open] = {"transaction": lambda om: om.transaction(), "what_if": lambda om: om.what_if()}


def hold(om: OrderManagement) -> None:
    with om.locked():
        pass


VERBS: dict[str, Callable[[OrderManagement], object]] = {
    "add_order": lambda om: om.add_order(9, "JPM", BUY, 1, 1),
    "amend_order": lambda om: om.amend_order(1, amount=2),
    "remove_orders": lambda om: om.remove_orders(),
    "place_trade": lambda om: om.place_trade("JPM", BUY, 1),
    "calculate_price": lambda om: om.calculate_price("JPM", BUY, 1),
    "quote": lambda om: om.quote("JPM", BUY, 1),
    "get_order": lambda om: om.get_order(1),
    "in": lambda om: 1 in om,
    "len": len,
    "repr": repr,
    "state_hash": lambda om: om.state_hash(),
    "last_sequence": lambda om: om.last_sequence,
    "copy": lambda om: om.copy(),
    "snapshot": lambda om: om.snapshot(),
    "locked": hold,
    "close": lambda om: om.close(),
    "transaction": lambda om: om.transaction().__enter__(),
    "what_if": lambda om: om.what_if().__enter__(),
}


@pytest.fixture(params=[None, MemoryJournal], ids=["plain", "durable"])
def om(request: pytest.FixtureRequest) -> OrderManagement:
    om = OrderManagement(None if request.param is None else request.param())
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(4, "JPM", BUY, 10, 21)])
    om.calculate_price("JPM", BUY, 1)
    return om


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_another_task_neither_joins_nor_sees_an_open_transaction(
    verb: str, kind: str, om: OrderManagement
) -> None:
    before = om.state_hash()

    async def owner(opened: asyncio.Event, leave: asyncio.Event) -> None:
        with suppress(ZeroDivisionError), KINDS[kind](om):
            om.remove_order(4)
            opened.set()
            await leave.wait()
            assert len(om) == 1, "the owner goes on"
            raise ZeroDivisionError

    async def main() -> None:
        opened, leave = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(owner(opened, leave))
        await opened.wait()
        with pytest.raises(OpenTransactionError):
            VERBS[verb](om)
        leave.set()
        await task

    asyncio.run(main())
    om._check()
    assert om.state_hash() == before


def test_a_task_made_inside_a_transaction_does_not_inherit_it(om: OrderManagement) -> None:
    async def child() -> None:
        om.remove_order(1)

    async def main() -> None:
        with om.transaction():
            om.remove_order(4)
            with pytest.raises(OpenTransactionError):
                await asyncio.create_task(child())
            with pytest.raises(OpenTransactionError):
                await asyncio.to_thread(om.remove_order, 1)  # it would wait for what waits for it
            with pytest.raises(OpenTransactionError):
                contextvars.copy_context().run(om.symbols)
            om.add_order(5, "JPM", BUY, 1, 1)

    asyncio.run(main())
    assert [order.order_id for order in om] == [5, 1]


def test_the_transactions_of_two_books_do_not_disturb_each_other(om: OrderManagement) -> None:
    other = OrderManagement()
    for _ in range(3):
        with om.transaction(), other.transaction(), om.what_if():
            om.remove_order(4)
            other.add_order(1, "IBM", BUY, 1, 1)
            other.remove_order(1)
            om.amend_order(1, amount=3)
    assert len(om) == 2
    assert len(other) == 0


def test_owners_of_ended_transactions_are_not_kept() -> None:
    om = OrderManagement()
    for _ in range(5):
        om.transaction().__enter__()  # dropped at once
        om.symbols()
    gc.collect()
    assert sum(type(each) is oms.owner.Owner for each in gc.get_objects()) <= 2


def held_by(om: OrderManagement) -> Iterator[OrderManagement]:
    with om.transaction():
        om.remove_order(4)
        yield om


def test_a_generator_begun_in_one_thread_and_closed_in_another_is_rolled_back(om: OrderManagement) -> None:
    before = om.state_hash()
    held = contextmanager(held_by)(om)
    in_a_thread(held.__enter__)
    with pytest.raises(OpenTransactionError, match="another thread"):
        held.__exit__(None, None, None)
    assert om.state_hash() == in_a_thread(om.state_hash) == before
    om.remove_order(4)


def test_what_a_body_raises_is_not_hidden_when_its_transaction_has_ended_already(om: OrderManagement) -> None:
    held = om.transaction()
    with pytest.raises(ZeroDivisionError), ExitStack() as stack:
        stack.enter_context(held)
        with pytest.raises(OpenTransactionError, match="another thread"):
            in_a_thread(lambda: held.__exit__(None, None, None))
        raise ZeroDivisionError
    assert len(om) == 2


def test_a_transaction_that_a_with_statement_is_inside_is_left_by_that_statement_alone(
    om: OrderManagement,
) -> None:
    before = om.state_hash()
    context = om.transaction()

    def leave() -> None:
        with pytest.raises(OpenTransactionError, match="a with statement is inside it"):
            context.__exit__(None, None, None)

    with suppress(KeyError), context:
        om.remove_order(1)
        in_a_thread(leave)
        leave()
        om.remove_order(4)  # still inside: not committed alone
        raise KeyError
    assert om.state_hash() == before
    with pytest.raises(OpenTransactionError, match="ended already"):
        context.__exit__(None, None, None)


def test_a_verb_waits_for_the_transaction_of_another_thread(om: OrderManagement) -> None:
    inside, leave = threading.Event(), threading.Event()

    def owner() -> None:
        with om.transaction():
            om.remove_order(4)
            inside.set()
            leave.wait()

    seen: list[int] = []
    threads = [threading.Thread(target=call) for call in (owner, lambda: seen.append(len(om)))]
    threads[0].start()
    inside.wait()
    threads[1].start()
    while not om._ledger._waiters:
        time.sleep(0.001)
    assert seen == []
    leave.set()
    for thread in threads:
        thread.join()
    assert seen == [1]


def test_the_wait_for_another_threads_transaction_ends_in_an_error(
    om: OrderManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms.ledger.LONGEST_WAIT", 0.01)
    with om.transaction():
        om.remove_order(4)
        with pytest.raises(OpenTransactionError, match="another thread's transaction"):
            in_a_thread(lambda: om.remove_order(1))
        with pytest.raises(OpenTransactionError, match="another thread's transaction"):
            in_a_thread(lambda: om.calculate_price("JPM", BUY, 1))
    assert [order.order_id for order in om] == [1]


def test_a_transaction_whose_thread_has_ended_is_rolled_back(om: OrderManagement) -> None:
    before, held = om.state_hash(), []

    def begin() -> None:
        held.append(om.transaction())
        held[0].__enter__()
        om.remove_order(4)

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    assert om.state_hash() == before
    with pytest.raises(OpenTransactionError, match="ended already"):
        held[0].__exit__(None, None, None)


def test_a_verb_of_a_signal_handler_in_the_middle_of_another_is_an_error(
    om: OrderManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[OmsError] = []
    recover = oms.order_book.OrderBook._drop_level

    def interrupted(*arguments: Any) -> None:
        try:
            om.symbols()
        except OmsError as error:
            errors.append(error)
        recover(*arguments)

    monkeypatch.setattr(oms.order_book.OrderBook, "_drop_level", interrupted)
    om.remove_order(4)
    assert "in the middle of another" in str(errors[0])
    om._check()
    assert len(om) == 1


# ---------------------------------------------------------------------- the end of a program

PROGRAMS = {
    "entered": "opened = om.transaction(); opened.__enter__()",
    "what_if": "opened = om.what_if(); opened.__enter__()",
    "stack": "stack = contextlib.ExitStack(); stack.enter_context(om.transaction())",
    "cycle": "opened = om.transaction(); opened.itself = opened; opened.__enter__()",
    "generator": "def held():\n    with om.transaction(): yield\nrunning = held(); next(running)",
}


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_ends_inside_a_transaction_ends(program: str, durable: bool, tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    made = f"journal.open({str(path)!r})" if durable else "OrderManagement()"
    source = (
        f"import contextlib\nfrom oms import OrderManagement, Side, journal\nom = {made}\n"
        f"{PROGRAMS[program]}\nom.add_order(1, 'JPM', Side.BUY, 1, 1)\nprint('end')\n"
    )
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, check=False, capture_output=True, timeout=30, text=True)
    assert (done.returncode, done.stdout) == (0, "end\n")
    if durable:
        with journal.open(path, verify=True) as again:
            assert len(again) == 0


# ---------------------------------------------------------------------- fork


def answers_of_a_child(ask: Callable[[], object]) -> str:
    """Fork, and get what the child answers within 10 seconds."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            answer = repr(ask())
        except BaseException as error:
            answer = type(error).__name__
        os.write(write, answer.encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as answer_of:
        answer = answer_of.read().decode()
    assert os.waitpid(child, 0)[1] == 0, "the child has not waited"
    return answer


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_sees_the_whole_book_though_another_thread_had_a_transaction_open(
    om: OrderManagement,
) -> None:
    before = om.state_hash()
    inside, leave = threading.Event(), threading.Event()

    def feed() -> None:
        with om.transaction():
            om.remove_order(4)
            inside.set()
            leave.wait()

    thread = threading.Thread(target=feed)
    thread.start()
    inside.wait()
    assert answers_of_a_child(om.state_hash) == repr(before)
    assert answers_of_a_child(lambda: om.calculate_price("JPM", BUY, 30)) == "610"
    leave.set()
    thread.join()
    assert len(om) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_while_another_thread_is_in_the_middle_of_a_change_sees_the_book_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(4, "JPM", BUY, 10, 21)])
    before = om.state_hash()
    inside, leave = threading.Event(), threading.Event()
    shift = oms.order_book.OrderBook._drop_level

    def slow(*arguments: Any) -> None:
        inside.set()
        leave.wait()
        shift(*arguments)

    monkeypatch.setattr(oms.order_book.OrderBook, "_drop_level", slow)
    thread = threading.Thread(target=lambda: om.remove_order(4))
    thread.start()
    inside.wait()
    monkeypatch.undo()

    def ask() -> object:
        state = om.state_hash()
        om._check()
        om.remove_order(4)
        return state == before and om.calculate_price("JPM", BUY, 20)

    assert answers_of_a_child(ask) == "400"
    leave.set()
    thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_goes_on_in_its_own_threads_transaction_and_writes_into_no_journal(
    tmp_path: Path,
) -> None:
    plain = OrderManagement()
    with plain.transaction():
        plain.add_order(1, "JPM", BUY, 1, 1)

        def go_on() -> int:
            plain.add_order(2, "JPM", BUY, 1, 1)
            return len(plain)

        assert answers_of_a_child(go_on) == "2"
    durable = journal.open(tmp_path / "book.db")

    def write() -> None:
        with durable.transaction():
            durable.add_order(2, "JPM", BUY, 1, 1)

    with durable.transaction():
        durable.add_order(1, "JPM", BUY, 1, 1)
    assert answers_of_a_child(write) == JournalError.__name__
    assert answers_of_a_child(lambda: durable.remove_order(1)) == JournalError.__name__
    assert answers_of_a_child(lambda: len(durable)) == "1"
    durable.close()
    with journal.open(tmp_path / "book.db", verify=True) as again:
        assert len(again) == 1


def test_what_a_child_does_first_ends_the_transaction_of_a_thread_that_it_lacks(om: OrderManagement) -> None:
    """Here, and not in a child, so that the other thread lives and a coverage tracer sees it."""
    before = om.state_hash()
    inside, leave = threading.Event(), threading.Event()
    errors: list[OmsError] = []

    def feed() -> None:
        try:
            with om.transaction():
                om.remove_order(4)
                inside.set()
                leave.wait()
        except OmsError as error:
            errors.append(error)

    thread = threading.Thread(target=feed)
    thread.start()
    inside.wait()
    oms.ledger._begin_anew()
    assert om.state_hash() == before
    leave.set()
    thread.join()
    assert "ended already" in str(errors[0])
    with om.transaction():
        oms.ledger._begin_anew()
        om.remove_order(4)
        with om._lock:
            oms.ledger._begin_anew()
    assert len(om) == 1


BUSY = """
import os, signal, threading
from oms import OrderManagement, Side
om = OrderManagement()
om.add_order(1, "JPM", Side.BUY, 20, 20)
done = threading.Event()
def feed():
    while not done.is_set():
        om.add_order(2, "JPM", Side.BUY, 10, 21)
        with om.what_if():
            om.remove_order(1)
        om.remove_order(2)
thread = threading.Thread(target=feed)
thread.start()
statuses = []
for _ in range(40):
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        os._exit(0 if om.calculate_price("JPM", Side.BUY, 20) == 400 and om.get_order(1) else 1)
    statuses.append(os.waitpid(child, 0)[1])
done.set()
thread.join()
print(statuses.count(0), len(statuses))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_no_child_hangs_beside_a_busy_feed() -> None:
    """In a program of its own: a coverage tracer has a lock too, which can hang a child."""
    command = [sys.executable, "-c", BUSY]
    done = subprocess.run(command, check=False, capture_output=True, timeout=100, text=True)
    assert done.stdout == "40 40\n", done.stderr
