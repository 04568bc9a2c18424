"""The sorted keys beside a plain sorted list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.models import MAX_INT
from oms.order_keys import ID_BITS, OrderKeys, id_of

ends = st.sampled_from([0, 1, MAX_INT - 1, MAX_INT])
ids = st.integers(0, MAX_INT) | ends
ranks = st.integers(-MAX_INT, MAX_INT) | ends | ends.map(int.__neg__)


def key(rank: int, order_id: int) -> int:
    return rank << ID_BITS | order_id


@given(st.tuples(ranks, ids), st.tuples(ranks, ids))
def test_a_key_holds_rank_and_id_and_sorts_by_rank_then_id(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    assert (key(*one) >> ID_BITS, id_of(key(*one))) == one
    assert (key(*one) < key(*other)) is (one < other)


@pytest.mark.parametrize("size", [1, 99, 100, 101, 399, 400, 401, 5_000])
@given(drops=st.lists(st.sampled_from([0, 1, 7, 99, 100, 101, 250, 1_000]), max_size=12))
def test_dropping_the_first_leaves_the_others_whatever_the_lengths_inside(
    size: int, drops: list[int]
) -> None:
    ours, plain = OrderKeys(range(size)), list(range(size))
    for count in drops:
        if count > len(plain):
            break
        ours.drop(count)
        del plain[:count]
        assert (len(ours), list(ours)) == (len(plain), plain)
        assert [ours[n] for n in range(0, len(plain), 97)] == plain[::97]  # by position, from the index
        ours._check()  # type: ignore[attr-defined]  # the container's own, left out of its stubs
        if not plain:
            break


@given(
    held=st.dictionaries(st.integers(-3, 3), st.integers(0, 700), max_size=7),
    dropped=st.integers(0, 300),
)
def test_the_orders_of_a_rank_are_counted_without_an_index(held: dict[int, int], dropped: int) -> None:
    plain = sorted(key(rank, order_id) for rank, count in held.items() for order_id in range(count))
    ours = OrderKeys(plain)
    if dropped < len(plain):
        ours.drop(dropped)
        del plain[:dropped]
    for rank in range(-4, 5):
        assert ours.count_rank(rank) == sum(each >> ID_BITS == rank for each in plain)
    assert not ours._index
