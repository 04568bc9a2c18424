"""The edge cases that separate correct matching engines from almost correct ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from random import Random

import pytest

from oms import DuplicateOrderError, InvalidOrderError, OmsError, OrderFill, OrderNotFoundError, Side
from oms.matching import MatchingEngine
from oms.submission import OrderId, TimeInForce
from support.engine_queue import queue

BUY, SELL = Side.BUY, Side.SELL


def asks(*amounts_and_prices: tuple[int, int]) -> MatchingEngine:
    """Return an engine with resting asks, whose ids are a0, a1, and so on."""
    engine = MatchingEngine()
    for number, (amount, price) in enumerate(amounts_and_prices):
        engine.submit(f"a{number}", "JPM", SELL, amount, price)
    return engine


def ids(engine: MatchingEngine, side: Side) -> list[OrderId]:
    return [each.order_id for each in queue(engine, "JPM", side)]


def sweep(engine: MatchingEngine, amount: int, side: Side = BUY) -> list[tuple[OrderId, int, int]]:
    """Buy or sell at any price, and return the fills."""
    return [*engine.submit("sweep", "JPM", side, amount).fills]


# ---------------------------------------------------------------------- cancel, then sweep


@pytest.mark.parametrize(
    ("canceled", "left"), [("a0", ["a1", "a2"]), ("a1", ["a0", "a2"]), ("a2", ["a0", "a1"])]
)
def test_a_sweep_skips_an_order_that_was_canceled_at_the_head_in_the_middle_or_at_the_end_of_the_queue(
    canceled: str, left: list[str]
) -> None:
    engine = asks((5, 101), (5, 101), (5, 101))
    engine.cancel(canceled)
    assert sweep(engine, 15) == [(order_id, 5, 101) for order_id in left]
    assert engine.best_price("JPM", BUY) is None
    engine._check()


def test_a_deep_queue_with_scattered_cancels_is_filled_in_the_order_of_arrival() -> None:
    engine, random = asks(*[(1 + n % 7, 101) for n in range(1_500)]), Random(1)
    amounts = {f"a{n}": 1 + n % 7 for n in range(1_500)}
    for order_id in random.sample(sorted(amounts), 700):
        engine.cancel(order_id)
        del amounts[order_id]
    engine._check()
    assert sweep(engine, sum(amounts.values())) == [(each, amount, 101) for each, amount in amounts.items()]
    assert len(engine) == 0


def test_canceling_every_order_of_a_price_removes_the_price() -> None:
    engine = asks((5, 101), (5, 101), (5, 102))
    engine.cancel("a0")
    engine.cancel("a1")
    assert engine.best_price("JPM", BUY) == 102
    assert [level.price for level in engine.depth("JPM", BUY)] == [102]


def test_after_the_best_order_is_canceled_an_order_at_its_price_does_not_trade() -> None:
    engine = asks((5, 101), (5, 103))
    engine.cancel("a0")
    execution = engine.submit("b", "JPM", BUY, 5, 102)
    assert (execution.fills, execution.resting) == ((), 5)
    assert engine.best_price("JPM", SELL) == 102


# ---------------------------------------------------------------------- amounts at a boundary


def test_an_order_that_takes_exactly_two_price_levels_leaves_the_third_untouched() -> None:
    engine = asks((5, 101), (5, 101), (7, 102), (9, 103))
    execution = engine.submit("b", "JPM", BUY, 17, 103)
    assert execution.fills == (("a0", 5, 101), ("a1", 5, 101), ("a2", 7, 102))
    assert (execution.resting, execution.canceled) == (0, 0)
    assert queue(engine, "JPM", SELL) == [("a3", 9, 103)]
    assert queue(engine, "JPM", BUY) == []
    with pytest.raises(OrderNotFoundError):
        engine.order("b")


@pytest.mark.parametrize("amount", [16, 17, 18])
def test_one_lot_less_or_more_than_a_boundary_leaves_one_lot_on_the_right_side(amount: int) -> None:
    engine = asks((5, 101), (5, 101), (7, 102))
    execution = engine.submit("b", "JPM", BUY, amount, 102)
    assert execution.amount == min(amount, 17)
    assert [each[1:] for each in queue(engine, "JPM", SELL)] == ([(1, 102)] if amount == 16 else [])
    assert [each[1:] for each in queue(engine, "JPM", BUY)] == ([(1, 102)] if amount == 18 else [])


def test_the_residual_of_a_marketable_order_becomes_the_best_price_of_its_side() -> None:
    engine = asks((5, 101), (5, 104))
    engine.submit("old", "JPM", BUY, 9, 99)
    execution = engine.submit("b", "JPM", BUY, 8, 103)
    assert (execution.fills, execution.resting) == ((("a0", 5, 101),), 3)
    assert ids(engine, BUY) == ["b", "old"]
    assert (engine.best_price("JPM", SELL), engine.best_price("JPM", BUY)) == (103, 104)
    assert engine.submit("s", "JPM", SELL, 4, 99).fills == (("b", 3, 103), ("old", 1, 99))


def test_a_marketable_limit_order_stops_at_its_own_price() -> None:
    engine = asks((5, 101), (5, 102), (5, 103))
    execution = engine.submit("b", "JPM", BUY, 15, 102)
    assert (execution.amount, execution.resting) == (10, 5)
    assert engine.best_price("JPM", BUY) == 103


def test_a_market_order_with_a_price_cap_takes_up_to_the_cap_and_cancels_the_rest() -> None:
    engine = asks((5, 101), (5, 102), (5, 103))
    execution = engine.submit("b", "JPM", BUY, 15, 102, time_in_force=TimeInForce.IOC)
    assert (execution.amount, execution.resting, execution.canceled) == (10, 0, 5)


def test_prices_from_one_tick_to_the_largest_int_trade_in_one_sweep() -> None:
    top = 2**63 - 1
    engine = asks((top, top), (1, 1), (3, 2**40))
    execution = engine.submit("b", "JPM", BUY, top)
    assert execution.fills == (("a1", 1, 1), ("a2", 3, 2**40), ("a0", top - 4, top))
    assert execution.total_price == 1 + 3 * 2**40 + (top - 4) * top
    assert queue(engine, "JPM", SELL) == [("a0", 4, top)]


def test_a_sweep_of_five_thousand_fills_is_exact_and_leaves_no_order_behind() -> None:
    engine = asks(*[(1 + n % 3, 100 + n % 11) for n in range(5_000)])
    total = sum(1 + n % 3 for n in range(5_000))
    execution = engine.submit("b", "JPM", BUY, total + 1, 200)
    expected = sorted(range(5_000), key=lambda n: n % 11)
    assert [fill.order_id for fill in execution.fills] == [f"a{n}" for n in expected]
    assert execution.total_price == sum((1 + n % 3) * (100 + n % 11) for n in range(5_000))
    assert (execution.amount, execution.resting) == (total, 1)
    assert ids(engine, SELL) == []
    engine._check()


# ---------------------------------------------------------------------- replace


@pytest.mark.parametrize("side", Side)
def test_an_order_replaced_into_a_cross_trades_at_the_price_of_the_resting_order(side: Side) -> None:
    engine = MatchingEngine()
    engine.submit("maker", "JPM", side.opposite, 5, 100)
    engine.submit("b", "JPM", side, 8, 100 - 2 * side.sign)
    execution = engine.replace("b", price=100 + side.sign)
    assert (execution.fills, execution.resting) == ((OrderFill("maker", 5, 100),), 3)
    assert queue(engine, "JPM", side) == [("b", 3, 100 + side.sign)]
    assert engine.order("b").filled == 5


def test_the_siblings_of_a_repriced_order_stay_in_the_book_and_trade() -> None:
    engine = asks((5, 101), (6, 101), (7, 101))
    engine.replace("a1", price=103)
    assert sweep(engine, 18) == [("a0", 5, 101), ("a2", 7, 101), ("a1", 6, 103)]


def test_an_order_that_is_replaced_at_its_own_price_moves_to_the_back_of_the_queue() -> None:
    engine = asks((5, 101), (6, 101))
    engine.replace("a0", amount=5)
    assert sweep(engine, 7) == [("a1", 6, 101), ("a0", 1, 101)]


def test_an_order_that_is_reduced_keeps_its_place_in_the_queue() -> None:
    engine = asks((5, 101), (6, 101))
    assert engine.reduce("a0", 2).remaining == 3
    assert sweep(engine, 4) == [("a0", 3, 101), ("a1", 1, 101)]


def test_an_order_that_is_partly_filled_keeps_its_place_in_the_queue() -> None:
    engine = asks((5, 101), (6, 101))
    assert sweep(engine, 2) == [("a0", 2, 101)]
    assert sweep(engine, 4) == [("a0", 3, 101), ("a1", 1, 101)]


def test_a_replacement_that_is_filled_completely_frees_its_id() -> None:
    engine = asks((5, 101))
    engine.submit("b", "JPM", BUY, 5, 99)
    assert engine.replace("b", price=101).resting == 0
    assert engine.submit("b", "JPM", BUY, 1, 99).resting == 1


# ---------------------------------------------------------------------- after a fill


def test_the_rest_of_a_partly_filled_order_can_be_canceled() -> None:
    engine = asks((5, 101))
    sweep(engine, 2)
    assert engine.cancel("a0")[1:4] == (2, 3, 3)
    assert sweep(engine, 1) == []


def test_the_rest_of_a_partly_filled_order_can_be_replaced_and_the_new_amount_is_what_stays_open() -> None:
    engine = asks((5, 101))
    sweep(engine, 2)
    assert engine.replace("a0", amount=9).resting == 9
    assert engine.order("a0")[1:3] == (2, 9)
    assert engine.replace("a0", price=100).requested == 9


STALE: dict[str, Callable[[MatchingEngine, OrderId], object]] = {
    "cancel": lambda engine, order_id: engine.cancel(order_id),
    "reduce": lambda engine, order_id: engine.reduce(order_id, 1),
    "replace": lambda engine, order_id: engine.replace(order_id, amount=1),
    "order": lambda engine, order_id: engine.order(order_id),
    "queue_ahead": lambda engine, order_id: engine.queue_ahead(order_id),
}


@pytest.mark.parametrize("verb", STALE)
@pytest.mark.parametrize("order_id", ["filled", "canceled", "killed", "never", 0, -1, 2**70])
def test_an_id_that_is_done_or_was_never_used_is_not_found(verb: str, order_id: OrderId) -> None:
    engine = asks((5, 101))
    engine.submit("filled", "JPM", BUY, 5, 101)
    engine.submit("canceled", "JPM", BUY, 5, 99)
    engine.cancel("canceled")
    engine.submit("killed", "JPM", BUY, 5, 99, time_in_force=TimeInForce.FOK)
    before = engine.state_hash()
    with pytest.raises(OrderNotFoundError) as caught:
        STALE[verb](engine, order_id)
    assert caught.value.order_id == order_id
    assert engine.state_hash() == before


def test_an_id_is_free_again_after_a_cancel_and_after_a_fill_and_its_new_order_has_new_priority() -> None:
    engine = asks((5, 101), (5, 101))
    with pytest.raises(DuplicateOrderError):
        engine.submit("a0", "IBM", BUY, 1, 1)
    engine.cancel("a0")
    engine.submit("a0", "JPM", SELL, 5, 101)
    assert sweep(engine, 5) == [("a1", 5, 101)]
    engine.submit("a1", "JPM", SELL, 5, 101)
    assert ids(engine, SELL) == ["a0", "a1"]


def test_ints_and_strs_are_different_ids_and_any_of_them_works() -> None:
    engine = MatchingEngine()
    keys: list[OrderId] = [0, "0", -1, "-1", 2**80, "ε", " "]
    for key in keys:
        engine.submit(key, "JPM", SELL, 1, 101)
    assert ids(engine, SELL) == keys
    assert [fill[0] for fill in sweep(engine, len(keys))] == keys


@pytest.mark.parametrize("order_id", [2**256 - 1, 1 - 2**256])
def test_the_longest_ints_are_ids_that_can_be_hashed_pickled_and_shown(order_id: int) -> None:
    engine = MatchingEngine()
    engine.submit(order_id, "JPM", SELL, 2, 101)
    other = pickle.loads(pickle.dumps(engine))  # noqa: S301  # our own bytes
    assert other.state_hash() == engine.state_hash()
    assert str(order_id) in repr(other.order(order_id))
    assert sweep(other, 2) == [(order_id, 2, 101)]


@pytest.mark.parametrize("order_id", [2**256, -(2**256), 10**5000], ids=int.bit_length)
def test_a_longer_int_is_not_an_id(order_id: int) -> None:
    engine = MatchingEngine()
    for call in (
        lambda: engine.submit(order_id, "JPM", SELL, 2, 101),
        lambda: engine.replace(order_id, amount=1),
        lambda: engine.reduce(order_id, 1),
        lambda: engine.cancel(order_id),
        lambda: engine.order(order_id),
        lambda: engine.queue_ahead(order_id),
    ):
        with pytest.raises(InvalidOrderError, match="an int of at most 256 bits or a non-empty str"):
            call()
    assert order_id not in engine
    assert engine.last_sequence == 0


def test_an_order_cannot_be_reduced_to_nothing() -> None:
    engine = asks((5, 101))
    for amount in (5, 6):
        with pytest.raises(InvalidOrderError, match="use cancel"):
            engine.reduce("a0", amount)
    assert engine.order("a0").remaining == 5


# ---------------------------------------------------------------------- several symbols


def test_orders_of_different_symbols_never_trade_with_each_other() -> None:
    engine = asks((5, 101))
    engine.submit("x", "IBM", BUY, 5, 200)
    assert ids(engine, SELL) == ["a0"]
    assert engine.cancel_all("IBM")[0].order.order_id == "x"


def test_a_failed_verb_changes_nothing() -> None:
    engine = asks((5, 101))
    before = engine.state_hash()
    calls: list[Callable[[], object]] = [
        lambda: engine.submit("a0", "JPM", BUY, 5, 101),
        lambda: engine.submit("b", "JPM", BUY, 0, 101),
        lambda: engine.replace("a0", amount=0),
        lambda: engine.replace("a0"),
        lambda: engine.cancel_all("JPM", BUY, ""),
        lambda: engine.expire(0),
    ]
    for call in calls:
        with pytest.raises(OmsError):
            call()
    assert engine.state_hash() == before
