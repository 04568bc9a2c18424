"""One copy of a shard, which follows its owner and takes over."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from fastapi.testclient import TestClient

from oms import (
    Instrument,
    InvalidArgumentError,
    JournalError,
    MatchingEngine,
    OrderManagement,
    SelfTradePrevention,
    Side,
)
from oms.api import create_app
from oms.cluster.log.following_journal import MOST, FollowingJournal
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.message import Content
from oms.cluster.ownership.registry import ShardReport
from oms.cluster.worker import replica as replica_module
from oms.cluster.worker.replica import Lag, Replica
from support.replicated_log import Clock, Connection, MemoryLog, impatient

ORDER = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
KEY = {"Idempotency-Key": "k"}


class Pair:
    """The books of an owner, and a copy that follows them."""

    def __init__(self, *, engine: bool = False) -> None:
        self.log, self.clock = MemoryLog(), Clock()
        journal = LogJournal(Connection(self.log), writer="first", patience=impatient())
        self.om = OrderManagement(journal) if not engine else MatchingEngine(journal)
        self.connection = Connection(self.log)
        following = FollowingJournal(self.connection, patience=impatient())
        self.copy = Replica("main", following, engine=engine, clock=self.clock, every=2)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_a_copy_has_the_books_of_its_owner(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    with pair.om.transaction():
        pair.om.add_order(1, "JPM", Side.BUY, 20, 20)
        pair.om.place_trade("JPM", Side.BUY, 5)
    pair.om.set_instrument("JPM", Instrument("0.01", "1"))
    pair.copy.follow()
    assert pair.copy.books.state_hash() == pair.om.state_hash()
    assert pair.copy.books.instruments == pair.om.instruments
    pair.copy.follow()
    assert pair.copy.books.last_sequence == 2


def test_an_engine_is_followed_too() -> None:
    pair = Pair(engine=True)
    assert isinstance(pair.om, MatchingEngine)
    pair.om.submit("ask-1", "JPM", Side.SELL, 20, 101)
    pair.om.submit("bid-1", "JPM", Side.BUY, 30, 101)
    pair.copy.follow()
    assert pair.copy.books.state_hash() == pair.om.state_hash()
    pair.copy.promote("second")
    assert isinstance(pair.copy.books, MatchingEngine)
    pair.copy.books.cancel("bid-1")
    with pytest.raises(JournalError, match="another writer has taken over"):
        pair.om.cancel("bid-1")


@pytest.mark.parametrize("promotes", [False, True])
def test_a_copy_reads_a_part_of_many_messages_at_a_time_until_it_has_all(
    pair: Pair, promotes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(pair.om, OrderManagement)
    for number in range(2 * MOST + 10):
        pair.om.add_order(number, "JPM", Side.BUY, 20, 20)
    parts, apply = list[int](), pair.copy._apply

    def noted(contents: list[Content]) -> None:
        parts.append(len(contents))
        apply(contents)

    monkeypatch.setattr(pair.copy, "_apply", noted)
    pair.copy.promote("second") if promotes else pair.copy.follow()
    assert parts == [MOST, MOST, 10] + promotes * [0]
    assert pair.copy.books.state_hash() == pair.om.state_hash()


def test_a_long_backlog_is_applied_in_several_calls_so_that_other_shards_have_their_turn(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "_PARTS", 2)
    assert isinstance(pair.om, OrderManagement)
    for number in range(3 * MOST):
        pair.om.add_order(number, "JPM", Side.BUY, 20, 20)
    sequences = []
    for _ in range(3):
        pair.copy.follow()
        sequences.append(pair.copy.books.last_sequence)
    assert sequences == [2 * MOST, 3 * MOST, 3 * MOST]


def test_a_message_counts_as_lacking_until_it_has_been_applied(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    for number in range(3):
        pair.om.add_order(number, "JPM", Side.BUY, 20, 20)
    lags: list[Lag] = []
    pair.copy.books.subscribe(lambda _: lags.append(pair.copy.lag()))
    pair.copy.compare(ShardReport(True, 4, 3))
    pair.copy.follow()
    assert [lag[:2] for lag in [*lags, pair.copy.lag()]] == [(3, 3), (2, 2), (1, 1), (0, 0)]


def test_a_copy_that_takes_over_has_everything_that_was_acknowledged_before(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    pair.om.add_order(1, "JPM", Side.BUY, 20, 20)
    pair.copy.follow()
    pair.om.add_order(2, "JPM", Side.BUY, 10, 21)  # the copy has not read this yet
    pair.copy.promote("second")
    books = pair.copy.books
    assert isinstance(books, OrderManagement)
    assert books.state_hash() == pair.om.state_hash()
    books.add_order(3, "JPM", Side.BUY, 1, 22)
    with pytest.raises(JournalError, match="another writer has taken over: second"):
        pair.om.add_order(3, "JPM", Side.BUY, 1, 22)


def test_a_retry_after_a_takeover_gets_the_first_response_also_if_it_created_no_event(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    first = TestClient(create_app(pair.om))
    requests = [
        ("POST", "/orders", ORDER, "k1"),
        ("POST", "/trades", {"symbol": "JPM", "side": "BUY", "amount": 3}, "k2"),
        ("PATCH", "/orders/1", {"amount": 17}, "k3"),  # the present amount, so there is no event
    ]

    def send(client: TestClient) -> list[object]:
        return [
            client.request(method, path, json=body, headers={"Idempotency-Key": key}).json()
            for method, path, body, key in requests
        ]

    pair.copy.follow()
    responses = send(first)
    pair.om.amend_order(1, amount=10)  # so a repeated amendment would not be the same
    pair.copy.promote("second")
    second = TestClient(pair.copy.app)
    assert send(second) == responses
    assert pair.copy.books.last_sequence == 3


def test_a_copy_says_how_far_it_lags(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    pair.copy.follow()
    assert pair.copy.lag() == Lag(None, None, 0.0)
    pair.om.add_order(1, "JPM", Side.BUY, 20, 20)
    pair.om.add_order(2, "JPM", Side.BUY, 20, 20)
    pair.copy.compare(ShardReport(True, 3, 2))
    pair.clock.pause(1.5)
    assert pair.copy.lag() == Lag(2, 2, 1.5)
    pair.copy.follow()
    pair.copy.compare(ShardReport(True, 3, 2))
    assert pair.copy.lag() == Lag(0, 0, 0.0)


def test_a_copy_is_silent_since_its_latest_read_or_since_the_latest_report_of_its_owner(pair: Pair) -> None:
    pair.clock.pause(2.0)
    pair.copy.follow()
    assert pair.copy.lag().seconds == pair.copy.silent_seconds == 2.0
    pair.copy.compare(None)
    pair.clock.pause(1.0)
    pair.copy.compare(None)
    assert pair.copy.lag().seconds == pair.copy.silent_seconds == 1.0


def test_a_log_that_cannot_be_read_is_followed_again_later(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    pair.om.add_order(1, "JPM", Side.BUY, 20, 20)
    faults = pair.connection.faults
    pair.connection.faults = faults._replace(unreadable=1.0)
    with pytest.raises(JournalError, match="no leader"):
        pair.copy.follow()
    assert pair.copy.problem is None
    pair.connection.faults = faults
    pair.copy.follow()
    assert pair.copy.books.state_hash() == pair.om.state_hash()


def test_a_copy_with_another_state_is_refused_and_cannot_take_over(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(pair.om, OrderManagement)
    pair.om.add_order(1, "JPM", Side.BUY, 20, 20)
    pair.copy.follow()
    books = pair.copy.books._books
    row = books.orders[1]
    books.remove(row)
    books.add((1, "JPM", Side.BUY, 19, 20))  # a bit of its memory has changed
    pair.om.add_order(2, "JPM", Side.BUY, 20, 20)
    pair.copy.follow()
    pair.copy.compute_hash()
    pair.copy.compare(ShardReport(True, 3, 2, {2: pair.om.state_hash()}))
    assert pair.copy.problem is not None
    assert "its state after event 2 has the hash" in pair.copy.problem
    assert pair.copy.report().problem == pair.copy.problem
    assert any("the copy of shard main is not served" in message for message in caplog.messages)
    with pytest.raises(JournalError, match="this copy cannot be the owner"):
        pair.copy.promote("second")


def test_a_copy_with_the_same_state_is_not_refused(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    pair.om.add_order(1, "JPM", Side.BUY, 20, 20)
    pair.om.add_order(2, "JPM", Side.BUY, 20, 20)
    pair.copy.follow()
    pair.copy.compute_hash()
    assert pair.copy.report().hashes == {2: pair.om.state_hash()}
    pair.copy.compare(ShardReport(True, 3, 2, {1: "another event", 2: pair.om.state_hash()}))
    assert pair.copy.problem is None


def test_a_message_that_cannot_be_applied_is_a_problem(pair: Pair) -> None:
    MatchingEngine(LogJournal(Connection(pair.log), patience=impatient())).submit(1, "JPM", Side.BUY, 1, 1)
    with pytest.raises(JournalError, match="it contains the changes of a MatchingEngine"):
        pair.copy.follow()
    assert pair.copy.problem is not None
    assert "message 3 cannot be applied" in pair.copy.problem


def test_a_former_owner_knows_that_it_is_fenced_and_a_follower_never_is(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    assert not pair.copy.is_fenced
    pair.copy.promote("second")
    assert not pair.copy.is_fenced
    OrderManagement(LogJournal(Connection(pair.log), writer="third", patience=impatient()))
    assert isinstance(pair.copy.books, OrderManagement)
    with pytest.raises(JournalError, match="another writer has taken over: third"):
        pair.copy.books.add_order(1, "JPM", Side.BUY, 1, 1)
    assert pair.copy.is_fenced


def test_a_closed_copy_follows_nothing(pair: Pair) -> None:
    pair.copy.close()
    pair.copy.close()
    pair.copy.follow()
    pair.copy.compute_hash()
    assert pair.copy.is_closed


def test_a_follower_does_what_the_log_says_and_an_owner_what_its_policy_says() -> None:
    log = MemoryLog()
    engine = MatchingEngine(LogJournal(Connection(log), patience=impatient()))
    journal = FollowingJournal(Connection(log), patience=impatient())
    copy = Replica("main", journal, engine=True, prevention=SelfTradePrevention.CANCEL_NEWEST)
    assert isinstance(copy.books, MatchingEngine)
    for order_id, side in ((1, Side.SELL), (2, Side.BUY), (3, Side.SELL)):
        engine.submit(order_id, "JPM", side, 5, 101, owner="Ann")
    copy.promote("second")
    assert copy.books.state_hash() == engine.state_hash()  # orders 1 and 2 have traded with each other
    assert copy.books.submit(4, "JPM", Side.BUY, 5, 101, owner="Ann").fills == ()


# ---------------------------------------------------------------------- instruments

CENTS, TENTHS = Instrument("0.01", "1"), Instrument("0.1", "1")


def replica(log: MemoryLog, *, engine: bool = False, **instruments: Instrument) -> Replica:
    journal = FollowingJournal(Connection(log), patience=impatient())
    return Replica("main", journal, engine=engine, instruments=instruments)


@pytest.mark.parametrize("engine", [False, True])
def test_the_instruments_of_a_worker_are_stored_when_its_copy_becomes_the_owner(engine: bool) -> None:
    log = MemoryLog()
    follower = replica(log, engine=engine)
    copy = replica(log, engine=engine, JPM=CENTS, IBM=TENTHS)
    assert copy.books.instruments == {}
    copy.promote("first")
    assert copy.books.instruments == {"IBM": TENTHS, "JPM": CENTS}
    position = copy.report().position
    follower.follow()
    assert follower.books.instruments == {"IBM": TENTHS, "JPM": CENTS}
    assert follower.books.state_hash() == copy.books.state_hash()
    later = replica(log, engine=engine, JPM=CENTS)
    later.promote("second")
    assert later.report().position == position + 1  # only the takeover, because nothing is new
    assert later.books.instruments == {"IBM": TENTHS, "JPM": CENTS}


def test_a_copy_that_takes_over_sets_all_its_instruments_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    instruments = {f"symbol {number}": CENTS for number in range(20)}
    copy, steps = replica(MemoryLog(), engine=False, **instruments), list[int]()
    declare = copy.books._declare

    def counted(declared: Mapping[str, Instrument], **options: bool) -> None:
        steps.append(len(declared))
        declare(declared, **options)

    monkeypatch.setattr(copy.books, "_declare", counted)
    copy.promote("first")
    assert steps == [20]
    assert copy.books.instruments.keys() == instruments.keys()


def test_a_message_without_instruments_does_not_copy_the_instruments(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    pair.om.set_instrument("JPM", CENTS)
    pair.copy.follow()
    instruments = pair.copy.books._books.instruments
    pair.om.add_order(1, "JPM", Side.BUY, 20, 20)
    pair.copy.follow()
    assert pair.copy.books.last_sequence == 1
    assert pair.copy.books._books.instruments is instruments


def test_an_instrument_that_contradicts_the_log_is_found_before_the_copy_takes_over(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    pair.om.set_instrument("JPM", CENTS)
    pair.om.add_order(1, "JPM", Side.BUY, 20, 20)
    with pytest.raises(InvalidArgumentError, match="while orders of 'JPM' are resting"):
        replica(pair.log, JPM=TENTHS)
    pair.om.add_order(2, "JPM", Side.BUY, 20, 20)  # the owner goes on
    copy = replica(pair.log, JPM=CENTS)
    copy.promote("second")
    assert len(copy.books) == 2


def test_an_instrument_that_contradicts_the_last_messages_keeps_the_copy_from_taking_over(pair: Pair) -> None:
    assert isinstance(pair.om, OrderManagement)
    copy = replica(pair.log, JPM=TENTHS, IBM=CENTS)
    with pair.om.transaction():
        pair.om.set_instrument("JPM", CENTS)
        pair.om.add_order(1, "JPM", Side.BUY, 20, 20)
    with pytest.raises(InvalidArgumentError, match="while orders of 'JPM' are resting"):
        copy.promote("second")
    assert not copy.is_owner
    assert copy.books.instruments == {"JPM": CENTS}  # all instruments are set, or none


def test_a_copy_does_not_become_the_owner_after_an_error_because_it_lacks_the_messages_after_it(
    pair: Pair,
) -> None:
    client = TestClient(create_app(pair.om))
    client.post("/orders", json=ORDER)
    client.post("/orders", json=ORDER, headers=KEY)  # changes nothing, so the log contains only the response

    def fail(_: object) -> None:
        raise MemoryError

    pair.copy.books.subscribe(fail)
    with pytest.raises(MemoryError):
        pair.copy.follow()
    with pytest.raises(JournalError, match="this copy cannot be the owner: message 2 cannot be applied"):
        pair.copy.promote("second")
