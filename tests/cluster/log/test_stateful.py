"""State machines: the books over a faulty log with takeovers, and the journal with unknown outcomes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from oms import (
    Account,
    Event,
    JournalError,
    MatchingEngine,
    Order,
    OrderAdded,
    OrderManagement,
    SelfTradePrevention,
    Side,
)
from oms.cluster.log.log_journal import LogJournal
from support.engine_machine import EngineMachine
from support.machine import Machine
from support.replicated_log import ALL_FAULTS, Connection, Faults, MemoryLog, impatient

BUY = Side.BUY


def run(machine: Any, examples: int) -> None:
    limits = settings(max_examples=examples, stateful_step_count=40, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=limits)


def stored_events(log: MemoryLog) -> list[Event]:
    """Return the events in a log, after verifying it."""
    return list(LogJournal(Connection(log), read_only=True).read())


class Faulty:
    """A log whose faults last for shorter than a journal's patience, so every change succeeds."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.seeds = count(1)

    def open(self) -> LogJournal:
        return LogJournal(Connection(self.log, ALL_FAULTS, next(self.seeds)), patience=impatient(100))


# ---------------------------------------------------------------------- the books


class TakeoverMachine(Machine):
    """OrderManagement over a faulty log. Other writers take over, and the deposed ones try to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.faulty = Faulty()
        self.deposed: list[OrderManagement] = []
        self.take_over()

    def take_over(self) -> None:
        self.om = OrderManagement(self.faulty.open())
        self.om.subscribe(self.events.append)

    @rule()
    def another_writer_takes_over(self) -> None:
        """Open the log again without closing it, as after a pause of the first process."""
        if self.opened:
            self.forget_open_transactions()
            self.om = OrderManagement()  # an open transaction is simply lost
        else:
            self.deposed.append(self.om)
        self.take_over()
        assert self.om.journal is not None
        assert list(self.om.journal.read()) == self.events

    @precondition(lambda self: self.deposed)
    @rule(index=st.integers(0, 20))
    def a_deposed_writer_goes_on(self, index: int) -> None:
        om = self.deposed[index % len(self.deposed)]
        before = om.state_hash()
        with pytest.raises(JournalError, match="another writer has taken over"):
            om.add_order(2**40 + index, "JPM", BUY, 1, 1)
        assert om.state_hash() == before

    @rule()
    def the_servers_forget_message_ids(self) -> None:
        self.faulty.log.forget_message_ids()

    def teardown(self) -> None:
        super().teardown()
        while self.faulty.log.late:
            self.faulty.log.deliver()
        assert stored_events(self.faulty.log) == self.events


class EngineTakeoverMachine(EngineMachine):
    """A MatchingEngine over a faulty log, with takeovers."""

    def __init__(self) -> None:
        self.faulty = Faulty()
        super().__init__()

    def start(self, prevention: SelfTradePrevention) -> None:
        self.faulty = Faulty()
        super().start(prevention)
        self.take_over()

    def take_over(self) -> None:
        self.engine = MatchingEngine(self.faulty.open(), self_trade_prevention=self.naive.prevention)
        self.engine.subscribe(self.events.append)
        assert self.engine.journal is not None
        self.account = Account(self.engine, history=self.engine.journal.read())

    def continue_with_a_copy(self, copy: Callable[[MatchingEngine], MatchingEngine]) -> None:
        """Go on with the original, because a copy has no journal."""

    @rule()
    def another_writer_takes_over(self) -> None:
        self.forget_open_transactions()
        self.take_over()
        assert self.engine.journal is not None
        assert list(self.engine.journal.read()) == self.events

    def teardown(self) -> None:
        super().teardown()
        while self.faulty.log.late:
            self.faulty.log.deliver()
        assert stored_events(self.faulty.log) == self.events


@pytest.mark.parametrize(
    "examples",
    [5, pytest.param(40, marks=pytest.mark.slow), pytest.param(1_000, marks=pytest.mark.soak)],
)
@pytest.mark.parametrize("machine", [TakeoverMachine, EngineTakeoverMachine])
def test_every_verb_agrees_with_the_reference_across_faults_and_takeovers(
    machine: Any, examples: int
) -> None:
    run(machine, examples)


# ---------------------------------------------------------------------- the journal


class Writer(NamedTuple):
    """A journal that was opened at some time, and its connection."""

    journal: LogJournal
    connection: Connection


hopeless = st.builds(
    Faults,
    lost_request=st.sampled_from([0.0, 0.5]),
    lost_acknowledgement=st.sampled_from([0.0, 0.5]),
    late=st.sampled_from([0.0, 0.5]),
    repeated=st.sampled_from([0.0, 0.5]),
    spurious_rejection=st.sampled_from([0.0, 0.5]),
    unreadable=st.sampled_from([0.0, 0.5]),
    late_arrival=st.sampled_from([0.0, 0.5]),
)


class JournalMachine(RuleBasedStateMachine):
    """Several journals over one log. Each batch has a name, and the model knows the fate of each batch.

    The faults are so frequent that the outcome of many batches is unknown.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log = MemoryLog()
        self.writers: list[Writer] = []
        self.names = count(1)
        self.acknowledged: list[str] = []
        self.rejected: set[str] = set()
        self.unknown: set[str] = set()

    @rule(faults=hopeless, seed=st.integers(0, 2**32))
    def open(self, faults: Faults, seed: int) -> None:
        connection = Connection(self.log, faults, seed)
        try:
            self.writers.append(Writer(LogJournal(connection, patience=impatient(0.1)), connection))
        except JournalError:
            assert connection.is_closed

    @precondition(lambda self: self.writers)
    @rule(index=st.integers(0, 20), size=st.integers(1, 3), faults=st.none() | hopeless)
    def append(self, index: int, size: int, faults: Faults | None) -> None:
        """Append a batch to one of the latest journals."""
        journal, connection = self.writers[-1 - index % min(3, len(self.writers))]
        connection.faults = faults or Faults()
        name, first = f"batch {next(self.names)}", journal.last_sequence + 1
        batch = [OrderAdded(Order(n, "JPM", BUY, size, 1), n, name) for n in range(first, first + size)]
        try:
            journal.append(batch)
        except JournalError as error:
            is_unknown = "whether the change is stored is unknown" in str(error)
            (self.unknown if is_unknown else self.rejected).add(name)
            assert journal.last_sequence == first - 1
            with pytest.raises(JournalError, match="read-only"):
                journal.check_writable()
        else:
            self.acknowledged.append(name)
            assert journal.last_sequence == first + size - 1

    @precondition(lambda self: self.log.late)
    @rule(index=st.integers(0, 20))
    def a_late_request_arrives(self, index: int) -> None:
        self.log.deliver(index % len(self.log.late))

    @rule()
    def the_servers_forget_message_ids(self) -> None:
        self.log.forget_message_ids()

    def teardown(self) -> None:
        while self.log.late:
            self.log.deliver()
        events = stored_events(self.log)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        names = [event.note for event in events if isinstance(event, OrderAdded)]
        order = list(dict.fromkeys(names))
        assert [name for name in order if name in set(self.acknowledged)] == self.acknowledged
        assert set(order) - set(self.acknowledged) <= self.unknown
        assert not self.rejected & set(order)
        for event in events:  # each batch is there once, and completely
            assert isinstance(event, OrderAdded)
            assert names.count(event.note) == event.order.amount


@pytest.mark.parametrize(
    "examples",
    [20, pytest.param(80, marks=pytest.mark.slow), pytest.param(2_000, marks=pytest.mark.soak)],
)
def test_each_acknowledged_batch_is_stored_once_and_in_order_and_no_rejected_batch_is(examples: int) -> None:
    run(JournalMachine, examples)
