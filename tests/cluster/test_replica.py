"""One copy of a shard, which follows its owner and takes over."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from oms import Instrument, JournalError, MatchingEngine, OrderManagement, Side
from oms.api import create_app
from oms.cluster.following_journal import FollowingJournal
from oms.cluster.log_journal import LogJournal
from oms.cluster.registry import ShardReport
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
    pair.copy.promote("second")
    second = TestClient(pair.copy.app)
    assert send(second) == responses
    assert pair.copy.books.last_sequence == 2


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
    assert pair.copy.lag() == Lag(0, 0, 0.0)


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
