"""The shard of each symbol."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import InvalidArgumentError
from oms.cluster.ownership.shards import Shards

names = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), min_size=1, max_size=8, unique=True)
symbols = st.text(st.characters(codec="utf-8"), min_size=1)


@given(names, symbols)
def test_a_symbol_has_the_same_shard_whatever_the_order_of_the_names(names: list[str], symbol: str) -> None:
    shard = Shards(names).of(symbol)
    assert shard in names
    assert Shards(reversed(names)).of(symbol) == shard


@given(names, st.lists(symbols, max_size=20), st.data())
def test_a_new_shard_takes_symbols_but_no_symbol_moves_between_the_others(
    names: list[str], symbols: list[str], data: st.DataObject
) -> None:
    new = data.draw(st.sampled_from(names))
    before = Shards([*(name for name in names if name != new), "former"])
    after = Shards([*(name for name in names if name != new), "former", new])
    for symbol in symbols:
        assert after.of(symbol) in (before.of(symbol), new)


@pytest.mark.parametrize("number", [2, 3, 8])
def test_the_symbols_are_spread_evenly_over_the_shards(number: int) -> None:
    shards = Shards(f"s{n}" for n in range(number))
    sizes = Counter(shards.of(f"SYMBOL{n}") for n in range(10_000))
    assert len(sizes) == number
    assert all(abs(size - 10_000 / number) < 10_000 / number * 0.15 for size in sizes.values())


def test_one_of_n_symbols_moves_to_the_nth_shard() -> None:
    before, after = Shards(f"s{n}" for n in range(7)), Shards(f"s{n}" for n in range(8))
    moved = sum(before.of(f"SYMBOL{n}") != after.of(f"SYMBOL{n}") for n in range(10_000))
    assert 1_000 < moved < 1_500


def test_a_long_symbol_has_a_shard_but_is_not_cached() -> None:
    shards = Shards(["s1", "s2"])
    assert shards.of("x" * 4_000_000) in shards.names
    assert shards._cached.cache_info().currsize == 0
    shards.of("JPM")
    assert shards._cached.cache_info().currsize == 1


def test_another_process_finds_the_same_shards() -> None:
    script = (
        "from oms.cluster.ownership.shards import Shards;"
        "print(*map(Shards(['s1', 's2', 's3']).of, 'ABCDEFGH'))"
    )
    command = [sys.executable, "-c", script]
    process = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "1"})
    assert process.stdout.split() == [Shards(["s1", "s2", "s3"]).of(symbol) for symbol in "ABCDEFGH"]


def test_the_shards_of_some_symbols_never_change_between_versions() -> None:
    shards = Shards(["s1", "s2", "s3"])
    assert "".join(shards.of(symbol)[1] for symbol in "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == EXPECTED


EXPECTED = "21232321333333132111123121"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"^shards must be one or more different names, not \[\]"),
        (["s1", "s1"], r"^shards must be one or more different names"),
        (["s 1"], r"^shard must be 1 to 64 of the characters A-Z, a-z, 0-9, _, and -, not 's 1'"),
        (["s" * 65], r"^shard must be 1 to 64 of the characters"),
    ],
)
def test_the_names_must_be_different_and_contain_only_plain_characters(
    names: list[str], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Shards(names)


def test_the_shards_are_sorted_by_name() -> None:
    shards = Shards(["s2", "s1"])
    assert (shards.names, len(shards), repr(shards)) == (("s1", "s2"), 2, "Shards(['s1', 's2'])")
