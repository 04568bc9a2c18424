"""Own orders in a replayed market: each fill is notified once, and the recorded orders stay as recorded."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import (
    Event,
    Order,
    OrderAdded,
    OrderAmended,
    OrderManagement,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Side,
    TradePlaced,
)
from oms.feeds import Kind, Message, Replay, Report, lobster, replay
from support.recordings import AAPL, AAPL_BOOK, needs_recordings
from support.slow_exchange import SlowExchange

BUY, SELL = Side.BUY, Side.SELL
FIRST_OWN = 10**15


class Listener:
    """A subscriber that tracks own orders, their filled amount, and a running hash of all other orders."""

    def __init__(self, om: OrderManagement, is_own: Callable[[int], bool]) -> None:
        self.om = om
        self.is_own = is_own
        self.own: dict[int, Order] = {}
        self.others: dict[int, Order] = {}
        self.hash = 0
        self.filled = 0
        self.bot_acts = False
        self.swept = 0
        om.subscribe(self.on_event)

    def on_event(self, event: Event) -> None:
        match event:
            case OrderAdded(order=order) | OrderAmended(after=order):
                assert self.bot_acts or not self.is_own(order.order_id)
                self.put(order)
            case OrderRemoved(order=order):
                assert self.bot_acts or not self.is_own(order.order_id)
                self.put(order._replace(amount=0))
            case OrdersAdded(orders=orders):
                for order in orders:
                    self.put(order)
            case OrdersRemoved(orders=orders):
                for order in orders:
                    self.put(order._replace(amount=0))
            case TradePlaced(trade=trade):
                own = sum(fill.amount for fill in trade.fills if self.is_own(fill.order_id))
                assert own <= trade.amount
                self.filled += own
                self.swept += trade.amount
                for fill in trade.fills:
                    order = (self.own if self.is_own(fill.order_id) else self.others)[fill.order_id]
                    assert fill.amount <= order.amount
                    self.put(order._replace(amount=order.amount - fill.amount))
            case _:
                raise AssertionError(event)

    def put(self, order: Order) -> None:
        table = self.own if self.is_own(order.order_id) else self.others
        before = table.pop(order.order_id, None)
        if table is self.others and before is not None:
            self.hash ^= hash(before)
        if order.amount:
            table[order.order_id] = order
            if table is self.others:
                self.hash ^= hash(order)


class Bot:
    """A bot that adds, amends, and removes random own orders around the best prices."""

    def __init__(self, om: OrderManagement, listener: Listener, ids: Iterator[int], seed: int) -> None:
        self.om, self.listener, self.ids, self.random = om, listener, ids, random.Random(seed)
        self.added = 0

    def act(self, most: int) -> None:
        self.listener.bot_acts = True
        for _ in range(self.random.randint(0, most)):
            self.change()
        self.listener.bot_acts = False

    def change(self) -> None:
        own = list(self.listener.own.values())
        draw = self.random.random()
        if draw < 0.6 and len(own) < 12:
            self.add()
        elif own and draw < 0.8:
            order = self.random.choice(own)
            amount = self.random.randint(1, 60)
            self.om.amend_order(order.order_id, amount=amount, price=self.price(order.side))
        elif own:
            self.om.remove_order(self.random.choice(own).order_id)

    def add(self) -> None:
        side = self.random.choice((BUY, SELL))
        order_id = next(self.ids)
        self.om.add_order(order_id, "X", side, self.random.choice((1, 7, 30, 300)), self.price(side))
        self.added += 1

    def price(self, side: Side) -> int:
        best = self.om.best_price("X", side) or 500
        return max(1, best + self.random.choice((-300, -1, 0, 0, 0, 1, 2, 100)))


def hashes_without(recording: Iterable[Message], ignore: Iterable[int] = ()) -> tuple[list[int], Report]:
    om = OrderManagement()
    listener, hashes = Listener(om, lambda _: False), list[int]()
    report = replay(recording, om, symbol="X", ignore=ignore, on_event=lambda _: hashes.append(listener.hash))
    return hashes, report


def compare(
    recording: Iterable[Message],
    ids: Iterator[int],
    is_own: Callable[[int], bool],
    seed: int,
    most: int,
    ignore: Iterable[int] = (),
) -> tuple[Listener, Report]:
    """Replay with a bot, and compare every step with a replay without one."""
    expected, plain = hashes_without(recording, ignore)
    om = OrderManagement()
    listener = Listener(om, is_own)
    bot = Bot(om, listener, ids, seed)
    steps = iter(expected)

    def on_event(_: tuple[Message, ...]) -> None:
        assert listener.hash == next(steps)
        bot.act(most)

    report = replay(recording, om, symbol="X", ignore=ignore, on_event=on_event)
    om._check()
    assert next(steps, None) is None
    own = {order.order_id: order for order in om if is_own(order.order_id)}
    assert own == listener.own
    assert report.own_amount == listener.filled <= listener.swept
    as_plain = {name: getattr(report, name) for name in report.__slots__ if not name.startswith("own_")}
    assert as_plain == {name: getattr(plain, name) for name in as_plain}
    return listener, report


@pytest.mark.parametrize("seed", range(6))
def test_the_orders_of_a_long_session_stay_as_recorded_with_any_orders_of_a_bot(
    tmp_path: Path, seed: int
) -> None:
    session = SlowExchange(seed, rows=1_000)
    path = tmp_path / "m.csv"
    path.write_text("\n".join(session.rows))
    recording = lobster.read(path)
    recorded = {message.order_id for message in recording}
    free = [n for n in range(max(recorded)) if n not in recorded]
    random.Random(seed).shuffle(free)
    ids = iter(free + list(range(FIRST_OWN, FIRST_OWN + 5_000)))
    listener, report = compare(
        recording, ids, lambda n: n not in recorded, seed, most=3, ignore=session.canceled_out_of_view_ids
    )
    assert report.own_fills > 20
    assert listener.filled == report.own_amount > 100


@needs_recordings
def test_the_orders_of_a_recorded_half_hour_stay_as_recorded() -> None:
    recording = lobster.read(AAPL)
    recorded = {message.order_id for message in recording}
    ids = (n for n in count(1, 200) if n not in recorded)  # below and between the recorded ids
    listener, report = compare(recording, ids, lambda n: n not in recorded, seed=1, most=1)
    assert report.own_fills > 400
    assert (report.trades, report.trades_equal_cost, report.trades_equal_fills) == (1_665, 1_665, 1_662)
    assert listener.swept == sum(message.amount for message in recording if message.kind is Kind.EXECUTED)


@needs_recordings
def test_best_price_states_are_compared_without_own_orders() -> None:
    om, ids = OrderManagement(), count(FIRST_OWN)

    def rest(messages: tuple[Message, ...]) -> None:
        if messages[-1].row % 100 == 0:
            for order in om.orders("X"):
                if order.order_id >= FIRST_OWN:
                    om.remove_order(order.order_id)
            for side in Side:
                om.add_order(
                    next(ids), "X", side, 5, (om.best_price("X", side) or 1) + (-1 if side is BUY else 1)
                )

    report = replay(lobster.read(AAPL), om, symbol="X", book=AAPL_BOOK, on_event=rest)
    assert (report.states, report.states_equal) == (13_082, 13_082)
    assert report.own_fills > 50
    assert report.agrees


@given(st.integers(0, 10**6), st.integers(1, 4))
@settings(max_examples=15)
def test_no_bot_is_notified_of_more_fills_than_its_orders_had(seed: int, most: int) -> None:
    om, messages = OrderManagement(), list[Message]()
    rng = random.Random(seed)
    for row in range(1, 80):  # a random session, in which executions may be out of priority
        side = rng.choice((BUY, SELL))
        resting = om.orders("X", side)
        if resting and rng.random() < 0.5:
            order = rng.choice(resting[:3])
            reduction = rng.randint(1, order.amount)
            kind = rng.choice((Kind.EXECUTED, Kind.EXECUTED, Kind.REDUCED))
            if reduction == order.amount:
                om.remove_order(order.order_id)
            else:
                om.amend_order(order.order_id, amount=order.amount - reduction)
            time = row // 3 * 3  # consecutive executions at the same time are one sweep
            messages.append(Message(row, time, kind, order.order_id, side, reduction, order.price))
        else:
            new = Order(2 * row, "X", side, rng.randint(1, 30), 500 + rng.randint(0, 4))
            om.add_order(*new)
            messages.append(
                Message(row, row // 3 * 3, Kind.SUBMITTED, new.order_id, side, new.amount, new.price)
            )
    ids = iter(random.Random(seed + 1).sample(range(1, 2_001, 2), 1_000))  # the bot uses odd ids
    compare(messages, ids, lambda n: n % 2 == 1, seed, most)


# ---------------------------------------------------------------------- one case at a time

NEW = Message(1, 1, Kind.SUBMITTED, 7, BUY, 100, 1_000)
BID = Message(2, 2, Kind.SUBMITTED, 9, SELL, 30, 900)


def executed(row: int, amount: int = 10, order_id: int = 7) -> Message:
    return Message(row, row, Kind.EXECUTED, order_id, BUY, amount, 1_000)


def fills_of(om: OrderManagement, order_id: int) -> list[int]:
    amounts: list[int] = []

    def on_event(event: Event) -> None:
        if isinstance(event, TradePlaced):
            amounts.extend(fill.amount for fill in event.trade.fills if fill.order_id == order_id)

    om.subscribe(on_event)
    return amounts


def rest_after(om: OrderManagement, row: int, *order: object) -> Callable[[tuple[Message, ...]], None]:
    def bot(messages: tuple[Message, ...]) -> None:
        if messages[-1].row == row:
            om.add_order(*order)  # type: ignore[arg-type]  # the tests pass the arguments of an order

    return bot


def test_an_own_order_is_filled_once_and_the_recording_still_agrees() -> None:
    om = OrderManagement()
    filled = fills_of(om, 900)
    messages = [NEW, BID, *(executed(row) for row in range(3, 8))]
    report = replay(messages, om, symbol="X", on_event=rest_after(om, 2, 900, "X", BUY, 6, 999))
    assert filled == [6]
    assert 900 not in om
    assert om.get_order(7).amount == 50
    assert (report.own_fills, report.own_amount) == (1, 6)
    assert (report.trades, report.trades_equal_cost, report.trades_equal_fills) == (5, 5, 5)
    assert report.agrees
    assert report.remarks == ("not in the recording: 1 fill of your own orders, with a total amount of 6",)


def test_an_own_order_behind_recorded_orders_is_filled_after_them() -> None:
    om = OrderManagement()
    filled = fills_of(om, 900)
    messages = [NEW, executed(2, 60), executed(3, 40)]
    replay(messages, om, symbol="X", on_event=rest_after(om, 1, 900, "X", BUY, 6, 1_000))
    assert filled == []
    assert om.get_order(900).amount == 6


def test_an_own_order_that_crosses_the_book_does_not_count_as_a_crossed_recording() -> None:
    om = OrderManagement()
    messages = [NEW, BID, executed(3)]
    report = replay(messages, om, symbol="X", on_event=rest_after(om, 2, 900, "X", SELL, 6, 2_000))
    assert report.crossed == 0


def test_an_order_that_rested_before_the_replay_is_an_own_order() -> None:
    om = OrderManagement()
    om.add_order(900, "X", BUY, 6, 999)
    filled = fills_of(om, 900)
    report = replay([NEW, BID, executed(3), executed(4)], om, symbol="X")
    assert (filled, report.own_amount, report.agrees) == ([6], 6, True)


def test_the_id_of_a_filled_own_order_may_occur_again_in_the_recording() -> None:
    om = OrderManagement()
    om.add_order(900, "X", BUY, 6, 999)
    again = Message(4, 4, Kind.SUBMITTED, 900, BUY, 5, 999)
    filled = Message(5, 5, Kind.EXECUTED, 900, BUY, 5, 999)
    report = replay([NEW, BID, executed(3), again, filled], om, symbol="X")
    assert (report.own_fills, report.own_amount, report.trades_equal_fills) == (1, 6, 2)


def test_the_second_part_of_a_recording_continues_with_the_orders_of_the_first() -> None:
    om = OrderManagement()
    replay([NEW, BID], om, symbol="X")
    report = replay([executed(3), executed(4)], om, symbol="X", unknown="skip")
    assert (om.get_order(7).amount, report.own_fills, report.trades_equal_fills) == (80, 0, 2)


@pytest.mark.parametrize("kind", [Kind.REDUCED, Kind.DELETED, Kind.EXECUTED, Kind.CHANGED])
def test_a_message_with_the_id_of_an_own_order_does_not_change_that_order(kind: Kind) -> None:
    om = OrderManagement()
    messages = [
        NEW,
        Message(2, 2, Kind.SUBMITTED, 900, BUY, 4, 1_001),
        Message(3, 3, kind, 900, BUY, 4, 1_001),
    ]
    report = replay(
        messages, om, symbol="X", unknown="skip", on_event=rest_after(om, 1, 900, "X", BUY, 6, 999)
    )
    assert om.get_order(900) == Order(900, "X", BUY, 6, 999)
    assert report.rejections == {"the id belongs to one of your own orders": 2}


@pytest.mark.parametrize("last", [executed(3, 100), Message(3, 3, Kind.DELETED, 7, BUY, 100, 1_000)])
@pytest.mark.parametrize("traded", [4, 100])
def test_a_trade_of_a_bot_against_a_recorded_order_is_not_a_disagreement(traded: int, last: Message) -> None:
    om = OrderManagement()

    def bot(messages: tuple[Message, ...]) -> None:
        if messages[-1].row == 1:
            om.place_trade("X", BUY, traded)

    report = replay([NEW, last], om, symbol="X", on_event=bot)
    assert len(om) == 0
    assert (report.rejections, report.contradictions, report.agrees) == ({}, {}, True)
    assert (report.trades, report.taken_from) == (0, 1)
    assert report.remarks == (
        "something other than the replay changed 1 order in the recording; "
        "trades with these orders are not compared",
    )


def test_a_recorded_reduction_does_not_restore_an_amount_that_a_bot_traded() -> None:
    om = OrderManagement()

    def bot(messages: tuple[Message, ...]) -> None:
        if messages[-1].row == 1:
            om.place_trade("X", BUY, 40)

    reduced = [Message(row, row, Kind.REDUCED, 7, BUY, 30, 1_000) for row in (2, 3)]
    amounts: list[int] = []

    def watch(messages: tuple[Message, ...]) -> None:
        bot(messages)
        amounts.append(om.get_order(7).amount)

    replay([NEW, *reduced], om, symbol="X", on_event=watch)
    assert amounts == [60, 60, 40]


def test_subscribers_never_see_a_half_applied_sweep() -> None:
    om = OrderManagement()
    seen: list[list[tuple[int, int]]] = []
    om.subscribe(lambda _: seen.append([(order.order_id, order.amount) for order in om]))
    replay([NEW, executed(2)], om, symbol="X", on_event=rest_after(om, 1, 900, "X", BUY, 6, 999))
    assert seen[-2:] == [
        [(7, 90)],
        [(7, 90)],
    ]  # after the trade, and after the correction of the order that the exchange filled for more


def test_a_subscriber_that_raises_does_not_leave_a_half_applied_sweep() -> None:
    om = OrderManagement()

    def fail(event: Event) -> None:
        if isinstance(event, TradePlaced):
            raise RuntimeError("an error of a bot")  # noqa: TRY004 - the type does not matter

    om.subscribe(fail)
    with pytest.raises(RuntimeError):
        replay([NEW, executed(2)], om, symbol="X", on_event=rest_after(om, 1, 900, "X", BUY, 6, 999))
    assert [(order.order_id, order.amount) for order in om] == [(7, 90)]


@pytest.mark.parametrize("keep", [True, False])
def test_own_orders_are_recognized_inside_a_transaction(keep: bool) -> None:
    om = OrderManagement()
    filled = fills_of(om, 900)
    messages = [NEW, BID, executed(3), executed(4), executed(5)]
    run = Replay(messages, om, symbol="X")
    context = om.transaction() if keep else om.what_if()
    with context:
        for step in run:
            rest_after(om, 2, 900, "X", BUY, 16, 999)(step)
            if step[-1].row == 4:
                break
        assert om.get_order(7).amount == 80
        assert 900 not in om
    assert filled == ([10, 6] if keep else [])
    if keep:
        assert len(list(run)) == 1
        assert om.get_order(7).amount == 70
        assert (run.report().own_amount, run.report().trades_equal_fills) == (16, 3)


def test_an_own_order_that_was_rolled_back_does_not_affect_later_steps() -> None:
    om = OrderManagement()
    run = iter(Replay([NEW, BID, executed(3), executed(4)], om, symbol="X", unknown="skip"))
    next(run)
    with suppress(KeyError), om.transaction():
        om.add_order(900, "X", BUY, 6, 999)
        next(run)
        raise KeyError
    om.add_order(901, "X", BUY, 6, 999)
    om.add_order(902, "X", BUY, 6, 999)
    assert [om.get_order(7).amount for _ in run] == [90, 80]


def test_an_own_order_after_a_step_that_was_rolled_back_is_recognized() -> None:
    om = OrderManagement()
    run = Replay([NEW, BID, executed(3), executed(4)], om, symbol="X", unknown="skip")
    steps = iter(run)
    next(steps)
    with om.what_if():
        next(steps)
    om.add_order(900, "X", SELL, 6, 2000)  # now the sequence number is that of the step rolled back
    assert len(list(steps)) == 2
    assert run.report().crossed == 0


def test_an_order_from_before_the_replay_counts_as_recorded_from_its_first_message_on() -> None:
    om = OrderManagement()
    om.add_order(5, "X", BUY, 1, 800)
    too_much = Message(3, 3, Kind.REDUCED, 5, BUY, 99, 800)  # rejected, so the books do not change
    run = Replay([NEW, BID, too_much], om, symbol="X", unknown="skip")
    crossed = [run.report().crossed for _ in run]
    assert crossed == [0, 0, 1]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_an_own_order_in_the_transaction_in_which_the_replay_began_is_recognized(side: Side) -> None:
    om = OrderManagement()
    with om.transaction():
        om.add_order(1, "Y", BUY, 1, 1)
        halt = Message(1, 1, Kind.HALT, 0, BUY, 0, 0)
        run = Replay([halt, NEW, BID, executed(3), executed(4)], om, symbol="X")
        steps = iter(run)
        next(steps)
        om.add_order(900, "X", side, 6, 999 if side is BUY else 2000)
        assert len(list(steps)) == 4
    assert run.report().crossed == 0
    assert run.report().own_amount == (6 if side is BUY else 0)


def test_a_replay_subscribes_after_the_first_other_change_and_until_it_ends_or_is_closed() -> None:
    om = OrderManagement()
    callbacks = om._ledger.subscribers.callbacks
    own = count(900)

    def on_event(messages: tuple[Message, ...]) -> None:
        assert len(callbacks) == (messages[0].row > 1)
        om.add_order(next(own), "X", BUY, 6, 5000)

    replay([NEW, BID], om, symbol="X", on_event=on_event)
    assert not callbacks
    run = Replay([BID._replace(order_id=17), BID._replace(order_id=18), BID], om, symbol="Y", unknown="skip")
    steps = iter(run)
    next(steps)
    om.add_order(next(own), "X", BUY, 6, 5000)
    next(steps)
    assert len(callbacks) == 1
    run.close()
    assert list(run) == []
    assert not callbacks
    with pytest.raises(ZeroDivisionError):
        replay([NEW], om, symbol="Z", on_event=lambda _: 1 // 0)
    assert not callbacks
