"""A service starts with extracts as if it had read the whole log, and reads only the rest of the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from oms import JournalError, MatchingEngine, Order, OrderAdded, OrderManagement, Side, cluster
from oms.api import create_app, last_trades
from oms.api.selection import SELECTION
from oms.cluster.log import extracts
from oms.cluster.log.extracts import Extract, decode_extract, encode_extract
from oms.cluster.log.following_journal import FollowingJournal
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.message import Head
from oms.cluster.log.sealed_text import seal
from oms.cluster.worker.replica import Replica
from support.replicated_log import ALL_FAULTS, Connection, MemoryLog, MemorySnapshots, Reads, impatient
from support.service_steps import STEPS, Service, Step, memory, naive_memory

BUY = Side.BUY


class Place:
    """A log, its snapshots and extracts, and the number of messages that each opening has read."""

    def __init__(self) -> None:
        self.log, self.snapshots = MemoryLog(), MemorySnapshots()
        self.connection = Reads(self.log)

    def journal(self, kind: Callable[..., Any] = LogJournal) -> Any:
        self.connection = Reads(self.log)
        return kind(self.connection, patience=impatient(), snapshots=self.snapshots)

    def service(self) -> Service:
        return Service(self.journal())

    def extracts(self) -> list[str]:
        return sorted(name for name in self.snapshots.contents if name.startswith("extract"))

    def naive(self) -> dict[str, Any]:
        """Return what a service remembers that reads the whole log, without snapshots and extracts."""
        journal = LogJournal(Connection(self.log), read_only=True)
        return naive_memory(list(journal.read()), list(journal.replies()))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an extract be short up to 2 messages, and long from 4 events. The tape has 2 trades."""
    monkeypatch.setattr(extracts, "LONG", 4)
    monkeypatch.setattr(extracts, "SHORT", 2)
    monkeypatch.setattr(last_trades, "TAPE_LENGTH", 2)


# ---------------------------------------------------------------------- what is read


def opened_books(place: Place) -> object:
    return OrderManagement(place.journal())


def opened_service(place: Place) -> object:
    return create_app(OrderManagement(place.journal()))


def opened_worker(place: Place) -> object:
    copy = Replica("main", place.journal(FollowingJournal))
    copy.promote("second")
    return copy


@pytest.mark.parametrize("open_", [opened_books, opened_service, opened_worker])
def test_opening_reads_a_snapshot_and_the_rest_of_the_log_however_long_the_log_is(
    open_: Callable[[Place], object],
) -> None:
    rest, counts = 20, list[int]()
    for number in (100, 500):
        place = Place()
        service = place.service()
        for each in range(1, number + 1):
            service.send(Step("add", each, 5, 20, f"key {each}"))
        cluster.save_snapshot(service.om)
        for each in range(number + 1, number + rest + 1):
            service.send(Step("add", each, 5, 20, f"key {each}"))
        open_(place)
        counts.append(place.connection.count)
    assert counts[0] == counts[1]
    assert rest <= counts[0] <= 3 * rest + 4


def test_an_engine_is_opened_with_a_snapshot_and_the_rest_of_the_log_too() -> None:
    place, bodies = Place(), list[Any]()

    def client(journal: Any) -> TestClient:
        return TestClient(create_app(MatchingEngine(journal)))

    def send(client: TestClient, number: int) -> Any:
        side = "BUY" if number % 2 else "SELL"
        body = {"order_id": number, "symbol": "JPM", "side": side, "amount": 5, "price": 20}
        response = client.post("/submissions", json=body, headers={"Idempotency-Key": f"k{number}"})
        return response.status_code, response.json(), response.headers.get("idempotent-replayed")

    journal = place.journal()
    engine = MatchingEngine(journal)
    first = TestClient(create_app(engine))
    bodies = [send(first, number)[1] for number in range(100)]
    cluster.save_snapshot(engine)
    bodies += [send(first, number)[1] for number in range(100, 110)]
    second = client(place.journal())
    assert place.connection.count < 40
    assert [send(second, number) for number in range(110)] == [(201, body, "true") for body in bodies]
    with first.websocket_connect("/stream") as one, second.websocket_connect("/stream") as two:
        assert one.receive_json() == two.receive_json()


# ---------------------------------------------------------------------- the same as from the whole log


class ServiceMachine(RuleBasedStateMachine):
    """A service that is replaced by others, with a reference that reads the whole log."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Place()
        self.service = self.place.service()
        self.responses: dict[Step, Any] = {}

    @rule(step=STEPS)
    def send(self, step: Step) -> None:
        response = self.service.send(step)
        if step.key is not None and isinstance(response, tuple):
            assert self.responses.setdefault(step, response)[:2] == response[:2]

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        if self.responses:
            step = data.draw(st.sampled_from(list(self.responses)))
            assert self.service.send(step)[:2] == self.responses[step][:2]

    @rule()
    def save(self) -> None:
        cluster.save_snapshot(self.service.om)

    @rule()
    def save_without_the_service(self) -> None:
        om = OrderManagement(self.place.journal())
        cluster.save_snapshot(om)
        self.take_over()

    @rule()
    def forget_message_ids(self) -> None:
        self.place.log.forget_message_ids()

    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        names = self.place.extracts()
        if names:
            name = data.draw(st.sampled_from(names))
            if data.draw(st.booleans()):
                del self.place.snapshots.contents[name]
            else:
                self.place.snapshots.contents[name] = b"damaged"

    @rule()
    def take_over(self) -> None:
        before = self.service.om.state_hash()
        self.service = self.place.service()
        assert self.service.om.state_hash() == before
        assert memory(self.service.responses, self.service.tape) == self.place.naive()


@pytest.mark.slow
def test_a_service_remembers_everything_across_takeovers(short: None) -> None:
    run_state_machine_as_test(ServiceMachine, settings=settings(max_examples=40, stateful_step_count=40))


@pytest.mark.parametrize("seed", range(3))
def test_extracts_are_used_despite_faults(seed: int, short: None) -> None:
    place = Place()
    service = place.service()
    for each in range(1, 41):
        service.send(Step("add", each, 5, 20, f"key {each}"))
        if each % 7 == 0:
            cluster.save_snapshot(service.om)
    journal = LogJournal(
        Connection(place.log, ALL_FAULTS, seed), patience=impatient(100), snapshots=place.snapshots
    )
    again = Service(journal)
    assert memory(again.responses, again.tape) == place.naive()


# ---------------------------------------------------------------------- saving


def spans(place: Place) -> list[tuple[int, ...]]:
    return [tuple(map(int, name.split("-")[3:])) for name in place.extracts()]


def test_an_extract_begins_where_the_last_one_ends_and_replaces_a_short_one(short: None) -> None:
    place = Place()
    service = place.service()  # message 1
    found = list[Any]()
    for each in range(1, 10):
        service.om.add_order(each, "JPM", BUY, 5, 20)
        cluster.save_snapshot(service.om)
        found.append(spans(place))
    assert found[:4] == [[(0, 2)], [(0, 3)], [(0, 3), (3, 4)], [(0, 3), (3, 5)]]
    assert found[-1] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    cluster.save_snapshot(service.om)
    service.om.journal.keep_reply("no event")  # type: ignore[union-attr]
    cluster.save_snapshot(service.om)
    assert spans(place) == [(0, 3), (3, 6), (6, 9), (9, 11)]


def test_an_extract_of_few_messages_with_many_events_is_kept(short: None) -> None:
    place = Place()
    service = place.service()
    with service.om.transaction():
        for each in range(1, 5):
            service.om.add_order(each, "JPM", BUY, 5, 20)
    cluster.save_snapshot(service.om)
    [name] = place.extracts()
    service.om.add_order(5, "JPM", BUY, 5, 20)
    cluster.save_snapshot(service.om)
    assert spans(place) == [(0, 2), (2, 3)]
    assert place.extracts()[0] == name


def test_a_long_log_without_extracts_gets_several(short: None) -> None:
    place = Place()
    with OrderManagement(place.journal()) as om:
        for each in range(1, 11):
            om.add_order(each, "JPM", BUY, 5, 20)
    cluster.save_snapshot(place.service().om)
    assert spans(place) == [(0, 5), (5, 9), (9, 12)]


def test_programs_that_save_the_same_messages_store_the_same_extract(short: None) -> None:
    place = Place()
    service = place.service()
    service.send(Step("add", 1, 5, 20, "k"))
    follower = Replica("main", place.journal(FollowingJournal))
    cluster.save_snapshot(service.om)
    contents = dict(place.snapshots.contents)
    place.snapshots.contents.clear()
    cluster.save_snapshot(follower.books)
    assert place.snapshots.contents == contents


@pytest.mark.parametrize(
    "covered", [((0, 4), (0, 6), (2, 9), (5, 7), (7, 10)), ((0, 4), (7, 10)), ((3, 6),), ((2, 3), (5, 8))]
)
def test_what_several_extracts_cover_is_used_once_and_what_none_covers_comes_from_the_log(
    covered: tuple[tuple[int, int], ...],
) -> None:
    place = Place()
    service = place.service()
    for each in range(1, 10):
        service.om.add_order(each, "JPM", BUY, 5, 20)
    journal: Any = service.om.journal
    end = journal.stored_after(9).head
    reader = journal._reader
    events = list(journal.read())
    for after, position in covered:
        head = reader.head_at(position)
        first, last = reader.head_at(after).sequence, head.sequence
        journal._extracts._store_one(SELECTION, Extract(after, head, events[first:last]))
    assert list(journal._extracts.events(SELECTION, end)) == events


def test_an_extract_that_ends_later_than_the_reader_is_not_used() -> None:
    place = Place()
    service = place.service()
    follower = place.journal(FollowingJournal)
    service.send(Step("add", 1, 5, 20, "k"))
    cluster.save_snapshot(service.om)
    assert list(follower.extracted(SELECTION)) == []


# ---------------------------------------------------------------------- damage


def saved() -> tuple[Place, str]:
    place = Place()
    service = place.service()
    for each in range(1, 6):
        service.send(Step("add", each, 5, 20, f"key {each}"))
    cluster.save_snapshot(service.om)
    [name] = place.extracts()
    return place, name


def test_a_damaged_extract_is_skipped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    place, name = saved()
    content = place.snapshots.contents[name]
    place.snapshots.contents[name] = content.replace(b"key 3", b"key 4")
    service = place.service()
    assert memory(service.responses, service.tape) == place.naive()
    assert f"{name} is not used" in caplog.text
    place.snapshots.contents = {name[:-1] + "5": content}
    service = place.service()
    assert memory(service.responses, service.tape) == place.naive()
    assert "it covers other messages than its name says" in caplog.text


def test_extracts_that_cannot_be_read_are_skipped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    place, _ = saved()
    place.snapshots.is_available = False
    service = place.service()
    assert memory(service.responses, service.tape) == place.naive()
    assert "the extracts cannot be read: no leader" in caplog.text
    with pytest.raises(JournalError, match="the snapshots cannot be read: no leader"):
        service.om.journal.saved_sequence()  # type: ignore[union-attr]


def test_an_extract_that_contradicts_the_log_is_an_error() -> None:
    place, name = saved()
    other, _ = saved()
    extract = decode_extract(place.snapshots.contents[name], "an extract")
    changed = extract._replace(head=extract.head._replace(hash="another"))
    place.snapshots.contents = {name: encode_extract(changed)}
    with pytest.raises(JournalError, match=f"message 6 is not the last one of {name}"):
        place.service()
    other.snapshots.contents = {name: other.snapshots.contents[name]}
    del other.log.messages[-1]
    with pytest.raises(JournalError, match="message 6 is not the last one of"):
        other.service()


def test_an_extract_of_another_rule_is_not_used() -> None:
    place, name = saved()
    journal = place.journal()
    other = SELECTION._replace(name="api-2", select=lambda _: [])
    assert len(list(journal.extracted(other))) == 5
    assert len(list(journal.extracted(SELECTION._replace(name=".pi-1")))) == 5
    assert name == f"extract-api-1-{0:020d}-{6:020d}"


def test_an_extract_survives_the_text() -> None:
    events = (
        OrderAdded(Order(1, "JP\tM", BUY, 5, 20), 3, "a\nnote", 7),
        OrderAdded(Order(2, "X", BUY, 5, 20), 9),
    )
    extract = Extract(2, Head(7, 1, 9, 1, "x"), events)
    assert decode_extract(encode_extract(extract), "an extract") == extract


@pytest.mark.parametrize(
    "text",
    [
        b"oms-extract 1",
        b"oms-extract 1\n{}",
        b'oms-extract 1\n{"after":0.5,"position":1,"epoch":1,"sequence":0,"next_trade_id":1,"hash":"x"}',
        b'oms-extract 1\n{"after":0,"position":1,"epoch":1,"sequence":0,"next_trade_id":1,"hash":"x"}\n'
        b"[1]\t{}",
        b'oms-extract 1\n{"after":0,"position":1,"epoch":1,"sequence":0,"next_trade_id":1,"hash":"x"}\n'
        b'[1,"Other",null,null]\t{}',
    ],
)
def test_an_extract_with_invalid_content_is_rejected_even_if_its_hash_is_correct(text: bytes) -> None:
    with pytest.raises(JournalError, match="an extract: it is not valid"):
        decode_extract(seal(text.decode().split("\n")), "an extract")
