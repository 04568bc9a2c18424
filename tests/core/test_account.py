"""Account: positions, profits, and fees of all owners, from the events of an order book."""

from __future__ import annotations

import copy
import pickle
import threading
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oms
import oms.fork
from oms import (
    Account,
    CostBasis,
    Event,
    FeeRounding,
    FeeSchedule,
    FeeTier,
    InvalidArgumentError,
    MatchingEngine,
    OpenTransactionError,
    OrderManagement,
    Position,
    Side,
)
from oms import account as account_module
from oms.fills import fills_of
from support.engine_machine import random_submission
from support.interrupts import interrupted_at_line
from support.memory_journal import MemoryJournal
from support.naive_account import naive_position, naive_positions, party_fills
from support.threads import in_a_thread

BUY, SELL = Side
FOLDER = Path(oms.__file__).parent
ACCOUNT_FILES = {str(FOLDER / name) for name in ("account.py", "cost_basis.py", "fees.py", "fills.py")}
SUBSCRIBER_FILES = {str(FOLDER / name) for name in ("account.py", "subscribers.py")}
BASES = pytest.mark.parametrize("basis", CostBasis)
SCHEDULES = [
    FeeSchedule(),
    FeeSchedule(maker_bps="-0.5", taker_bps=3),
    FeeSchedule(maker_per_lot=-1, taker_per_lot=2, taker_bps="0.1", round_to=3, rounding=FeeRounding.UP),
    FeeSchedule(taker_bps=3, tiers=[FeeTier(20, maker_bps=-1, taker_bps=2), FeeTier(60, taker_bps=1)]),
]


def traded(owner: str = "Ann") -> MatchingEngine:
    """Return an engine in which `owner` has sold 5 lots to Bob at 101."""
    engine = MatchingEngine()
    engine.submit("ask", "JPM", SELL, 20, 101, owner=owner)
    engine.submit("bid", "JPM", BUY, 5, 101, owner="Bob")
    return engine


def recorded(engine: MatchingEngine | OrderManagement) -> list[Event]:
    """Return a list that will contain all later events of an engine."""
    events: list[Event] = []
    engine.subscribe(events.append)
    return events


def trade_at_random(engine: MatchingEngine, seed: int, count: int) -> None:
    random = Random(seed)
    for number in range(count):
        order = random_submission(random)._replace(order_id=f"{seed}-{number}")
        engine.submit(**order._asdict())


# ---------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@BASES
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), reads=st.sets(st.integers(0, 40), max_size=3))
def test_every_position_is_the_naive_sum_of_the_fills_however_often_it_is_read(
    schedule: FeeSchedule, basis: CostBasis, seed: int, reads: set[int]
) -> None:
    engine = MatchingEngine()
    account = Account(engine, fees=schedule, cost_basis=basis)
    events = recorded(engine)
    for number in range(40):
        trade_at_random(engine, seed + number, 1)
        if number in reads:
            account.positions()
    assert account.positions() == naive_positions(party_fills(events), basis, schedule)
    assert account.sequence == engine.last_sequence == len(events)


@BASES
@given(seed=st.integers(0, 2**32), mark=st.integers(1, 9))
def test_profit_is_cash_plus_value_minus_fees_and_lots_and_cash_are_conserved(
    basis: CostBasis, seed: int, mark: int
) -> None:
    engine = MatchingEngine()
    account = Account(engine, fees=SCHEDULES[1], cost_basis=basis)
    trade_at_random(engine, seed, 40)
    lots: Counter[str] = Counter()
    cash: Counter[str] = Counter()
    for position in account.positions():
        value = position.cash + position.amount * mark
        assert value == position.realized + position.unrealized(mark)
        assert position.profit(mark) == value - position.fees
        assert position.amount == position.bought - position.sold
        lots[position.symbol] += position.amount
        cash[position.symbol] += position.cash
    assert set(lots.values()) | set(cash.values()) <= {0}


def test_both_parties_of_a_fill_are_booked_with_their_own_fees() -> None:
    engine = MatchingEngine()
    account = Account(engine, fees=FeeSchedule(maker_per_lot=-1, taker_per_lot=2))
    engine.submit(1, "JPM", SELL, 20, 101, owner="Ann")
    engine.submit(2, "JPM", BUY, 5, 101)
    assert account.positions() == (
        Position(None, "JPM", 5, -505, 101, 0, 10, 5, 0, 101),
        Position("Ann", "JPM", -5, 505, 101, 0, -5, 0, 5, 101),
    )


def test_a_fill_between_two_orders_of_an_owner_is_booked_for_both_of_its_parts() -> None:
    engine = MatchingEngine()
    account = Account(engine, fees=FeeSchedule(maker_per_lot=-1, taker_per_lot=2))
    engine.submit(1, "JPM", SELL, 20, 101, owner="Ann")
    engine.submit(2, "JPM", BUY, 5, 101, owner="Ann")
    assert account.position("JPM", "Ann") == Position("Ann", "JPM", 0, 0, None, 0, 5, 5, 5, 101)


def test_a_trade_of_an_order_management_is_booked_for_the_owner_none_as_the_taker() -> None:
    om = OrderManagement()
    account = Account(om, fees=FeeSchedule(maker_bps=7, taker_bps=100))
    om.add_order(1, "JPM", BUY, 20, 20)
    om.add_order(4, "JPM", BUY, 10, 21)
    om.place_trade("JPM", BUY, 22)
    average, fee = Fraction(442, 22), Fraction(442, 100)
    assert account.positions() == (Position(None, "JPM", 22, -442, average, 0, fee, 22, 0, 21),)


def test_each_symbol_can_have_its_own_fees_and_a_symbol_without_a_schedule_has_none() -> None:
    engine = MatchingEngine()
    account = Account(engine, fees={"JPM": FeeSchedule(taker_per_lot=3)})
    for symbol in ("JPM", "IBM"):
        engine.submit(f"{symbol}-1", symbol, SELL, 20, 101, owner="Ann")
        engine.submit(f"{symbol}-2", symbol, BUY, 5, 101, owner="Bob")
    assert [account.position(symbol, "Bob").fees for symbol in ("IBM", "JPM")] == [0, 15]
    assert [(each.symbol, each.owner) for each in account.positions()] == [
        ("IBM", "Ann"),
        ("IBM", "Bob"),
        ("JPM", "Ann"),
        ("JPM", "Bob"),
    ]


def test_an_owner_without_a_fill_has_a_flat_position_with_the_last_price_of_the_symbol() -> None:
    engine = MatchingEngine()
    account = Account(engine)
    assert account.position("JPM", "Cid") == Position("Cid", "JPM", 0, 0, None, 0, 0, 0, 0, None)
    engine.submit(1, "JPM", SELL, 20, 101)
    engine.submit(2, "JPM", BUY, 5, 101)
    assert account.position("JPM", "Cid").last_price == 101
    assert account.unrealized("JPM", "Cid") == 0


def test_the_unrealized_profit_is_at_the_last_fill_of_the_symbol_or_at_a_mark() -> None:
    engine = traded()
    account = Account(engine)
    engine.submit(3, "JPM", BUY, 5, 101, owner="Bob")
    engine.submit(4, "JPM", SELL, 1, 104, owner="Cid")
    engine.submit(5, "JPM", BUY, 11, 104, owner="Dan")
    assert account.unrealized("JPM", "Bob") == 5 * 3
    assert account.unrealized("JPM", "Bob", mark=99) == -10


# ---------------------------------------------------------------------- transactions


def test_a_transaction_counts_when_it_is_committed() -> None:
    engine = traded()
    account = Account(engine)
    with engine.transaction():
        engine.submit(3, "JPM", BUY, 2, 101, owner="Bob")
        assert account.position("JPM", "Bob").amount == 0
    assert account.position("JPM", "Bob").amount == 2


def test_what_is_rolled_back_and_what_ifs_never_count() -> None:
    engine = traded()
    account = Account(engine)
    with engine.what_if():
        engine.submit(3, "JPM", BUY, 2, 101, owner="Bob")
    with pytest.raises(ZeroDivisionError), engine.transaction():
        engine.submit(3, "JPM", BUY, 2, 101, owner="Bob")
        raise ZeroDivisionError
    assert account.positions() == ()
    engine.submit(3, "JPM", BUY, 2, 101, owner="Bob")
    assert account.position("JPM", "Bob").amount == 2


@pytest.mark.parametrize("history", [None, []])
def test_an_account_cannot_start_inside_a_transaction(history: list[Event] | None) -> None:
    engine = MatchingEngine()
    with (
        engine.transaction(),
        pytest.raises(OpenTransactionError, match="following these books is not possible inside"),
    ):
        Account(engine, history=history)


def test_another_subscriber_can_read_the_account_and_trade() -> None:
    engine = traded()
    account = Account(engine)
    amounts: list[int] = []

    def react(event: Event) -> None:
        amounts.append(account.position("JPM", "Bob").amount)
        if event.sequence == 3:
            engine.submit(4, "JPM", BUY, 1, 101, owner="Bob")

    engine.subscribe(react)
    with engine.transaction():
        engine.submit(3, "JPM", BUY, 2, 101, owner="Bob")
        engine.cancel("ask")
    assert amounts == [2, 2, 2]


# ---------------------------------------------------------------------- history, copies


def test_an_account_starts_flat_or_with_all_earlier_events() -> None:
    engine = MatchingEngine()
    events = recorded(engine)
    engine.submit("ask", "JPM", SELL, 20, 101, owner="Ann")
    engine.submit("bid", "JPM", BUY, 5, 101, owner="Bob")
    assert Account(engine).positions() == ()
    assert Account(engine, history=events).position("JPM", "Bob").amount == 5
    assert Account(history=iter(events)).position("JPM", "Bob").amount == 5
    assert Account(history=iter(events)).sequence == 2


def test_an_account_that_starts_with_a_journal_continues_with_its_books() -> None:
    journal = MemoryJournal()
    om = OrderManagement(journal)
    om.add_order(1, "JPM", BUY, 20, 20)
    om.place_trade("JPM", BUY, 5)
    account = Account(om, history=journal.read())
    om.place_trade("JPM", BUY, 5)
    assert account.position("JPM").amount == 10


@pytest.mark.parametrize("gap", [0, 1, 2])
def test_a_gap_in_the_history_is_an_error(gap: int) -> None:
    om = OrderManagement()
    events = recorded(om)
    for order_id in range(1, 4):
        om.add_order(order_id, "JPM", BUY, 20, 20)
    del events[gap]
    allowed = "event 3, the last one of the source" if gap == 2 else f"event {gap + 1}, which follows"
    with pytest.raises(InvalidArgumentError, match=f"{allowed}.*; pass the events from {gap + 1} on"):
        Account(om, history=events)


def test_an_event_that_comes_twice_in_the_history_is_an_error() -> None:
    om = OrderManagement()
    events = recorded(om)
    om.add_order(1, "JPM", BUY, 20, 20)
    with pytest.raises(InvalidArgumentError, match=r"event 2, which follows .* not 1"):
        Account(history=events * 2)


def test_a_history_that_goes_on_after_the_source_is_an_error() -> None:
    om = OrderManagement()
    events = recorded(om)
    om.add_order(1, "JPM", BUY, 20, 20)
    with pytest.raises(InvalidArgumentError, match="follow the source of these events"):
        Account(OrderManagement(), history=events)


def pickled(account: Account) -> Account:
    """Return a copy that was pickled."""
    result = pickle.loads(pickle.dumps(account))  # noqa: S301 - our own data
    assert isinstance(result, Account)
    return result


@pytest.mark.parametrize("copied", [Account.copy, copy.copy, copy.deepcopy, pickled])
@BASES
def test_a_copy_has_the_same_state_and_continues_after_it(
    basis: CostBasis, copied: Callable[[Account], Account]
) -> None:
    engine = MatchingEngine()
    events = recorded(engine)
    account = Account(engine, fees=SCHEDULES[3], cost_basis=basis, record=True)
    trade_at_random(engine, 5, 60)
    other = copied(account)
    assert other.positions() == account.positions()
    trade_at_random(engine, 6, 60)
    assert other.sequence < account.sequence
    assert other.positions() != account.positions()
    other.follow(engine, events[other.sequence :])
    trade_at_random(engine, 7, 60)
    assert other.positions() == account.positions()
    assert other.positions() == naive_positions(party_fills(events), basis, SCHEDULES[3])
    assert other.curve("JPM", "x") == account.curve("JPM", "x")


def test_following_with_a_gap_changes_nothing() -> None:
    engine = MatchingEngine()
    events = recorded(engine)
    account = Account(history=[])
    trade_at_random(engine, 5, 60)
    with pytest.raises(InvalidArgumentError):
        account.follow(engine, events[:-1])
    assert (account.sequence, account.positions()) == (0, ())
    account.follow(engine, events)
    assert account.positions() == naive_positions(party_fills(events), CostBasis.FIFO, FeeSchedule())


def test_an_account_follows_one_source() -> None:
    account = Account(MatchingEngine())
    with pytest.raises(InvalidArgumentError, match="the only source of this account"):
        account.follow(MatchingEngine())


def test_a_closed_account_keeps_its_numbers_and_can_follow_again() -> None:
    engine = traded()
    with Account(engine) as account:
        assert account.source is engine
        engine.submit(3, "JPM", BUY, 2, 101, owner="Bob")
    assert account.source is None
    account.close()
    events = recorded(engine)
    engine.submit(4, "JPM", BUY, 2, 101, owner="Bob")
    assert account.position("JPM", "Bob").amount == 2
    account.follow(engine, events)
    assert account.position("JPM", "Bob").amount == 4


# ---------------------------------------------------------------------- missing events, interrupts


def lose_one_event(engine: MatchingEngine) -> None:
    """Change the engine without notifying anybody, as an interrupt in the middle of a notification does."""
    subscribers = engine._ledger.subscribers
    callbacks, subscribers.callbacks = subscribers.callbacks, {}
    engine.submit("lost", "JPM", BUY, 2, 101, owner="Bob")
    subscribers.callbacks = callbacks


def test_an_account_that_missed_the_last_event_raises_an_error_instead_of_old_numbers() -> None:
    engine = traded()
    account = Account(engine)
    lose_one_event(engine)
    with pytest.raises(InvalidArgumentError, match="event 3, the last one of the source, not 2"):
        account.positions()


def test_an_account_that_missed_an_earlier_event_raises_an_error_from_then_on() -> None:
    engine = traded()
    account = Account(engine)
    lose_one_event(engine)
    for order_id in range(3):
        engine.submit(order_id, "JPM", BUY, 1, 101, owner="Bob")
        with pytest.raises(
            InvalidArgumentError, match="event 3, which follows the last one that was booked, not 4"
        ):
            account.position("JPM", "Bob")
    with pytest.raises(InvalidArgumentError):
        account.copy()
    account.close()
    with pytest.raises(InvalidArgumentError):
        account.positions()


def test_a_missing_event_raises_no_error_in_the_method_that_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_module, "_BATCH", 2)
    engine = traded()
    Account(engine)
    lose_one_event(engine)
    for order_id in range(5):
        engine.submit(order_id, "JPM", BUY, 1, 101, owner="Bob")


def test_events_are_booked_in_batches_even_if_nobody_reads_the_account() -> None:
    engine = MatchingEngine()
    account = Account(engine)
    events = recorded(engine)
    trade_at_random(engine, 5, 2500)
    assert len(account._pending) < 128
    assert account.positions() == naive_positions(party_fills(events), CostBasis.FIFO, FeeSchedule())


def test_a_call_from_a_signal_handler_in_the_middle_of_booking_raises_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = traded()
    account = Account(engine)
    engine.submit(3, "JPM", BUY, 2, 101, owner="Bob")

    def interrupting(events: Any) -> Any:
        monkeypatch.undo()
        with pytest.raises(OpenTransactionError, match="in the middle of booking events"):
            account.positions()
        monkeypatch.setattr(account_module, "_BATCH", 1)
        engine.submit(4, "JPM", BUY, 2, 101, owner="Bob")
        return fills_of(events)

    monkeypatch.setattr(account_module, "fills_of", interrupting)
    assert account.position("JPM", "Bob").amount == 4


def small_account() -> tuple[MatchingEngine, Account]:
    """Return an engine and its account with booked fills, and with fills that are not booked yet."""
    engine = MatchingEngine()
    account = Account(engine, fees=SCHEDULES[3], cost_basis=CostBasis.FIFO, record=True)
    trade_at_random(engine, 5, 20)
    account.positions()
    for number, side in enumerate((SELL, BUY, BUY, SELL)):
        engine.submit(number, "JPM", side, 7 + number, 4, owner="xy"[number % 2])
    return engine, account


def test_after_an_interrupt_at_any_line_the_account_has_the_same_numbers() -> None:
    expected = small_account()[1].positions()
    curve = small_account()[1].curve("JPM", "x")
    line, reached = 0, True
    while reached:
        line += 1
        _, account = small_account()
        reached = interrupted_at_line(line, account.positions, files=ACCOUNT_FILES)
        assert account.positions() == expected
        assert account.curve("JPM", "x") == curve
    assert line > 300


def test_after_an_interrupt_of_a_notification_the_account_has_the_right_numbers_or_raises_an_error() -> None:
    line, reached, errors = 0, True, 0
    while reached:
        line += 1
        engine, account = small_account()
        events = recorded(engine)
        reached = interrupted_at_line(line, partial(trade_at_random, engine, 7, 2), files=SUBSCRIBER_FILES)
        try:
            account.positions()
            right = account.sequence == engine.last_sequence
        except InvalidArgumentError:
            right, errors = True, errors + 1
        assert right, events
    assert errors
    assert line > 10


# ---------------------------------------------------------------------- threads


def test_other_threads_read_the_state_after_a_whole_event() -> None:
    engine = MatchingEngine()
    account = Account(engine)
    torn: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            positions = account.positions()
            if sum(position.amount for position in positions):
                torn.append(positions)

    reader = threading.Thread(target=read)
    reader.start()
    for order_id in range(1000):
        engine.submit(order_id, "JPM", [BUY, SELL][order_id % 2], 3, 101, owner=f"{order_id % 5}")
    done.set()
    reader.join()
    assert torn == []


def test_an_account_can_be_read_while_another_thread_has_a_transaction_open() -> None:
    engine = traded()
    account = Account(engine)
    with engine.transaction():
        engine.submit(3, "JPM", BUY, 2, 101, owner="Bob")
        assert in_a_thread(account.positions) == ()


def test_a_forked_child_can_read_an_account_that_another_thread_was_reading() -> None:
    """Call the fork handler in this process, where the coverage tracer can follow it."""
    account = Account(traded(), history=None)
    holds_lock, may_leave = threading.Event(), threading.Event()

    def read() -> None:
        with account._lock:
            holds_lock.set()
            may_leave.wait()

    thread = threading.Thread(target=read)
    thread.start()
    holds_lock.wait()
    oms.fork._reset_all()
    assert account.positions() == ()
    may_leave.set()
    thread.join()


# ---------------------------------------------------------------------- the curve


@BASES
def test_the_curve_has_the_position_after_each_event_in_which_the_symbol_traded(basis: CostBasis) -> None:
    engine = MatchingEngine(clock=iter(range(1, 1000)).__next__)
    account = Account(engine, fees=SCHEDULES[3], cost_basis=basis, record=True)
    events = recorded(engine)
    trade_at_random(engine, 5, 100)
    points = account.curve("JPM", "x")
    assert len(points) > 10
    by_sequence = {event.sequence: n for n, event in enumerate(events, 1)}
    for point in points:
        fills = party_fills(events[: by_sequence[point.sequence]])
        position = naive_position(fills, "JPM", "x", basis, SCHEDULES[3])
        assert point[2:] == (
            position.amount,
            position.last_price,
            position.realized,
            position.unrealized(),
            position.fees,
        )
        assert point.time == events[by_sequence[point.sequence] - 1].time
        assert point.profit == position.profit()
    assert account.curve("JPM", "nobody") == ()


def test_a_curve_needs_an_account_that_records() -> None:
    with pytest.raises(InvalidArgumentError, match="record=True"):
        Account().curve("JPM")


# ---------------------------------------------------------------------- arguments


def test_an_account_is_shown_in_one_line() -> None:
    engine = MatchingEngine()
    account = Account(engine)
    trade_at_random(engine, 5, 60)
    assert repr(account) == f"<Account: {len(account.positions())} positions, event {account.sequence}>"
