"""The text of a message, and the hash chain: any change to a log is detected."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import Event, Instrument, JournalError, MatchingEngine, Order, OrderAdded, OrderManagement, Side
from oms.cluster.log.message import Content, Draft, Head, decode, encode, follow
from oms.cluster.log.replicated_log import Message
from support.engine_sessions import engine_session
from support.sessions import execute, session

BUY = Side.BUY
PLACE = "the log"
texts = st.text(st.characters(codec="utf-8"))


def order_added(sequence: int, note: str | None = None, time: int | None = None) -> OrderAdded:
    return OrderAdded(Order(sequence, "JPM", BUY, 20, 20), sequence, note, time)


def log_of(*drafts: Draft) -> list[Message]:
    """Return a log with these messages."""
    head, messages = Head(), list[Message]()
    for draft in drafts:
        payload, head = encode(head, draft)
        messages.append(Message(head.position, payload))
    return messages


def contents(messages: list[Message]) -> list[Content]:
    """Verify a log as a reader does, and return its contents."""
    head, contents = Head(), list[Content]()
    for message in messages:
        content = decode(message, PLACE)
        head = follow(head, content)
        contents.append(content)
    return contents


LOG = log_of(
    Draft(opened=("writer 1", "random")),
    Draft([order_added(1, "a note", 5), order_added(2)]),
    Draft(instruments={"JPM": Instrument("0.01")}, replies=["a reply"]),
    Draft([order_added(3)]),
)


@given(
    notes=st.lists(st.none() | texts, max_size=4),
    time=st.none() | st.integers(0, 2**70),
    replies=st.lists(texts, max_size=3),
    opened=st.none() | texts,
    symbols=st.sets(texts.filter(bool), max_size=3),
)
def test_everything_is_read_as_it_was_written(
    notes: list[str | None], time: int | None, replies: list[str], opened: str | None, symbols: set[str]
) -> None:
    events = [order_added(number, note, time) for number, note in enumerate(notes, 1)]
    instruments = {symbol: Instrument("0.01", currency="USD") for symbol in sorted(symbols)}
    [content] = contents(
        log_of(Draft(events, instruments, replies, None if opened is None else (opened, "x")))
    )
    assert list(content.events()) == events
    assert content.instruments() == instruments
    assert content.replies() == replies
    assert content.opened_by() == opened
    assert content.head[:4] == (1, int(opened is not None), len(events), 1)


@pytest.mark.parametrize("kind", ["books", "engine"])
def test_every_kind_of_event_is_read_as_it_was_written_and_trades_are_counted(kind: str) -> None:
    om: Any = OrderManagement() if kind == "books" else MatchingEngine()
    events: list[Event] = []
    om.subscribe(events.append)
    for command in (session if kind == "books" else engine_session)(3, 200):
        execute(command, om)
    drafts = [Draft(events[first : first + 3]) for first in range(0, len(events), 3)]
    read = contents(log_of(*drafts))
    assert [event for content in read for event in content.events()] == events
    assert read[-1].head.next_trade_id == om.snapshot().next_trade_id > 10


def test_a_message_is_text_with_one_line_for_each_event() -> None:
    assert LOG[1].payload.decode().splitlines()[2:4] == [
        'event\tOrderAdded\t5\t"a note"\t{"order_id":1,"symbol":"JPM","side":"BUY","amount":20,"price":20}',
        'event\tOrderAdded\tnull\tnull\t{"order_id":2,"symbol":"JPM","side":"BUY","amount":20,"price":20}',
    ]


@given(data=st.data())
@settings(max_examples=200)
def test_any_changed_byte_is_detected(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(LOG) - 1))
    payload = bytearray(LOG[index].payload)
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    messages = [*LOG]
    messages[index] = LOG[index]._replace(payload=bytes(payload))
    with pytest.raises(JournalError, match=f"the log, message {index + 1}: "):
        contents(messages)


@given(cut=st.integers(1, 60), index=st.integers(0, len(LOG) - 1))
def test_a_message_that_is_cut_off_is_detected(cut: int, index: int) -> None:
    with pytest.raises(JournalError):
        decode(LOG[index]._replace(payload=LOG[index].payload[:-cut]), PLACE)


@given(order=st.lists(st.integers(0, len(LOG) - 1), min_size=1, max_size=6))
def test_missing_repeated_and_reordered_messages_are_detected(order: list[int]) -> None:
    messages = [LOG[index] for index in order]
    if order == list(range(len(order))):
        assert len(contents(messages)) == len(order)
        return
    with pytest.raises(JournalError):
        contents(messages)
    with pytest.raises(JournalError):  # even if the server has numbered the messages again
        contents([message._replace(position=n) for n, message in enumerate(messages, 1)])


def test_a_message_of_another_log_is_detected() -> None:
    other = log_of(Draft(opened=("writer 1", "random")), Draft([order_added(1, "another note")]))
    with pytest.raises(JournalError, match="message 3: it does not follow the message before it"):
        contents([*other, *LOG[2:]])


def signed(*lines: str) -> Message:
    """Return a message with a correct hash."""
    text = "\n".join(lines).encode()
    return Message(1, b"%b\nhash\t%b\n" % (text, sha256(text).hexdigest().encode()))


HEADER = '{"position":1,"epoch":0,"sequence":1,"trade":1,"before":"-"}'
EVENT = 'event\tOrderAdded\tnull\tnull\t{"order_id":1,"symbol":"JPM","side":"BUY","amount":20,"price":20}'
BAD: dict[str, tuple[Message, str]] = {
    "version": (
        signed("oms-log 2", HEADER),
        "the format 'oms-log 2', and this version of oms reads 'oms-log 1'",
    ),
    "no header": (signed("oms-log 1"), "not valid"),
    "header without JSON": (signed("oms-log 1", "x"), "not valid"),
    "header with other fields": (signed("oms-log 1", '{"position":1}'), "fields"),
    "header with a float": (signed("oms-log 1", HEADER.replace('"epoch":0', '"epoch":0.0')), "integers"),
    "unknown line": (signed("oms-log 1", HEADER, "other\tx"), "'other' has 1 fields"),
    "short line": (signed("oms-log 1", HEADER, "event\tOrderAdded"), "'event' has 1 fields"),
    "position": (signed("oms-log 1", HEADER.replace('n":1', 'n":2'), EVENT), "it is message 2"),
    "too few events": (signed("oms-log 1", HEADER), "its numbers do not follow"),
    "too many events": (signed("oms-log 1", HEADER, EVENT, EVENT), "its numbers do not follow"),
    "epoch": (signed("oms-log 1", HEADER.replace('h":0', 'h":1'), EVENT), "its numbers do not follow"),
    "opening without epoch": (
        signed("oms-log 1", HEADER, EVENT, 'opened\t"x"\t"y"'),
        "its numbers do not follow",
    ),
    "trade": (signed("oms-log 1", HEADER.replace('e":1,"b', 'e":0,"b'), EVENT), "its numbers do not follow"),
    "unknown event": (
        signed("oms-log 1", HEADER, EVENT.replace("OrderAdded", "Other")),
        "event 1 is not valid",
    ),
    "body": (signed("oms-log 1", HEADER, EVENT.replace("20", '"20"')), "event 1 is not valid"),
    "time": (signed("oms-log 1", HEADER, EVENT.replace("null", "-5", 1)), "event 1 is not valid"),
    "instrument": (
        signed("oms-log 1", HEADER, EVENT, 'instrument\t"JPM"\t{"tick_size":"0"}'),
        "an invalid instr",
    ),
}


@pytest.mark.parametrize("damage", BAD)
def test_a_message_with_wrong_content_is_rejected_even_if_its_hash_is_correct(damage: str) -> None:
    message, problem = BAD[damage]
    with pytest.raises(JournalError, match=problem):
        for content in contents([message]):
            list(content.events())
            content.instruments()


def test_the_header_contains_the_counters_after_the_message() -> None:
    header = json.loads(LOG[1].payload.splitlines()[1])
    before = LOG[0].payload.split()[-1].decode()
    assert header == {"position": 2, "epoch": 1, "sequence": 2, "trade": 1, "before": before}
