"""The hash of the state, read in slices, is that of the state at the beginning."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import MatchingEngine, Order, OrderManagement, Side
from oms.api import state_hash as module
from oms.api.state_hash import begin_copy, state_hash
from oms.facade import Facade
from support.book_commands import commands, run
from support.counted_lock import CountedLock
from support.engine_commands import run_verbs, verbs
from support.strategies import distinct_orders


def check(books: Facade, change: Callable[[], object], slice_: int, *, copies: bool = False) -> None:
    expected, state = (books.last_sequence, books.state_hash()), books.snapshot()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SLICE", slice_)
        lock = CountedLock(books, patch)
        lock.change = change
        if copies:
            sequence, finish = begin_copy(books)  # the lock makes a change before `finish` takes it again
            assert (sequence, finish()) == (state.sequence, (state, expected[1]))
        else:
            assert state_hash(books) == expected
        assert max(lock.reads) <= slice_
    assert not books._ledger.subscribers.callbacks


@given(distinct_orders(), st.lists(commands, max_size=20), st.integers(1, 3), st.booleans())
@settings(max_examples=100)
def test_the_hash_or_copy_of_books_is_that_of_the_beginning_whatever_changes_between_slices(
    orders: list[Order], changes: list[Any], slice_: int, copies: bool
) -> None:
    om = OrderManagement()
    om.add_orders(orders)
    if orders:
        om.place_trade(orders[0].symbol, orders[0].side, 1)  # so that the next trade id is not 1
    remaining = iter(changes)
    check(om, lambda: run(om, [each for each in [next(remaining, None)] if each]), slice_, copies=copies)


@given(st.lists(verbs, max_size=20), st.lists(verbs, max_size=20), st.integers(1, 3), st.booleans())
@settings(max_examples=100)
def test_the_hash_or_copy_of_an_engine_is_that_of_the_beginning_whatever_changes_between_slices(
    before: list[Any], changes: list[Any], slice_: int, copies: bool
) -> None:
    engine = MatchingEngine()
    run_verbs(engine, before)
    remaining = iter(changes)
    change = partial(run_verbs, engine)
    check(engine, lambda: change([each for each in [next(remaining, None)] if each]), slice_, copies=copies)


def test_the_hash_covers_many_symbols_that_are_removed_meanwhile() -> None:
    om = OrderManagement()
    om.add_orders(Order(n, f"S{n:03}", list(Side)[n % 2], 1, 1) for n in range(200))
    check(om, om.remove_orders, 7)
