"""A level-2 feed follows the exchange message by message, or says that it does not, symbol by symbol."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import Instrument, InvalidArgumentError, Order, OrderManagement, Side
from oms.feeds import (
    ALTERNATING,
    ASKS_THEN_BIDS,
    Bitget,
    BookMessage,
    InstrumentMessage,
    Kraken,
    LevelFeed,
    Okx,
    StaleBookError,
    TradeMessage,
    UnsupportedChannelError,
)
from oms.feeds.levels.capture import parsed
from oms.feeds.levels.messages import LevelMessage, Translator
from support.naive_exchange import FORMATS, Format, NaiveExchange, Texts
from support.strategies import level_changes

XBT = Instrument("0.1", "0.00001")
BUY, SELL = Side.BUY, Side.SELL


def translator_of(exchange: NaiveExchange) -> Translator:
    if exchange.feed == "kraken":
        return Kraken(exchange.depth)
    return Okx() if exchange.feed == "okx" else Bitget()


def follow(om: OrderManagement, translator: Translator) -> LevelFeed:
    return LevelFeed(om, translator.rule, XBT)


def translated(translator: Translator, sent: str, row: int = 1) -> LevelMessage:
    [message] = translator.translate(parsed(sent), row, None)
    return message


def shown(om: OrderManagement, symbol: str) -> list[list[tuple[str, str]]]:
    return [
        [(XBT.price_text(level.price), XBT.amount_text(level.amount)) for level in om.depth(symbol, side)]
        for side in Side
    ]


def expected(books: tuple[Texts, Texts]) -> list[list[tuple[str, str]]]:
    return [list(texts.items()) for texts in books]


@pytest.mark.parametrize("form", FORMATS)
@settings(deadline=None)
@given(batches=level_changes, depth=st.integers(1, 12), again=st.integers(0, 25))
def test_after_every_message_the_book_is_that_of_the_exchange(
    form: Format, batches: list[list[tuple[int, str, str]]], depth: int, again: int
) -> None:
    # Only Kraken leaves it to the reader to forget what has become too deep.
    exchange = NaiveExchange(form, depth=depth if form.startswith("kraken") else 400)
    translator = translator_of(exchange)
    om = OrderManagement()
    feed = follow(om, translator)
    feed.apply(translated(translator, exchange.snapshot()))
    for row, changes in enumerate(batches, 2):
        sent = exchange.update(changes)
        if row == again:
            sent = exchange.snapshot()
        outcome = feed.apply(translated(translator, sent, row))
        assert (outcome.applied, outcome.stale) == (True, None)
        assert shown(om, exchange.symbol) == expected(exchange.shown)
        om._check()
        state = feed[exchange.symbol]
        assert state.row == row
        assert state.levels == len(om) == sum(map(len, exchange.shown))
        best = [om.depth(exchange.symbol, side, 1) for side in Side]
        assert [state.buy, state.sell] == [level[0][:2] if level else None for level in best]
    [report] = feed.reports().values()
    verified = report.messages - (report.snapshots if form == "kraken1" else 0)
    assert (report.checksums_ok, report.checksums_failed, report.times_stale) == (verified, 0, 0)


@pytest.mark.parametrize("form", FORMATS)
@settings(deadline=None)
@given(batches=level_changes, data=st.data())
def test_a_wrong_checksum_or_a_gap_makes_one_symbol_stale_until_its_next_snapshot_and_never_the_other(
    form: Format, batches: list[list[tuple[int, str, str]]], data: st.DataObject
) -> None:
    exchanges = [NaiveExchange(form, symbol, depth=400, numbered=True) for symbol in ("ETH/USD", "XBT/USD")]
    translator = translator_of(exchanges[0])
    om = OrderManagement()
    feed = follow(om, translator)
    good = [False, False]
    failures = ["none", "spoilt", "snapshot"] + (["lost"] if exchanges[0].feed != "kraken" else [])
    for row, changes in enumerate(batches, 1):
        which = data.draw(st.integers(0, 1))
        exchange = exchanges[which]
        failure = data.draw(st.sampled_from(failures))
        if failure == "lost":
            exchange.update([(0, "2.0", "7.00000"), (1, "1.0", "7.00000")])
        sent = exchange.snapshot() if failure == "snapshot" else exchange.update(changes, failure == "spoilt")
        feed.apply(translated(translator, sent, row))
        good[which] = failure == "snapshot" or (good[which] and failure == "none")
        for exchange, is_good in zip(exchanges, good, strict=True):
            if is_good:
                assert feed[exchange.symbol].symbol == exchange.symbol
                assert shown(om, exchange.symbol) == expected(exchange.shown)
            else:
                assert shown(om, exchange.symbol) == [[], []]
                with pytest.raises(StaleBookError) as caught:
                    feed[exchange.symbol]
                assert caught.value.symbol == exchange.symbol
                assert caught.value.why
        om._check()


def calls_of(feed: LevelFeed, message: BookMessage) -> int:
    """How many functions are called, in Python and in C, while a message is applied."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        feed.apply(message)
    finally:
        sys.setprofile(None)
    return calls


def test_a_message_costs_the_same_however_deep_its_book() -> None:
    counts: list[int] = []
    for depth in (50, 20_000):
        exchange = NaiveExchange("okx", depth=depth)
        asks = {f"{price}.0": "1" for price in range(100, 100 + depth)}
        exchange.books = (asks, {f"{price / 1000}": "2" for price in range(1, 1 + depth)})
        feed = LevelFeed(OrderManagement(), ALTERNATING, Instrument("0.001", "0.001"))
        feed.apply(translated(Okx(), exchange.snapshot()))
        update = translated(Okx(), exchange.update([(0, "101.0", "0"), (0, "100.5", "3"), (1, "0.004", "9")]))
        assert isinstance(update, BookMessage)
        counts.append(calls_of(feed, update))
        assert feed.reports()[exchange.symbol].checksums_ok == 2
    assert counts[1] < 1.3 * counts[0]


# ---------------------------------------------------------------------- what is published


def test_krakens_published_example_of_a_checksum_is_reproduced() -> None:
    amounts = "0.00000500"
    asks = [f"0.0{price}" for price in range(5005, 5055, 5)]
    bids = [f"0.0{price}" for price in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950)]
    parts = [[ASKS_THEN_BIDS.part(price, amounts) for price in side] for side in (asks, bids)]
    assert ASKS_THEN_BIDS.crc32(*parts) == 974947235


def test_numbers_of_kraken_are_summed_up_as_they_were_written() -> None:
    exchange = NaiveExchange("kraken2")
    exchange.books = ({"10.0": "0.10000"}, {"9.0": "2.00000"})
    translator = Kraken()
    feed = follow(OrderManagement(), translator)
    assert feed.apply(translated(translator, exchange.snapshot())).applied
    finer = LevelFeed(OrderManagement(), translator.rule, Instrument("0.01", "0.00001"))
    assert finer.apply(translated(translator, exchange.snapshot())).applied
    cut = exchange.snapshot().replace("0.10000", "0.1").replace("10.0", "10")
    assert finer.apply(translated(translator, cut)).stale == "the checksum of row 1 failed"


ONE_LEVEL = (
    '{"channel":"book","type":"snapshot","data":[{"symbol":"X/USD","bids":[],'
    '"asks":[{"price":0.5,"qty":2}],"checksum":149617455}]}'
)


def test_zeros_that_a_recorder_lost_are_put_back_by_the_tick_and_lot_that_are_given() -> None:
    assert crc32(b"50000200000000") == 149617455
    feed = LevelFeed(OrderManagement(), Kraken.rule, {"X/USD": Instrument("0.00001", "0.00000001")})
    message = translated(Kraken(), ONE_LEVEL)
    assert feed.apply(message).stale is None
    assert feed.apply(message).stale is None
    assert feed.reports()["X/USD"].checksums_ok == 2


def test_without_the_tick_and_the_lot_the_message_about_lost_zeros_says_what_helps() -> None:
    feed = LevelFeed(OrderManagement(), Kraken.rule, Instrument("0.1", "1"))
    assert feed.apply(translated(Kraken(), ONE_LEVEL)).stale == (
        "the checksum of row 1 failed; if the recorder lost zeros at the ends of numbers, the exchange's own "
        "tick and lot put them back (--tick and --lot, or instruments)"
    )


@settings(deadline=None)
@given(batches=level_changes, data=st.data())
def test_a_recorder_that_writes_numbers_as_floats_loses_nothing_that_tick_and_lot_do_not_put_back(
    batches: list[list[tuple[int, str, str]]], data: st.DataObject
) -> None:
    exchange = NaiveExchange("kraken2", depth=400)
    om = OrderManagement()
    feed = follow(om, Kraken())
    for changes in [[], *batches]:
        sent = exchange.update(changes) if changes else exchange.snapshot()
        if data.draw(st.booleans()):
            sent = re.sub(r"\d+\.\d+", lambda number: repr(float(number[0])), sent)
        assert feed.apply(translated(Kraken(400), sent)).stale is None
        assert shown(om, exchange.symbol) == expected(exchange.shown)


@pytest.mark.parametrize("form", FORMATS)
def test_where_checksums_are_ignored_a_book_whose_checksum_is_wrong_is_kept_and_the_failure_counted(
    form: Format,
) -> None:
    exchange = NaiveExchange(form)
    translator = translator_of(exchange)
    om = OrderManagement()
    feed = LevelFeed(om, translator.rule, XBT, checksums="ignore")
    exchange.books = ({"1.2": "5.00000"}, {})
    feed.apply(translated(translator, exchange.snapshot()))
    outcome = feed.apply(translated(translator, exchange.update([(0, "1.3", "4.00000")], spoil=1), 2))
    assert (outcome.applied, outcome.stale) == (True, None)
    assert shown(om, exchange.symbol) == expected(exchange.shown)
    report = feed.reports()[exchange.symbol]
    assert (report.checksums_failed, report.times_stale) == (1, 0)


def test_what_to_do_about_checksums_is_one_of_two_words() -> None:
    with pytest.raises(InvalidArgumentError, match="checksums must be 'verify' or 'ignore', not 'none'"):
        LevelFeed(OrderManagement(), ALTERNATING, XBT, checksums="none")  # type: ignore[arg-type] # the mistake


# ---------------------------------------------------------------------- a finer tick


def one_ask(form: Format, price: str, amount: str = "2.0", *, kind: str = "snapshot") -> str:
    """A message about one ask, without a checksum."""
    exchange = NaiveExchange(form)
    exchange.books = ({price: amount}, {})
    sent = exchange.snapshot() if kind == "snapshot" else exchange.update([])
    if kind == "update":
        exchange.books = ({}, {})
        exchange.snapshot()
        sent = exchange.update([(0, price, amount)])
    return re.sub(r', "c(hecksum)?": "?-?\d+"?', "", sent)


def precision(places: int) -> str:
    pair = f'{{"symbol":"XBT/USD","price_precision":{places},"qty_precision":1}}'
    return f'{{"channel":"instrument","type":"update","data":{{"pairs":[{pair}]}}}}'


def listed(tick: str) -> str:
    data = f'[{{"instId":"XBT/USD","tickSz":"{tick}","lotSz":"0.1"}},{{"instId":"Y","tickSz":"","lotSz":""}}]'
    return f'{{"arg":{{"channel":"instruments","instType":"SPOT"}},"data":{data}}}'


@pytest.mark.parametrize(
    ("form", "translator", "words"),
    [
        ("kraken2", Kraken(), (precision(2), precision(3))),
        ("okx", Okx(), (listed("0.01"), listed("0.001"))),
    ],
)
def test_a_tick_that_the_exchange_makes_finer_holds_from_the_next_snapshot_on(
    form: Format, translator: Translator, words: tuple[str, str]
) -> None:
    om = OrderManagement()
    feed = LevelFeed(om, translator.rule, {})
    for said, price, ticks, tick in ((words[0], "0.25", 25, "0.01"), (words[1], "0.253", 253, "0.001")):
        feed.apply(translated(translator, said))
        outcome = feed.apply(translated(translator, one_ask(form, price)))
        assert (outcome.applied, outcome.stale) == (True, None)
        assert om.best_price("XBT/USD", BUY) == ticks
        assert feed["XBT/USD"].instrument == feed.instrument("XBT/USD") == Instrument(tick, "0.1")
    feed.apply(translated(translator, words[0]))
    feed.apply(translated(translator, one_ask(form, "0.25")))
    assert om.best_price("XBT/USD", BUY) == 250  # a coarser tick is counted in the finer one
    assert feed.reports()["XBT/USD"].finer_ticks == 1


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("instruments", [Instrument("0.01", "0.1"), {"XBT/USD": Instrument("0.01", "0.1")}])
def test_a_snapshot_with_finer_prices_or_amounts_is_counted_in_the_finer_ones_for_every_feed(
    form: Format, instruments: Instrument | dict[str, Instrument]
) -> None:
    translator = translator_of(NaiveExchange(form))
    om = OrderManagement()
    feed = LevelFeed(om, translator.rule, instruments)
    for price, amount in (("0.25", "2.0"), ("0.253", "2.0"), ("0.253", "2.05"), ("0.25", "2.0")):
        assert feed.apply(translated(translator, one_ask(form, price, amount))).stale is None
    assert om.depth("XBT/USD", BUY)[0][:2] == (250, 200)
    assert feed["XBT/USD"].instrument == Instrument("0.001", "0.01")
    assert feed.reports()["XBT/USD"].finer_ticks == 2
    om._check()


@pytest.mark.parametrize("form", FORMATS)
def test_an_update_with_a_finer_price_leaves_the_book_stale_and_the_next_snapshot_counts_in_the_finer_tick(
    form: Format,
) -> None:
    translator = translator_of(NaiveExchange(form))
    om = OrderManagement()
    feed = LevelFeed(om, translator.rule, Instrument("0.01", "0.1"))
    feed.apply(translated(translator, one_ask(form, "0.25")))
    outcome = feed.apply(translated(translator, one_ask(form, "0.253", kind="update"), 2))
    assert outcome.stale == "row 2: price must be a multiple of 0.01, not '0.253' (str)"
    assert len(om) == 0
    assert feed.apply(translated(translator, one_ask(form, "0.25"))).stale is None
    assert om.best_price("XBT/USD", BUY) == 250
    assert feed.apply(translated(translator, one_ask(form, "0.253", kind="update"), 4)).stale is None


def test_a_spoilt_price_does_not_keep_a_book_from_the_next_snapshot(om: OrderManagement) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1000.2": "5"}))
    feed.apply(book(asks={f"0.{'0' * 20}1": "5"}))
    assert feed.apply(book(snapshot=True, asks={"1000.2": "5"})).stale is None
    assert (om.best_price("X", BUY), feed["X"].instrument.tick_size) == (10_002, "0.1")


def test_a_finer_price_in_a_snapshot_whose_checksum_is_wrong_changes_no_tick(om: OrderManagement) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5"}))
    assert not feed.apply(book(snapshot=True, asks={"1.2000001": "5"}, checksum=7)).applied
    assert feed.apply(book(snapshot=True, asks={"1.2": "5"})).applied
    assert feed["X"].instrument.tick_size == "0.1"
    assert feed.reports()["X"].finer_ticks == 0


def test_a_first_snapshot_that_does_not_fit_the_given_tick_is_not_followed(om: OrderManagement) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    assert feed.apply(book(snapshot=True, asks={"1.25": "5"})).stale is not None
    assert feed.apply(book(snapshot=True, asks={"1.25": "5"})).stale is not None
    assert feed.instrument("X").tick_size == "0.1"


def test_what_a_refused_snapshot_counted_before_it_was_tried_again_is_not_counted_twice(
    om: OrderManagement,
) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True))
    assert feed.apply(book(snapshot=True, asks={"0": "3", "9.9": "0", "1.25": "5"})).applied
    assert (feed.reports()["X"].unholdable, feed.reports()["X"].unknown_deletes) == (1, 1)


def test_zeros_that_a_recorder_lost_are_put_back_where_kraken_says_how_many_there_are() -> None:
    exchange = NaiveExchange("kraken2")
    exchange.books = ({"10.0": "0.10000"}, {"9.0": "2.00000", "8.9": "0.00007"})
    translator = Kraken()
    feed = LevelFeed(OrderManagement(), translator.rule, {})
    pair = '{"symbol":"XBT/USD","price_precision":1,"qty_precision":5}'
    said = f'{{"channel":"instrument","type":"snapshot","data":{{"assets":[],"pairs":[{pair}]}}}}'
    feed.apply(translated(translator, said))
    sent = exchange.snapshot().replace("0.10000", "0.1").replace("10.0", "10").replace("2.00000", "2")
    assert feed.apply(translated(translator, sent.replace("0.00007", "7e-05"))).applied
    assert feed["XBT/USD"].instrument == XBT


@pytest.mark.parametrize("price", ["1e300000000", "1E-300000000", "0e300000000"])
def test_an_exponent_that_would_fill_the_memory_is_no_price(price: str) -> None:
    level = f'{{"price":{price},"qty":1.0}}'
    [message] = kraken_messages(
        f'{{"channel":"book","type":"snapshot","data":[{{"symbol":"XBT/USD","bids":[{level}]}}]}}'
    )
    assert isinstance(message, BookMessage)
    assert message.bids == ((price, "1.0"),)
    stale = follow(OrderManagement(), Kraken()).apply(message).stale
    allowed = "a decimal >= 0 such as '12.5' or '1e-3', with at most 40 digits before and after its point"
    assert stale == f"row 1: price must be {allowed}, not '{price}' (str)"


# ---------------------------------------------------------------------- channels


def as_version_3(sent: str, topic: str = "books") -> str:
    """Write a message of Bitget in the words of version 3."""
    message = json.loads(sent)
    [data] = message["data"]
    numbers = {name: value for name, value in data.items() if name in ("seq", "pseq", "checksum", "ts")}
    levels = {new: [level[:2] for level in data[old]] for new, old in (("a", "asks"), ("b", "bids"))}
    argument = {"instType": "spot", "topic": topic, "symbol": message["arg"]["instId"]}
    return json.dumps({"action": message["action"], "arg": argument, "data": [{**levels, **numbers}]})


@settings(deadline=None)
@given(batches=level_changes, lost=st.integers(0, 25))
def test_version_3_of_bitget_is_followed_by_its_numbers(
    batches: list[list[tuple[int, str, str]]], lost: int
) -> None:
    exchange = NaiveExchange("bitget", numbered=True, depth=400)
    om, bitget = OrderManagement(), Bitget()
    feed = follow(om, bitget)
    feed.apply(translated(bitget, as_version_3(exchange.snapshot())))
    for row, changes in enumerate(batches, 2):
        sent = as_version_3(exchange.update(changes))
        if row == lost:
            continue
        outcome = feed.apply(translated(bitget, sent, row))
        assert outcome.applied is (not 1 < lost < row)
        assert shown(om, exchange.symbol) == (expected(exchange.shown) if outcome.applied else [[], []])


def test_the_message_of_version_3_that_bitget_publishes_is_read() -> None:
    sent = (
        '{"action":"snapshot","arg":{"instType":"spot","topic":"books","symbol":"BTCUSDT"},'
        '"data":[{"a":[["100.2","1.5"]],"b":[],"seq":5,"pseq":0,"ts":"1787727614175"}]}'
    )
    message = translated(Bitget(), sent)
    assert message == BookMessage(
        *(1, 1_787_727_614_175_000_000, "BTCUSDT", True, (("100.2", "1.5"),), ()), sequence=5
    )


def in_channel(form: Format, channel: str) -> str:
    """A snapshot as a channel sends it that sends nothing else: OKX names no action then."""
    exchange = NaiveExchange(form, "X", numbered=True)
    exchange.books = ({"1.2": "5.00000"}, {"1.1": "3.00000"})
    message = json.loads(exchange.snapshot())
    message["arg"]["channel"] = channel
    message["data"][0].pop("checksum")
    if form == "okx":
        del message["action"]
    return json.dumps(message)


@pytest.mark.parametrize(
    ("form", "channel"),
    [
        *(("okx", channel) for channel in ("books5", "bbo-tbt")),
        *(("bitget", channel) for channel in ("books1", "books5", "books15")),
        *(("version 3", channel) for channel in ("books1", "books5", "books15", "books50")),
    ],
)
def test_each_message_of_a_channel_of_the_best_levels_is_the_whole_book(
    form: str, channel: str, om: OrderManagement
) -> None:
    feed = LevelFeed(om, ALTERNATING, XBT)
    translator = Okx() if form == "okx" else Bitget()
    first = in_channel("okx" if form == "okx" else "bitget", channel)
    for sent in (first, first.replace('"1.2"', '"1.3"').replace('"5.00000"', '"7.00000"')):
        outcome = feed.apply(
            translated(translator, as_version_3(sent, channel) if form == "version 3" else sent)
        )
        assert (outcome.applied, outcome.stale) == (True, None)
    assert shown(om, "X") == [[("1.3", "7.00000")], [("1.1", "3.00000")]]
    assert feed.reports()["X"].snapshots == 2


@pytest.mark.parametrize(("form", "channel"), [("okx", "books5"), ("bitget", "books15")])
def test_two_channels_of_one_market_are_two_books(form: Format, channel: str, om: OrderManagement) -> None:
    exchange = NaiveExchange(form, "X")
    exchange.books = ({"1.2": "5.00000", "1.3": "4.00000"}, {})
    translator = translator_of(exchange)
    feed = LevelFeed(om, ALTERNATING, XBT)
    for sent in (exchange.snapshot(), in_channel(form, channel), exchange.update([(0, "1.2", "0")])):
        assert feed.apply(translated(translator, sent)).stale is None
    assert shown(om, "X") == [[("1.3", "4.00000")], []]
    assert shown(om, f"X ({channel})") == [[("1.2", "5.00000")], [("1.1", "3.00000")]]


@pytest.mark.parametrize(
    ("translator", "sent", "says"),
    [
        (
            Okx(),
            '{"arg":{"channel":"books-elp","instId":"X"},"data":[{"asks":[],"bids":[]}]}',
            "channel 'books-elp' is not supported, but only 'books', 'books-l2-tbt', 'books50-l2-tbt', "
            "'books5', 'bbo-tbt'",
        ),
        (
            Bitget(),
            '{"arg":{"instType":"spot","topic":"books500","symbol":"X"},"data":[{"a":[],"b":[]}]}',
            "channel 'books500' is not supported, but only 'books', 'books1', 'books5', 'books15', 'books50'",
        ),
        (
            Kraken(),
            '{"channel":"level3","type":"snapshot","data":[{"symbol":"X"}]}',
            "channel 'level3' is not supported, but only 'book'",
        ),
    ],
)
def test_a_channel_of_books_that_is_not_supported_is_an_error_that_names_it(
    translator: Translator, sent: str, says: str
) -> None:
    with pytest.raises(UnsupportedChannelError) as caught:
        list(translator.translate(parsed(sent), 1, None))
    assert str(caught.value) == says


# ---------------------------------------------------------------------- kraken's depth


def kraken_messages(*sent: str) -> list[LevelMessage]:
    kraken = Kraken()
    return [message for text in sent for message in kraken.translate(parsed(text), 1, None)]


def test_the_depth_is_what_the_answer_to_the_subscription_says() -> None:
    exchange = NaiveExchange("kraken2")
    exchange.books = ({"10.0": "1.0"}, {})
    answer = (
        '{"method":"subscribe","result":{"channel":"book","depth":500,"symbol":"XBT/USD"},"success":true}'
    )
    [first, later] = kraken_messages(answer, exchange.snapshot(), exchange.update([]))
    assert isinstance(first, BookMessage)
    assert isinstance(later, BookMessage)
    assert (first.depth, later.depth) == (500, 500)


@pytest.mark.parametrize(
    ("levels", "depth"), [(1, 10), (10, 10), (11, 25), (26, 100), (101, 500), (501, 1000), (1001, 1001)]
)
def test_the_depth_is_otherwise_the_smallest_in_which_the_snapshot_has_room(levels: int, depth: int) -> None:
    exchange = NaiveExchange("kraken2", depth=5000)
    exchange.books = ({}, {f"{price}.0": "1.0" for price in range(1, levels + 1)})
    [message] = kraken_messages(exchange.snapshot())
    assert isinstance(message, BookMessage)
    assert message.depth == depth


@pytest.mark.parametrize(("channel", "depth"), [("book", 10), ("book-25", 25), ("book-1000", 1000)])
def test_the_first_version_names_the_depth_in_each_message(channel: str, depth: int) -> None:
    [message] = kraken_messages(f'[0, {{"as": [], "bs": []}}, "{channel}", "XBT/USD"]')
    assert isinstance(message, BookMessage)
    assert message.depth == depth


def test_the_last_of_several_amounts_of_one_price_counts() -> None:
    sent = '[0, {"a": [["1.5", "1.0", "1.1"], ["1.5", "3.0", "1.2"]]}, {"b": [], "c": "1"}, "book-10", "X"]'
    om = OrderManagement()
    feed = follow(om, Kraken())
    [update] = kraken_messages(sent)
    assert isinstance(update, BookMessage)
    feed.apply(update._replace(snapshot=True, checksum=None))
    assert om.depth("X", BUY)[0][:2] == (15, 300_000)


# ---------------------------------------------------------------------- one book


def book(*, snapshot: bool = False, asks: Texts | None = None, **more: object) -> BookMessage:
    message = BookMessage(1, 0, "X", snapshot, tuple((asks or {}).items()), (("1.0", "2"),))
    return message._replace(**more)  # type: ignore[arg-type] # fields of any type


@pytest.fixture
def om() -> OrderManagement:
    return OrderManagement()


@pytest.fixture
def feed(om: OrderManagement) -> LevelFeed:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5", "1.3": "4"}, sequence=10))
    return feed


def test_before_the_first_snapshot_nothing_is_followed(om: OrderManagement) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    outcome = feed.apply(book(asks={"1.2": "5"}))
    assert (outcome.applied, outcome.stale) == (False, "no snapshot has been seen")
    assert len(om) == 0
    assert feed.reports()["X"].ignored == 1
    for symbol in ("X", "never heard of"):
        with pytest.raises(StaleBookError, match="no snapshot has been seen"):
            feed[symbol]


def test_a_level_has_one_order_whose_id_stays_while_the_level_does(
    om: OrderManagement, feed: LevelFeed
) -> None:
    feed.apply(book(asks={"1.2": "7", "1.4": "1"}))
    assert list(om.orders("X", BUY)) == [
        Order(1, "X", BUY, 7, 12),
        Order(2, "X", BUY, 4, 13),
        Order(4, "X", BUY, 1, 14),
    ]
    feed.apply(book(asks={"1.2": "0"}))
    feed.apply(book(asks={"1.2": "3"}))
    assert om.orders("X", BUY)[0] == Order(5, "X", BUY, 3, 12)


def test_a_reader_never_sees_half_a_message(om: OrderManagement, feed: LevelFeed) -> None:
    sizes: list[int] = []
    om.subscribe(lambda event: sizes.append(len(om)))
    feed.apply(book(asks={"1.2": "0", "1.3": "0", "1.4": "1", "1.5": "1"}))
    assert sizes == [3] * len(sizes)
    assert sizes


def test_a_deletion_of_a_level_that_is_not_there_is_counted(om: OrderManagement, feed: LevelFeed) -> None:
    before = om.state_hash()
    assert feed.apply(book(asks={"9.9": "0", "9.8": "0.000"})).applied
    assert (feed.reports()["X"].unknown_deletes, om.state_hash()) == (2, before)


def test_a_crossed_book_is_followed_and_counted(om: OrderManagement, feed: LevelFeed) -> None:
    feed.apply(book(asks={"0.9": "5"}))
    assert (om.best_price("X", BUY), om.best_price("X", SELL)) == (9, 10)
    assert (feed.reports()["X"].crossed, feed["X"].buy) == (1, (9, 5))


def test_a_level_at_price_zero_counts_for_the_checksum_but_rests_nowhere(om: OrderManagement) -> None:
    exchange = NaiveExchange("okx")
    exchange.books = ({"1.2": "5"}, {"0.0": "7"})
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    assert feed.apply(translated(Okx(), exchange.snapshot())).applied
    assert [order.side for order in om] == [BUY]
    assert feed.reports()[exchange.symbol].unholdable == 1


@pytest.mark.parametrize(
    ("price", "amount"),
    [("1.25", "5"), ("1e99", "5"), ("-1.0", "5"), ("1.2", "0.5"), ("", "5"), ("1.2", "9" * 20)],
)
def test_what_no_book_can_hold_makes_it_stale_and_the_rest_of_its_message_is_not_applied(
    om: OrderManagement, feed: LevelFeed, price: str, amount: str
) -> None:
    outcome = feed.apply(book(asks={"1.3": "1", price: amount}))
    assert not outcome.applied
    assert outcome.stale is not None
    assert outcome.stale.startswith("row 1: ")
    assert len(om) == 0
    assert feed.reports()["X"].rejected == 1


@pytest.mark.parametrize(
    ("sequence", "previous", "why"),
    [
        (12, 11, "row 1 follows message 11, but the last one is 10"),
        (10, None, "row 1 is message 10, after 10"),
        (9, None, "row 1 is message 9, after 10"),
    ],
)
def test_a_message_that_does_not_follow_the_last_one_makes_the_book_stale(
    feed: LevelFeed, sequence: int, previous: int | None, why: str
) -> None:
    assert feed.apply(book(sequence=sequence, previous=previous)).stale == why
    assert (feed.reports()["X"].gaps, feed.reports()["X"].stale) == (1, why)


@pytest.mark.parametrize(("sequence", "previous"), [(11, 10), (10, 10), (3, 10), (500, None), (None, None)])
def test_numbers_that_follow_are_no_gap(feed: LevelFeed, sequence: int | None, previous: int | None) -> None:
    # The second is a sign of life, the third what OKX sends when its numbers begin anew.
    assert feed.apply(book(sequence=sequence, previous=previous)).applied


def test_a_checksum_of_zero_is_none_where_messages_are_numbered() -> None:
    exchange = NaiveExchange("okx", numbered=True)
    sent = exchange.snapshot().replace(str(exchange.crc()), "0")
    message = translated(Okx(), sent)
    assert isinstance(message, BookMessage)
    assert message.checksum is None
    exchange.numbered = False
    message = translated(Okx(), exchange.snapshot().replace(str(exchange.crc()), "0"))
    assert isinstance(message, BookMessage)
    assert message.checksum == 0


def test_orders_of_others_are_left_alone_and_their_ids_are_not_taken(om: OrderManagement) -> None:
    mine = Order(2, "X", BUY, 9, 12)
    om.add_orders([mine])
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5", "1.3": "4"}))
    assert sorted(order.order_id for order in om) == [1, 2, 3, 4]
    feed.apply(book(checksum=1))
    assert list(om) == [mine]


def test_what_somebody_traded_away_comes_back_with_the_next_word_on_its_level(
    om: OrderManagement, feed: LevelFeed
) -> None:
    om.place_trade("X", BUY, 5)
    feed.apply(book(asks={"1.3": "6"}))
    assert [level[:2] for level in om.depth("X", BUY)] == [(13, 6)]
    feed.apply(book(asks={"1.2": "5"}))
    assert [level[:2] for level in om.depth("X", BUY)] == [(12, 5), (13, 6)]
    om._check()


def test_a_change_that_the_books_refuse_leaves_the_symbol_stale_until_a_snapshot(
    om: OrderManagement, feed: LevelFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*order: object) -> None:
        raise OSError("the disk is full")

    before = om.state_hash()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(om, "add_order", refuse)
        feed.apply(book(asks={"1.2": "0", "1.5": "9"}))
    assert om.state_hash() == before
    with pytest.raises(StaleBookError, match="could not be changed"):
        feed["X"]
    feed.apply(book(snapshot=True, asks={"1.6": "1"}))
    assert [level[:2] for level in om.depth("X", BUY)] == [(16, 1)]
    om._check()


def test_ticks_and_lots_come_from_the_caller_or_else_from_the_feed(om: OrderManagement) -> None:
    feed = LevelFeed(om, ALTERNATING, {"Y": Instrument("0.5", "1")})
    with pytest.raises(InvalidArgumentError, match="symbol must be one whose Instrument is known, not 'X'"):
        feed.apply(book(snapshot=True))
    feed.apply(InstrumentMessage(1, 0, "X", "0.1", "1"))
    feed.apply(InstrumentMessage(1, 0, "Y", "0.1", "1"))
    assert feed.apply(book(snapshot=True)).applied
    assert (feed["X"].instrument.tick_size, feed.instrument("Y").tick_size) == ("0.1", "0.5")


def test_a_trade_is_told_on_and_changes_no_book(om: OrderManagement, feed: LevelFeed) -> None:
    before = om.state_hash()
    trade = TradeMessage(2, 5, "X", BUY, "1.2", "3")
    assert feed.apply(trade) == (trade, True, None)
    assert feed.apply(trade._replace(symbol="Z")).stale == "no snapshot has been seen"
    assert (feed.reports()["X"].trades, feed.symbols, om.state_hash()) == (1, ("X",), before)


def trades_sent() -> Iterator[tuple[Translator, str]]:
    argument = '"arg":{"instType":"sp","channel":"trade","instId":"X"}'
    yield (
        Okx(),
        (
            '{"arg":{"channel":"trades","instId":"X"},'
            '"data":[{"px":"1.2","sz":"3","side":"sell","ts":"1500"}]}'
        ),
    )
    yield Bitget(), f'{{"action":"update",{argument},"data":[["1500","1.2","3","sell"]]}}'
    yield (
        Bitget(),
        (f'{{"action":"update",{argument},"data":[{{"ts":"1500","price":"1.2","size":"3","side":"sell"}}]}}'),
    )
    yield (
        Bitget(),
        '{"action":"update","arg":{"instType":"spot","topic":"publicTrade","symbol":"X"},'
        '"data":[{"i":"9","p":"1.2","v":"3","S":"sell","T":"1500"}]}',
    )
    yield Kraken(), '[7,[["1.2","3","1.5","s","l",""]],"trade","X"]'
    yield (
        Kraken(),
        (
            '{"channel":"trade","type":"update","data":[{"symbol":"X","side":"sell","price":1.2,"qty":3,'
            '"timestamp":"1970-01-01T00:00:01.500000Z"}]}'
        ),
    )


@pytest.mark.parametrize(("translator", "sent"), list(trades_sent()))
def test_the_trades_of_every_feed_say_the_same(translator: Translator, sent: str) -> None:
    assert translated(translator, sent) == TradeMessage(1, 1_500_000_000, "X", SELL, "1.2", "3")


def test_markets_of_bitget_that_share_a_name_are_books_of_their_own() -> None:
    bitget, exchange = Bitget(), NaiveExchange("bitget", "BTCUSDT")
    spot = exchange.snapshot()
    futures = spot.replace('"sp"', '"mc"')
    symbols = [translated(bitget, sent).symbol for sent in (spot, futures, spot, futures)]
    assert symbols == ["BTCUSDT", "BTCUSDT (mc)"] * 2


@pytest.mark.parametrize("translator", [Okx(), Bitget(), Kraken()])
@pytest.mark.parametrize(
    "sent",
    [
        '{"event":"subscribe","arg":{"channel":"books","instId":"X"}}',
        '{"event":"heartbeat"}',
        '{"channel":"heartbeat"}',
        '{"channel":"status","type":"update","data":[{"system":"online"}]}',
        '{"method":"pong","time_in":"x"}',
        '{"event":"systemStatus","status":"online","version":"1.9.6"}',
        '{"arg":{"channel":"tickers","instId":"X"},"data":[{"last":"1"}]}',
        '{"action":"snapshot","arg":{"instType":"sp","channel":"ticker","instId":"X"},"data":[{}]}',
        '{"action":"snapshot","arg":{"instType":"UTA","topic":"account"},"data":[{}]}',
        '{"arg":{"channel":"status"},"data":[{}]}',
        '{"arg":{},"data":[{}]}',
        '{"channel":"trade","type":"snapshot","data":[{"symbol":"X"}]}',
        '[320,{"a":["1.0",1,"1.0"]},"ticker","X"]',
        "[]",
        "[1,2]",
        "7",
        '"text"',
        "null",
    ],
)
def test_what_is_about_no_book_is_no_message(translator: Translator, sent: str) -> None:
    assert list(translator.translate(parsed(sent), 1, None)) == []
