"""A price level, compared with a plain sorted list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedList

from oms.level import MANY, Level

ids = st.lists(st.integers(0, 60), min_size=1, max_size=30, unique=True)


@pytest.mark.parametrize("many", [3, MANY])
@given(first=ids, others=st.lists(ids, max_size=4), chosen=st.randoms(use_true_random=False))
def test_a_level_lists_its_ids_in_ascending_order_whatever_order_they_were_added_in(
    many: int, first: list[int], others: list[list[int]], chosen: object
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oms.level.MANY", many)
        level, plain = Level(101, len(first), sorted(first)), set(first)
        for batch in others:
            new = sorted(set(batch) - plain)
            if len(new) == 1:
                level.add(new[0], 1)
            elif new:
                level.extend(new, len(new))
            plain.update(new)
            for order_id in [new_id for new_id in new if new_id % 2 and len(plain) > 1]:
                level.remove(order_id, 1)
                plain.remove(order_id)
            assert (level.amount, list(level.ids)) == (len(plain), sorted(plain))


def test_a_level_with_many_orders_stores_its_ids_in_a_sorted_list_however_they_were_added() -> None:
    by_one, in_order, at_once = Level(101, 1, [0]), Level(101, 1, [2 * MANY]), Level(101, 1, [0])
    for order_id in range(1, MANY + 1):
        by_one.add(order_id, 1)
        in_order.add(2 * MANY - order_id, 1)
    at_once.extend(list(range(1, MANY + 1)), MANY)
    assert list(by_one.ids) == list(at_once.ids) == list(Level(101, MANY + 1, list(range(MANY + 1))).ids)
    assert {type(level.ids) for level in (by_one, in_order, at_once)} == {SortedList}
    assert list(in_order.ids) == list(range(MANY, 2 * MANY + 1))


@given(st.sets(st.integers(0, 50), min_size=1), st.integers(-1, 51))
def test_ids_after_an_id_are_the_larger_ones_in_a_list_and_in_a_sorted_list(
    ids: set[int], order_id: int
) -> None:
    level = Level(101, 20, sorted(ids))
    larger = [each for each in sorted(ids) if each > order_id]
    assert list(level.ids_after(order_id)) == larger
    level.ids = SortedList(ids)
    assert list(level.ids_after(order_id)) == larger
