"""A transaction belongs to one thread and one context. Others cannot join it, and their waits are limited."""

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

import oms.fork
import oms.ledger
import oms.owner
from oms import JournalError, OmsError, OpenTransactionError, Order, OrderManagement, Side, journal
from support.memory_journal import MemoryJournal
from support.threads import in_a_thread

BUY = Side.BUY
Open = Callable[[OrderManagement], Any]
KINDS: dict[str, Open] = {"transaction": lambda om: om.transaction(), "what_if": lambda om: om.what_if()}


def enter_locked(om: OrderManagement) -> None:
    with om.locked():
        pass


CALLS: dict[str, Callable[[OrderManagement], object]] = {
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
    "locked": enter_locked,
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
@pytest.mark.parametrize("name", CALLS)
def test_a_call_by_another_task_during_an_open_transaction_raises_an_error(
    name: str, kind: str, om: OrderManagement
) -> None:
    before = om.state_hash()

    async def owner(opened: asyncio.Event, may_leave: asyncio.Event) -> None:
        with suppress(ZeroDivisionError), KINDS[kind](om):
            om.remove_order(4)
            opened.set()
            await may_leave.wait()
            assert len(om) == 1, "the owner continues in its transaction"
            raise ZeroDivisionError

    async def main() -> None:
        opened, may_leave = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(owner(opened, may_leave))
        await opened.wait()
        with pytest.raises(OpenTransactionError):
            CALLS[name](om)
        may_leave.set()
        await task

    asyncio.run(main())
    om._check()
    assert om.state_hash() == before


def test_a_task_created_inside_a_transaction_does_not_belong_to_it(om: OrderManagement) -> None:
    async def child() -> None:
        om.remove_order(1)

    async def main() -> None:
        with om.transaction():
            om.remove_order(4)
            with pytest.raises(OpenTransactionError):
                await asyncio.create_task(child())
            with pytest.raises(OpenTransactionError):
                await asyncio.to_thread(om.remove_order, 1)  # waiting would be a deadlock
            with pytest.raises(OpenTransactionError):
                contextvars.copy_context().run(om.symbols)
            om.add_order(5, "JPM", BUY, 1, 1)

    asyncio.run(main())
    assert [order.order_id for order in om] == [5, 1]


def test_the_transactions_of_two_order_managements_are_independent(om: OrderManagement) -> None:
    other = OrderManagement()
    for _ in range(3):
        with om.transaction(), other.transaction(), om.what_if():
            om.remove_order(4)
            other.add_order(1, "IBM", BUY, 1, 1)
            other.remove_order(1)
            om.amend_order(1, amount=3)
    assert len(om) == 2
    assert len(other) == 0


def test_the_owners_of_ended_transactions_are_garbage_collected() -> None:
    om = OrderManagement()
    for _ in range(5):
        om.transaction().__enter__()  # garbage-collected immediately
        om.symbols()
    gc.collect()
    assert sum(type(each) is oms.owner.Owner for each in gc.get_objects()) <= 2


def open_transaction(om: OrderManagement) -> Iterator[OrderManagement]:
    with om.transaction():
        om.remove_order(4)
        yield om


def test_a_transaction_entered_in_one_thread_and_left_in_another_is_rolled_back(om: OrderManagement) -> None:
    before = om.state_hash()
    context = contextmanager(open_transaction)(om)
    in_a_thread(context.__enter__)
    with pytest.raises(OpenTransactionError, match="another thread"):
        context.__exit__(None, None, None)
    assert om.state_hash() == in_a_thread(om.state_hash) == before
    om.remove_order(4)


def test_the_exception_of_a_with_body_is_raised_even_if_the_transaction_has_already_ended(
    om: OrderManagement,
) -> None:
    context = om.transaction()
    with pytest.raises(ZeroDivisionError), ExitStack() as stack:
        stack.enter_context(context)
        with pytest.raises(OpenTransactionError, match="another thread"):
            in_a_thread(lambda: context.__exit__(None, None, None))
        raise ZeroDivisionError
    assert len(om) == 2


def test_a_transaction_entered_by_a_with_statement_can_be_left_only_by_that_statement(
    om: OrderManagement,
) -> None:
    before = om.state_hash()
    context = om.transaction()

    def try_to_leave() -> None:
        with pytest.raises(OpenTransactionError, match="only the with statement"):
            context.__exit__(None, None, None)

    with suppress(KeyError), context:
        om.remove_order(1)
        in_a_thread(try_to_leave)
        try_to_leave()
        om.remove_order(4)  # still inside the transaction, so not committed separately
        raise KeyError
    assert om.state_hash() == before
    with pytest.raises(OpenTransactionError, match="already ended"):
        context.__exit__(None, None, None)


def test_a_call_waits_for_the_transaction_of_another_thread(om: OrderManagement) -> None:
    has_entered, may_leave = threading.Event(), threading.Event()

    def owner() -> None:
        with om.transaction():
            om.remove_order(4)
            has_entered.set()
            may_leave.wait()

    counts: list[int] = []
    threads = [threading.Thread(target=call) for call in (owner, lambda: counts.append(len(om)))]
    threads[0].start()
    has_entered.wait()
    threads[1].start()
    while not om._ledger._waiters:
        time.sleep(0.001)
    assert counts == []
    may_leave.set()
    for thread in threads:
        thread.join()
    assert counts == [1]


def test_a_call_that_waits_too_long_for_the_transaction_of_another_thread_raises_an_error(
    om: OrderManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms.admission.LONGEST_WAIT", 0.01)
    with om.transaction():
        om.remove_order(4)
        with pytest.raises(OpenTransactionError, match="another thread's transaction"):
            in_a_thread(lambda: om.remove_order(1))
        with pytest.raises(OpenTransactionError, match="another thread's transaction"):
            in_a_thread(lambda: om.calculate_price("JPM", BUY, 1))
    assert [order.order_id for order in om] == [1]


def test_an_open_transaction_is_rolled_back_after_its_thread_has_ended(om: OrderManagement) -> None:
    before, contexts = om.state_hash(), []

    def begin() -> None:
        contexts.append(om.transaction())
        contexts[0].__enter__()
        om.remove_order(4)

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    assert om.state_hash() == before
    with pytest.raises(OpenTransactionError, match="already ended"):
        contexts[0].__exit__(None, None, None)


def test_a_signal_handler_that_uses_the_book_in_the_middle_of_a_change_gets_an_error(
    om: OrderManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[OmsError] = []
    drop_level = oms.order_book.OrderBook._drop_level

    def call_handler(*arguments: Any) -> None:
        try:
            om.symbols()
        except OmsError as error:
            errors.append(error)
        drop_level(*arguments)

    monkeypatch.setattr(oms.order_book.OrderBook, "_drop_level", call_handler)
    om.remove_order(4)
    assert "in the middle of another" in str(errors[0])
    om._check()
    assert len(om) == 1


# ---------------------------------------------------------------------- programs that end

PROGRAMS = {
    "entered": "opened = om.transaction(); opened.__enter__()",
    "what_if": "opened = om.what_if(); opened.__enter__()",
    "stack": "stack = contextlib.ExitStack(); stack.enter_context(om.transaction())",
    "cycle": "opened = om.transaction(); opened.itself = opened; opened.__enter__()",
    "generator": "def inside():\n    with om.transaction(): yield\ngenerator = inside(); next(generator)",
}


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_can_end_inside_a_transaction_and_the_transaction_is_not_committed(
    program: str, durable: bool, tmp_path: Path
) -> None:
    path = tmp_path / "book.db"
    constructor = f"journal.open({str(path)!r})" if durable else "OrderManagement()"
    source = (
        f"import contextlib\nfrom oms import OrderManagement, Side, journal\nom = {constructor}\n"
        f"{PROGRAMS[program]}\nom.add_order(1, 'JPM', Side.BUY, 1, 1)\nprint('end')\n"
    )
    command = [sys.executable, "-c", source]
    process = subprocess.run(command, check=False, capture_output=True, timeout=30, text=True)
    assert (process.returncode, process.stdout) == (0, "end\n")
    if durable:
        with journal.open(path, verify=True) as reopened:
            assert len(reopened) == 0


# ---------------------------------------------------------------------- fork


def result_in_a_child(call: Callable[[], object]) -> str:
    """Return the repr of the result of a call in a forked process, or the name of its error.

    The child is killed after 10 seconds.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            result = repr(call())
        except BaseException as error:
            result = type(error).__name__
        os.write(write, result.encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        result = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0, "the child should end without waiting"
    return result


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_sees_the_book_without_the_open_transaction_of_another_thread(
    om: OrderManagement,
) -> None:
    before = om.state_hash()
    has_entered, may_leave = threading.Event(), threading.Event()

    def feed() -> None:
        with om.transaction():
            om.remove_order(4)
            has_entered.set()
            may_leave.wait()

    thread = threading.Thread(target=feed)
    thread.start()
    has_entered.wait()
    assert result_in_a_child(om.state_hash) == repr(before)
    assert result_in_a_child(lambda: om.calculate_price("JPM", BUY, 30)) == "610"
    may_leave.set()
    thread.join()
    assert len(om) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_while_another_thread_makes_a_change_sees_the_book_before_the_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(4, "JPM", BUY, 10, 21)])
    before = om.state_hash()
    has_entered, may_leave = threading.Event(), threading.Event()
    drop_level = oms.order_book.OrderBook._drop_level

    def slow(*arguments: Any) -> None:
        has_entered.set()
        may_leave.wait()
        drop_level(*arguments)

    monkeypatch.setattr(oms.order_book.OrderBook, "_drop_level", slow)
    thread = threading.Thread(target=lambda: om.remove_order(4))
    thread.start()
    has_entered.wait()
    monkeypatch.undo()

    def price_after_removal() -> object:
        state = om.state_hash()
        om._check()
        om.remove_order(4)
        return state == before and om.calculate_price("JPM", BUY, 20)

    assert result_in_a_child(price_after_removal) == "400"
    may_leave.set()
    thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_can_continue_a_transaction_of_its_own_thread_but_cannot_write_to_the_journal(
    tmp_path: Path,
) -> None:
    plain = OrderManagement()
    with plain.transaction():
        plain.add_order(1, "JPM", BUY, 1, 1)

        def add_another_order() -> int:
            plain.add_order(2, "JPM", BUY, 1, 1)
            return len(plain)

        assert result_in_a_child(add_another_order) == "2"
    durable = journal.open(tmp_path / "book.db")

    def write() -> None:
        with durable.transaction():
            durable.add_order(2, "JPM", BUY, 1, 1)

    with durable.transaction():
        durable.add_order(1, "JPM", BUY, 1, 1)
    assert result_in_a_child(write) == JournalError.__name__
    assert result_in_a_child(lambda: durable.remove_order(1)) == JournalError.__name__
    assert result_in_a_child(lambda: len(durable)) == "1"
    durable.close()
    with journal.open(tmp_path / "book.db", verify=True) as reopened:
        assert len(reopened) == 1


def test_the_fork_handler_rolls_back_the_transaction_of_a_thread_that_does_not_exist_in_the_child(
    om: OrderManagement,
) -> None:
    """Call the fork handler in this process, where the coverage tracer can follow it."""
    before = om.state_hash()
    has_entered, may_leave = threading.Event(), threading.Event()
    errors: list[OmsError] = []

    def feed() -> None:
        try:
            with om.transaction():
                om.remove_order(4)
                has_entered.set()
                may_leave.wait()
        except OmsError as error:
            errors.append(error)

    thread = threading.Thread(target=feed)
    thread.start()
    has_entered.wait()
    oms.fork._reset_all()
    assert om.state_hash() == before
    may_leave.set()
    thread.join()
    assert "already ended" in str(errors[0])
    with om.transaction():
        oms.fork._reset_all()
        om.remove_order(4)
        with om._lock:
            oms.fork._reset_all()
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
def test_no_forked_child_blocks_while_another_thread_changes_the_book() -> None:
    """Fork in a separate program, because the lock of a coverage tracer can block a forked child."""
    command = [sys.executable, "-c", BUSY]
    process = subprocess.run(command, check=False, capture_output=True, timeout=100, text=True)
    assert process.stdout == "40 40\n", process.stderr


def test_a_thread_with_one_transaction_after_another_lets_waiting_threads_go_first(
    om: OrderManagement,
) -> None:
    transactions, inside, answered = 0, threading.Event(), threading.Event()

    def trade_on_and_on() -> None:
        nonlocal transactions
        while not answered.is_set():
            with om.what_if():
                om.remove_order(1)
                inside.set()
                time.sleep(0.01)
            transactions += 1

    maker = threading.Thread(target=trade_on_and_on)
    maker.start()
    try:
        for _ in range(5):
            inside.clear()
            assert inside.wait(30)
            before = transactions
            om.symbols()
            assert transactions - before < 20, "a waiting thread waits for a few transactions at most"
    finally:
        answered.set()
        maker.join()


def test_looking_at_the_call_stack_keeps_no_variable_of_the_caller_alive() -> None:
    om, other = OrderManagement(), OrderManagement()
    om.subscribe(lambda event: om.remove_order(1) if event.sequence == 1 else None)
    context = other.transaction()
    context.__enter__()
    other.add_order(7, "JPM", BUY, 1, 1)
    om.add_order(1, "JPM", BUY, 1, 1)  # the change of the callback looks at the call stack
    del context
    other.add_order(8, "JPM", BUY, 1, 1)
    assert [order.order_id for order in other.orders()] == [8], "the dropped transaction is rolled back"
    assert not other._ledger.is_open
