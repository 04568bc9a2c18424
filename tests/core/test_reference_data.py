"""The instruments of an OrderManagement, and the exact conversion of its orders to different sizes."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from oms import (
    Event,
    Instrument,
    InvalidArgumentError,
    InvalidOrderError,
    JournalError,
    OpenTransactionError,
    Order,
    OrderManagement,
    OrdersAdded,
    OrdersRemoved,
    Side,
    Snapshot,
)
from oms.durability import DurableLedger
from oms.instrument import TICKS_AND_LOTS
from support import strategies as our
from support.interrupts import Interrupt, interrupted_at_line
from support.memory_journal import KeepingJournal, MemoryJournal
from support.threads import in_a_thread

BUY, SELL = Side.BUY, Side.SELL
CENT, MILL, DIME = Instrument("0.01", "1"), Instrument("0.001", "1"), Instrument("0.1", "1")


def books(journal: Any = None) -> OrderManagement:
    om = OrderManagement(journal)
    om.set_instrument("JPM", CENT)
    om.add_orders(
        [Order(1, "JPM", BUY, 20, 2005), Order(2, "JPM", BUY, 10, 2005), Order(4, "JPM", SELL, 5, 1900)]
    )
    om.add_order(3, "IBM", BUY, 7, 90)
    return om


def texts(om: OrderManagement, symbol: str) -> list[tuple[int, Side, Decimal, Decimal]]:
    """Return each order of a symbol with its price and amount as decimals, in the order of the queue."""
    unit = om.instrument(symbol)
    return [
        (
            order.order_id,
            order.side,
            Decimal(unit.price_text(order.price)),
            Decimal(unit.amount_text(order.amount)),
        )
        for order in om.orders(symbol)
    ]


# ---------------------------------------------------------------------- setting instruments


def test_a_symbol_without_an_instrument_has_ticks_and_lots_of_one() -> None:
    om = OrderManagement()
    assert om.instrument("JPM") == TICKS_AND_LOTS
    assert om.instruments == {}


def test_an_instrument_can_be_given_at_the_start_or_set_later() -> None:
    om = OrderManagement(instruments={"JPM": CENT})
    om.set_instrument("IBM", DIME)
    assert (om.instrument("JPM"), om.instrument("IBM")) == (CENT, DIME)
    assert list(om.instruments.items()) == [("IBM", DIME), ("JPM", CENT)]


def test_setting_an_instrument_changes_no_order_number_or_hash_and_notifies_nobody() -> None:
    om = books()
    events: list[Event] = []
    om.subscribe(events.append)
    before = om.state_hash(), om.last_sequence, om.orders()
    om.set_instrument("IBM", DIME)
    assert (om.state_hash(), om.last_sequence, om.orders()) == before
    assert events == []


def test_the_mapping_of_instruments_is_read_only_and_does_not_change_later() -> None:
    om = books()
    before: Any = om.instruments
    om.set_instrument("IBM", DIME)
    assert before == {"JPM": CENT}
    with pytest.raises(TypeError):
        before["IBM"] = DIME


def test_the_first_instrument_of_a_symbol_can_be_set_while_orders_are_resting() -> None:
    om = books()
    om.set_instrument("IBM", CENT)
    assert om.instrument("IBM").price_text(om.get_order(3).price) == "0.90"


@pytest.mark.parametrize("other", [DIME, MILL, Instrument("0.01", "10"), Instrument("0.01", "0.1")])
def test_a_size_cannot_change_while_orders_of_the_symbol_are_resting(other: Instrument) -> None:
    om = books()
    with pytest.raises(InvalidArgumentError, match="convert them with convert_orders"):
        om.set_instrument("JPM", other)
    assert om.instrument("JPM") == CENT
    om.remove_orders("JPM")
    om.set_instrument("JPM", other)
    assert om.instrument("JPM") == other


def test_the_same_sizes_written_differently_can_be_set_while_orders_are_resting() -> None:
    om = books()
    om.set_instrument("JPM", Instrument("0.010", "1.0"))
    assert om.instrument("JPM").price_text(2005) == "20.050"


def test_either_all_instruments_of_a_mapping_are_set_or_none() -> None:
    journal = KeepingJournal()
    books(journal)
    with pytest.raises(InvalidArgumentError, match="while orders of 'JPM' are resting"):
        OrderManagement(journal, instruments={"IBM": DIME, "JPM": DIME})
    assert journal.stored_instruments == {"JPM": CENT}


@pytest.mark.parametrize("symbol", our.NOT_SYMBOLS)
def test_a_value_that_is_not_a_symbol_is_rejected(symbol: Any) -> None:
    om = OrderManagement()
    for call in (
        om.instrument,
        partial(om.set_instrument, instrument=CENT),
        partial(om.convert_orders, instrument=CENT),
    ):
        with pytest.raises(InvalidOrderError, match="symbol must be"):
            call(symbol)


@pytest.mark.parametrize("value", [None, "0.01", ("0.01", "1"), Instrument])
def test_a_value_that_is_not_an_instrument_is_rejected(value: Any) -> None:
    om = books()
    for call in (om.set_instrument, om.convert_orders):
        with pytest.raises(InvalidArgumentError, match="instrument must be an Instrument, not"):
            call("JPM", value)
    assert om.instrument("JPM") == CENT


# ---------------------------------------------------------------------- transactions and threads


@pytest.mark.parametrize("change", [OrderManagement.set_instrument, OrderManagement.convert_orders])
def test_a_rollback_restores_the_instruments(change: Callable[..., None]) -> None:
    om = books()
    om.remove_orders("JPM", SELL)
    before, instruments = om.state_hash(), om.instruments
    with om.what_if():
        om.remove_orders("JPM")
        change(om, "JPM", MILL)
        assert om.instrument("JPM") == MILL
    assert (om.state_hash(), om.instruments) == (before, instruments)
    with suppress(Interrupt), om.transaction():
        om.set_instrument("IBM", MILL)
        with om.what_if():
            om.set_instrument("IBM", Instrument("0.001", "1.0"))
        assert om.instrument("IBM") == MILL
        raise Interrupt
    assert om.instruments == instruments


def test_a_transaction_commits_orders_and_instruments_together() -> None:
    om = books()
    with om.transaction("listing"):
        om.set_instrument("NEW", DIME)
        om.add_order(9, "NEW", BUY, 1, 1)
        om.convert_orders("JPM", MILL)
    assert om.instruments == {"JPM": MILL, "NEW": DIME}
    assert om.get_order(1).price == 20_050


def test_another_thread_never_sees_an_instrument_of_an_open_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oms.admission.LONGEST_WAIT", 0.01)
    om = books()
    with om.transaction():
        om.set_instrument("IBM", DIME)
        with pytest.raises(OpenTransactionError):
            in_a_thread(lambda: om.instruments)
    assert in_a_thread(lambda: om.instrument("IBM")) == DIME


def test_other_threads_see_the_orders_and_the_instrument_of_the_same_moment() -> None:
    om = books()
    different: list[tuple[Instrument, int]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            with om.locked():
                unit, price = om.instrument("JPM"), om.get_order(1).price
            if unit.to_price(price) != Decimal("20.05"):
                different.append((unit, price))

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    for _ in range(30):
        om.convert_orders("JPM", MILL)
        om.convert_orders("JPM", CENT)
    done.set()
    for watcher in watchers:
        watcher.join()
    assert different == []


# ---------------------------------------------------------------------- converting orders


def test_a_conversion_keeps_the_decimal_values_and_the_queue_and_emits_two_events() -> None:
    om = books()
    events: list[Event] = []
    om.subscribe(events.append)
    before, removed = texts(om, "JPM"), om.orders("JPM")
    om.convert_orders("JPM", MILL, note="finer ticks")
    om._check()
    assert texts(om, "JPM") == before
    assert om.get_order(1) == Order(1, "JPM", BUY, 20, 20_050)
    assert om.get_order(3).price == 90
    assert events == [
        OrdersRemoved(removed, 3, "finer ticks"),
        OrdersAdded(om.orders("JPM"), 4, "finer ticks"),
    ]


def test_subscribers_of_a_conversion_see_the_new_instrument() -> None:
    om = books()
    seen: list[Instrument] = []
    om.subscribe(lambda _: seen.append(om.instrument("JPM")))
    om.convert_orders("JPM", MILL)
    assert seen == [MILL, MILL]


@pytest.mark.parametrize("other", [CENT, Instrument("0.010", "1")])
def test_a_conversion_to_the_same_sizes_emits_no_event(other: Instrument) -> None:
    om = books()
    before = om.state_hash()
    om.convert_orders("JPM", other)
    assert (om.state_hash(), om.instrument("JPM")) == (before, other)


def test_a_conversion_without_orders_only_sets_the_instrument() -> None:
    om = OrderManagement(instruments={"JPM": CENT})
    om.convert_orders("JPM", DIME)
    assert (om.instrument("JPM"), om.last_sequence) == (DIME, 0)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (DIME, r"in which order 1 \(price 20.05, amount 20\)"),
        (Instrument("0.01", "15"), r"in which order 1 \(price 20.05, amount 20\)"),
        (Instrument("0.01", f"0.{'0' * 18}1"), r"in which order 1 \(price 20.05, amount 20\)"),
    ],
)
def test_a_conversion_that_is_not_exact_changes_nothing(other: Instrument, message: str) -> None:
    om = books()
    before = om.state_hash(), om.instruments
    with pytest.raises(InvalidArgumentError, match=message):
        om.convert_orders("JPM", other)
    assert (om.state_hash(), om.instruments) == before


def test_a_price_of_the_largest_int_is_converted_exactly_or_rejected() -> None:
    om = OrderManagement(instruments={"JPM": Instrument("0.1", "0.1")})
    om.add_order(1, "JPM", BUY, our.HUGE - 7, our.HUGE - 7)
    om.convert_orders("JPM", Instrument("1", "0.5"))
    assert om.get_order(1)[3:] == ((our.HUGE - 7) // 5, (our.HUGE - 7) // 10)
    with pytest.raises(InvalidArgumentError, match="at most 2\\^63-1"):
        om.convert_orders("JPM", Instrument("0.01", "0.5"))


sizes = st.builds(
    lambda step, decimals: f"{Decimal(step).scaleb(-decimals):f}",
    st.sampled_from([1, 2, 5, 10, 15, 25, 3]),
    st.integers(0, 4),
)
units = st.builds(Instrument, sizes, sizes)


@given(orders=our.distinct_orders(), before=units, after=units)
def test_a_conversion_keeps_every_text_or_changes_nothing(
    orders: list[Order], before: Instrument, after: Instrument
) -> None:
    om = OrderManagement(instruments={"JPM": before, "AAPL": before})
    om.add_orders(orders)
    values, others = texts(om, "JPM"), om.orders("AAPL")
    state, instruments = om.state_hash(), om.instruments
    is_exact = all(
        (value / size).denominator == 1 and value / size <= our.HUGE
        for _, _, price, amount in values
        for value, size in ((Fraction(price), Fraction(after.tick)), (Fraction(amount), Fraction(after.lot)))
    )
    if is_exact:
        om.convert_orders("JPM", after)
        assert om.instrument("JPM") == after
    else:
        with pytest.raises(InvalidArgumentError):
            om.convert_orders("JPM", after)
        assert (om.state_hash(), om.instruments) == (state, instruments)
    om._check()
    assert texts(om, "JPM") == values
    assert om.orders("AAPL") == others


class Machine(RuleBasedStateMachine):
    """Compares an OrderManagement with a reference that stores each order's decimal values as fractions."""

    @initialize(start=units)
    def begin(self, start: Instrument) -> None:
        self.journal = KeepingJournal()
        self.om = OrderManagement(self.journal, instruments={"AAPL": start})
        self.units: dict[str, Instrument] = {"AAPL": start}
        self.values: dict[int, tuple[str, Side, Fraction, Fraction]] = {}

    def sizes(self, symbol: str) -> tuple[Fraction, Fraction]:
        unit = self.units.get(symbol, TICKS_AND_LOTS)
        return Fraction(unit.tick), Fraction(unit.lot)

    @rule(order=our.orders)
    def add(self, order: Order) -> None:
        if order.order_id not in self.values:
            tick, lot = self.sizes(order.symbol)
            self.om.add_order(*order)
            self.values[order.order_id] = order.symbol, order.side, order.price * tick, order.amount * lot

    @rule(symbol=our.symbols, side=our.sides, amount=our.requested_amounts)
    def trade(self, symbol: str, side: Side, amount: int) -> None:
        if not self.om.available_amount(symbol, side):
            return
        trade = self.om.place_trade(symbol, side, amount, allow_partial=True)
        _, lot = self.sizes(symbol)
        for fill in trade.fills:
            *value, rest = self.values.pop(fill.order_id)
            if rest > fill.amount * lot:
                self.values[fill.order_id] = (*value, rest - fill.amount * lot)  # type: ignore[assignment]  # three

    @rule(symbol=our.symbols)
    def remove(self, symbol: str) -> None:
        self.om.remove_orders(symbol)
        self.values = {key: value for key, value in self.values.items() if value[0] != symbol}

    @rule(symbol=our.symbols, unit=units)
    def set_instrument(self, symbol: str, unit: Instrument) -> None:
        resting = [key for key, value in self.values.items() if value[0] == symbol]
        same = self.sizes(symbol) == (Fraction(unit.tick), Fraction(unit.lot))
        if symbol in self.units and resting and not same:
            with pytest.raises(InvalidArgumentError):
                self.om.set_instrument(symbol, unit)
            return
        if symbol not in self.units:
            for key in resting:  # the first instrument says what the integers have always meant
                _, side, price, amount = self.values[key]
                self.values[key] = symbol, side, price * Fraction(unit.tick), amount * Fraction(unit.lot)
        self.om.set_instrument(symbol, unit)
        self.units[symbol] = unit

    @rule(symbol=our.symbols, unit=units, is_kept=st.booleans())
    def convert(self, symbol: str, unit: Instrument, is_kept: bool) -> None:
        values = [value[2:] for value in self.values.values() if value[0] == symbol]
        tick, lot = Fraction(unit.tick), Fraction(unit.lot)
        counts = [count for price, amount in values for count in (price / tick, amount / lot)]
        is_exact = all(count.denominator == 1 and count <= our.HUGE for count in counts)
        with self.om.transaction() if is_kept else self.om.what_if():
            if symbol in self.units and is_exact:
                self.om.convert_orders(symbol, unit)
                if is_kept:
                    self.units[symbol] = unit
            else:
                with pytest.raises(InvalidArgumentError):
                    self.om.convert_orders(symbol, unit)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "om"):
            return
        self.om._check()
        found = {}
        for order in self.om:
            tick, lot = self.sizes(order.symbol)
            found[order.order_id] = order.symbol, order.side, order.price * tick, order.amount * lot
        assert found == self.values
        assert self.om.instruments == self.units

    def teardown(self) -> None:
        if hasattr(self, "om"):
            twin = OrderManagement(self.journal)
            assert (twin.state_hash(), twin.instruments) == (self.om.state_hash(), self.om.instruments)


@pytest.mark.slow
def test_orders_and_instruments_agree_with_a_reference_that_stores_decimals() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=100, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
        ),
    )


# ---------------------------------------------------------------------- copies


COPIES: list[Callable[[OrderManagement], OrderManagement]] = [
    lambda om: om.copy(),
    copy.copy,
    copy.deepcopy,
    lambda om: pickle.loads(pickle.dumps(om)),  # noqa: S301  # our own bytes
    lambda om: type(om).from_snapshot(om.snapshot()),
]


@pytest.mark.parametrize("duplicate", COPIES)
def test_a_copy_has_the_same_instruments_and_its_own_later_ones(
    duplicate: Callable[[OrderManagement], OrderManagement],
) -> None:
    om = books()
    other = duplicate(om)
    assert other.instruments == om.instruments
    other.set_instrument("IBM", DIME)
    om.convert_orders("JPM", MILL)
    assert (dict(om.instruments), dict(other.instruments)) == ({"JPM": MILL}, {"IBM": DIME, "JPM": CENT})


def test_a_snapshot_contains_the_instruments_sorted_by_symbol() -> None:
    om = OrderManagement(instruments={"JPM": CENT, "IBM": DIME})
    assert om.snapshot() == Snapshot(instruments=(("IBM", DIME), ("JPM", CENT)))


def test_a_pickle_from_before_there_were_instruments_still_loads() -> None:
    om = books()
    sequence, next_trade_id, packed, *_ = om.__getstate__()["books"]
    from oms.state import _digest  # noqa: PLC0415  # only this test needs it

    old = sequence, next_trade_id, packed, _digest(sequence, next_trade_id, packed)
    other = OrderManagement.__new__(OrderManagement)
    other.__setstate__({"books": old, "own": {}})
    assert (other.state_hash(), other.instruments) == (om.state_hash(), {})


def test_a_pickle_with_one_changed_byte_raises_an_error_or_has_the_same_instruments() -> None:
    om = OrderManagement(instruments={"JPM": CENT, "IBM": Instrument("0.25", name="IBM", price_decimals=4)})
    om.add_order(1, "JPM", BUY, 20, 2005)
    pickled, loaded = pickle.dumps(om), 0
    for at in range(len(pickled)):
        try:
            other = pickle.loads(pickled[:at] + bytes([pickled[at] ^ 1]) + pickled[at + 1 :])  # noqa: S301
        except Exception:  # noqa: S112  # pickle raises errors of many kinds
            continue
        if isinstance(other, OrderManagement):
            loaded += 1
            assert other.snapshot() == om.snapshot()
    assert loaded > 0


IN_WRONG_ORDER = (("JPM", CENT), ("IBM", CENT))


@pytest.mark.parametrize(
    "instruments", [[], {}, None, (1,), (("JPM", CENT, 1),), IN_WRONG_ORDER, (("JPM", CENT),) * 2]
)
def test_a_snapshot_with_invalid_instruments_is_rejected(instruments: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="instruments must be a tuple of pairs"):
        OrderManagement.from_snapshot(Snapshot(instruments=instruments))


# ---------------------------------------------------------------------- journals and interrupts


def test_a_journal_that_cannot_store_instruments_works_with_instruments_given_at_each_start() -> None:
    journal = MemoryJournal()
    om = OrderManagement(journal, instruments={"JPM": CENT})
    om.add_order(1, "JPM", BUY, 20, 2005)
    for change in (om.set_instrument, om.convert_orders):
        with pytest.raises(JournalError, match="cannot store instruments"):
            change("JPM", Instrument("0.010", "1"))
    assert (om.instruments, len(journal.events)) == ({"JPM": CENT}, 1)
    assert OrderManagement(journal, instruments=om.instruments).get_order(1) == om.get_order(1)


def test_instruments_survive_a_restart() -> None:
    journal = KeepingJournal()
    om = books(journal)
    om.convert_orders("JPM", MILL)
    other = OrderManagement(journal, instruments={"IBM": DIME})
    assert other.orders() == om.orders()
    assert other.instruments == journal.stored_instruments == {"IBM": DIME, "JPM": MILL}


CHANGES: Mapping[str, Callable[[OrderManagement], object]] = {
    "set": lambda om: om.set_instrument("IBM", DIME),
    "convert": lambda om: om.convert_orders("JPM", MILL),
    "convert without orders": lambda om: om.convert_orders("EMPTY", MILL),
}


def state(om: OrderManagement) -> tuple[str, Mapping[str, Instrument]]:
    return om.state_hash(), om.instruments


def books_with_an_empty_one(journal: Any = None) -> OrderManagement:
    om = books(journal)
    om.set_instrument("EMPTY", CENT)
    return om


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_interrupted_at_any_line_is_made_as_a_whole_or_not_at_all(
    change: str, durable: bool
) -> None:
    after = books_with_an_empty_one()
    before = state(after)
    CHANGES[change](after)
    step = 1
    while True:
        journal = KeepingJournal()
        om = books_with_an_empty_one(journal if durable else None)
        if not interrupted_at_line(step, partial(CHANGES[change], om), Interrupt, OpenTransactionError):
            break
        om._check()
        assert state(om) in (before, state(after))
        if durable:
            assert state(OrderManagement(journal)) == state(om)
        CHANGES[change](om)
        assert om.instruments == after.instruments
        step += 1
    assert step > 30


@pytest.mark.parametrize("change", CHANGES)
def test_an_instrument_that_the_journal_cannot_store_changes_nothing(change: str) -> None:
    journal = KeepingJournal()
    om = books_with_an_empty_one(journal)
    before, count = state(om), len(journal.events)
    journal.error = JournalError("memory", "it is full")
    journal.unreadable = True  # nothing has to be read after a JournalError
    with pytest.raises(JournalError, match="it is full"):
        CHANGES[change](om)
    assert (state(om), len(journal.events)) == (before, count)
    CHANGES[change](om)
    assert state(om) != before


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_after_an_interrupt_inside_the_journal_memory_equals_the_journal(change: str, stored: bool) -> None:
    journal = KeepingJournal()
    om = books_with_an_empty_one(journal)
    before = state(om)
    journal.error, journal.stores_batch = Interrupt(), stored
    with pytest.raises(Interrupt):
        CHANGES[change](om)
    assert (state(om) != before) is stored
    assert state(OrderManagement(journal)) == state(om)


def test_while_the_journal_is_unreadable_after_an_interrupt_every_call_raises_an_error() -> None:
    journal = KeepingJournal()
    om = books(journal)
    journal.error, journal.stores_batch = Interrupt(), True
    journal.before_raising = lambda: setattr(journal, "unreadable", True)
    with pytest.raises(Interrupt):
        om.set_instrument("IBM", DIME)
    for call in (lambda: om.instruments, om.orders, partial(om.set_instrument, "IBM", DIME)):
        with pytest.raises(JournalError, match="unreadable"):
            call()
    journal.unreadable = False
    assert om.instrument("IBM") == DIME


def test_after_close_instruments_can_be_read_but_not_set() -> None:
    om = books(KeepingJournal())
    om.close()
    for change in CHANGES.values():
        with suppress(InvalidArgumentError), pytest.raises(JournalError, match="it is closed"):
            change(om)
    assert om.instruments == {"JPM": CENT}
    assert isinstance(om._ledger, DurableLedger)
