"""A replay applies the messages of a feed, and counts and skips messages that it cannot apply."""

from __future__ import annotations

from typing import cast

import pytest

from oms import Instrument, InvalidArgumentError, InvalidOrderError, Order, OrderManagement, Side
from oms.feeds import FeedError, Kind, Message, Replay, Unknown, UnknownOrderError, lobster, replay

BUY, SELL = Side.BUY, Side.SELL
NEW = Message(1, 1, Kind.SUBMITTED, 7, BUY, 10, 100)


def about(kind: Kind, amount: int = 0, *, row: int = 2, order_id: int = 7, side: Side = BUY) -> Message:
    return Message(row, row, kind, order_id, side, amount, 100)


def after(*messages: Message) -> tuple[list[tuple[int, int]], dict[str, int]]:
    """Return the resting orders and the rejections after a replay of these messages."""
    om = OrderManagement()
    report = replay(messages, om, symbol="X", unknown="skip")
    om._check()
    assert report.rejected == sum(report.rejections.values())
    return [(order.order_id, order.amount) for order in om], report.rejections


@pytest.mark.parametrize("kind", [Kind.SUBMITTED, Kind.CREATED])
def test_a_new_order_is_added_to_the_book(kind: Kind) -> None:
    om = OrderManagement()
    replay([about(kind, 10, side=SELL)], om, symbol="X", unknown="skip")
    assert list(om) == [Order(7, "X", SELL, 10, 100)]


def test_a_partial_cancellation_reduces_the_order() -> None:
    assert after(NEW, about(Kind.REDUCED, 4)) == ([(7, 6)], {})


def test_a_cancellation_of_the_whole_amount_removes_the_order() -> None:
    assert after(NEW, about(Kind.REDUCED, 10)) == ([], {})


@pytest.mark.parametrize("amount", [11, 0, -1])
def test_a_cancellation_of_too_much_or_of_nothing_is_rejected(amount: int) -> None:
    rejections = {"the cancellation exceeds the resting amount or is less than 1 lot": 1}
    assert after(NEW, about(Kind.REDUCED, amount)) == ([(7, 10)], rejections)


@pytest.mark.parametrize("amount", [4, 10, 25])
def test_a_change_sets_the_new_amount(amount: int) -> None:
    assert after(NEW, about(Kind.CHANGED, amount)) == ([(7, amount)], {})


def test_a_change_to_zero_removes_the_order() -> None:
    assert after(NEW, about(Kind.CHANGED, 0)) == ([], {})


@pytest.mark.parametrize("amount", [-1, 2**63])
def test_a_change_to_an_invalid_amount_is_rejected(amount: int) -> None:
    assert after(NEW, about(Kind.CHANGED, amount)) == (
        [(7, 10)],
        {"the new amount is invalid": 1},
    )


@pytest.mark.parametrize("amount", [3, 10, 11])
def test_a_deletion_with_a_wrong_amount_removes_the_order_and_counts_as_a_contradiction(amount: int) -> None:
    om = OrderManagement()
    report = replay([NEW, about(Kind.DELETED, amount)], om, symbol="X")
    assert (len(om), report.rejected) == (0, 0)
    expected = {} if amount == 10 else {"the deleted amount is not the resting amount": 1}
    assert report.contradictions == expected


def test_a_bitstamp_deletion_with_a_remaining_amount_is_not_a_contradiction() -> None:
    created, deleted = about(Kind.CREATED, 10, row=1), about(Kind.DELETED, 3)
    report = replay([created, deleted], OrderManagement(), symbol="X", unknown="skip")
    assert report.contradictions == {}


@pytest.mark.parametrize("kind", [Kind.HIDDEN, Kind.CROSS, Kind.HALT])
def test_hidden_trades_auctions_and_halts_are_counted_but_do_not_change_the_book(kind: Kind) -> None:
    om = OrderManagement()
    report = replay([NEW, about(kind, 5)], om, symbol="X")
    assert list(om) == [Order(7, "X", BUY, 10, 100)]
    assert (report.events, report.kinds) == (2, {"submitted": 1, str(kind): 1})
    assert (report.unknown, report.rejected, report.trades) == (0, 0, 0)


@pytest.mark.parametrize(
    "order",
    [
        Message(2, 2, Kind.SUBMITTED, 8, BUY, 10, 0),
        Message(2, 2, Kind.SUBMITTED, 8, BUY, 0, 100),
        Message(2, 2, Kind.SUBMITTED, 8, BUY, 2**63, 100),
        Message(2, 2, Kind.SUBMITTED, -1, BUY, 10, 100),
        Message(2, 2, Kind.CREATED, 8, SELL, 10, 0),
    ],
)
def test_an_invalid_order_is_rejected(order: Message) -> None:
    assert after(NEW, order) == ([(7, 10)], {"the id, amount, or price is invalid": 1})


def test_a_submission_with_the_id_of_a_resting_order_is_rejected() -> None:
    assert after(NEW, about(Kind.SUBMITTED, 99)) == (
        [(7, 10)],
        {"an order with this id is already resting": 1},
    )


def test_the_id_of_a_removed_order_can_be_used_again() -> None:
    assert after(NEW, about(Kind.DELETED), about(Kind.SUBMITTED, 3)) == ([(7, 3)], {})


@pytest.mark.parametrize("before", [(), (NEW,)])
def test_an_order_created_after_its_deletion_is_rejected(before: tuple[Message, ...]) -> None:
    rejections = {"the order was created after its removal": 1}
    assert after(*before, about(Kind.DELETED), about(Kind.CREATED, 3)) == ([], rejections)


def test_a_message_about_a_removed_order_is_rejected_but_not_counted_as_unknown() -> None:
    messages = [NEW, about(Kind.EXECUTED, 10), about(Kind.DELETED, row=3), about(Kind.CHANGED, 4, row=4)]
    om = OrderManagement()
    report = replay(messages, om, symbol="X", unknown="raise")
    assert report.rejections == {"the order was already removed": 2}
    assert (report.unknown, len(om)) == (0, 0)


@pytest.mark.parametrize("late", [Kind.REDUCED, Kind.CHANGED, Kind.EXECUTED, Kind.DELETED])
def test_a_message_about_a_rejected_order_is_rejected_but_not_counted_as_unknown(late: Kind) -> None:
    messages = [about(Kind.SUBMITTED, 0), about(late, 1, row=3)]
    report = replay(messages, OrderManagement(), symbol="X", unknown="raise")
    assert report.rejections == {
        "the id, amount, or price is invalid": 1,
        "the submission of the order was rejected": 1,
    }
    assert report.unknown == 0


def test_a_rejected_order_can_be_created_again_unless_it_was_deleted() -> None:
    dust = Message(1, 1, Kind.CREATED, 7, BUY, 10, 0)
    rejections = {"the id, amount, or price is invalid": 1}
    assert after(dust, about(Kind.CREATED, 4)) == ([(7, 4)], rejections)
    assert after(dust, about(Kind.DELETED), about(Kind.CREATED, 4))[0] == []


@pytest.mark.parametrize("early", [about(Kind.CHANGED, 0), about(Kind.DELETED, 0), about(Kind.DELETED, 3)])
def test_an_order_deleted_before_its_creation_counts_as_unknown_and_is_rejected(early: Message) -> None:
    om = OrderManagement()
    report = replay([early, about(Kind.CREATED, 3)], om, symbol="X", unknown="skip")
    assert (len(om), report.unknown) == (0, 1)
    assert report.rejections == {"the order was created after its removal": 1}


def test_a_change_before_the_creation_counts_as_unknown_and_has_no_effect() -> None:
    om = OrderManagement()
    report = replay([about(Kind.CHANGED, 4), about(Kind.CREATED, 9)], om, symbol="X", unknown="skip")
    assert [(order.order_id, order.amount) for order in om] == [(7, 9)]
    assert (report.unknown, report.rejected) == (1, 0)


def test_the_number_of_stored_ids_of_removed_orders_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oms.feeds.orders.followed_book._MOST_ABSENT", 2)
    deleted = [about(Kind.DELETED, row=row, order_id=row) for row in (1, 2, 3)]
    late = [about(Kind.CREATED, 5, row=row, order_id=row - 3) for row in (4, 5, 6)]
    assert after(*deleted, *late) == ([(1, 5)], {"the order was created after its removal": 2})


def test_a_message_with_the_wrong_side_is_rejected() -> None:
    rejections = {"the order is in another book": 1}
    assert after(NEW, about(Kind.DELETED, side=SELL)) == ([(7, 10)], rejections)


def test_orders_of_other_symbols_do_not_change() -> None:
    om = OrderManagement()
    om.add_order(7, "OTHER", BUY, 1, 1)
    report = replay([NEW, about(Kind.DELETED)], om, symbol="X")
    assert list(om) == [Order(7, "OTHER", BUY, 1, 1)]
    assert report.rejections == {
        "an order with this id is already resting": 1,
        "the order is in another book": 1,
    }


# ---------------------------------------------------------------------- trades


def sweep_of(*executions: tuple[int, int, int]) -> list[Message]:
    """Return the submissions of three orders and one sweep of (order id, amount, price)."""
    orders = [
        Message(1, 1, Kind.SUBMITTED, 1, BUY, 10, 100),
        Message(2, 2, Kind.SUBMITTED, 2, BUY, 10, 100),
        Message(3, 3, Kind.SUBMITTED, 3, BUY, 10, 101),
    ]
    rows = enumerate(executions, 4)
    return orders + [
        Message(row, 9, Kind.EXECUTED, key, BUY, amount, price) for row, (key, amount, price) in rows
    ]


def test_consecutive_executions_at_the_same_time_are_one_trade() -> None:
    om = OrderManagement()
    report = replay(sweep_of((1, 10, 100), (2, 10, 100), (3, 5, 101)), om, symbol="X")
    assert (report.trades, report.trades_equal_cost, report.trades_equal_fills) == (1, 1, 1)
    assert om.place_trade("X", BUY, 5).trade_id == 2
    assert report.agrees


def test_fills_out_of_priority_are_counted_but_are_not_a_disagreement() -> None:
    om = OrderManagement()
    report = replay(sweep_of((2, 4, 100)), om, symbol="X")
    assert (report.trades, report.trades_equal_cost, report.trades_equal_fills) == (1, 1, 0)
    assert [(order.order_id, order.amount) for order in om] == [(1, 10), (2, 6), (3, 10)]
    assert report.agrees
    assert report.remarks == ("the exchange executed 1 trade out of time priority, at equal cost",)


def test_a_report_with_disagreements_has_no_remark_about_priority() -> None:
    messages = [*sweep_of((2, 4, 100)), Message(5, 10, Kind.EXECUTED, 3, BUY, 1, 101)]
    report = replay(messages, OrderManagement(), symbol="X")
    assert (report.trades, report.trades_equal_cost, report.trades_equal_fills) == (2, 1, 0)
    assert report.remarks == ()


def test_a_trade_with_a_different_cost_is_a_disagreement() -> None:
    om = OrderManagement()
    report = replay(sweep_of((3, 4, 101)), om, symbol="X")
    assert (report.trades, report.trades_equal_cost) == (1, 0)
    assert [(order.order_id, order.amount) for order in om] == [(1, 10), (2, 10), (3, 6)]
    assert report.disagreements == (
        "0 of 1 trades have the published cost; "
        "the first with a different cost begins at row 4: the published cost is 404, "
        "the replayed cost is 400",
    )


def test_a_sweep_with_unknown_orders_fills_only_its_known_orders_and_is_unequal() -> None:
    om = OrderManagement()
    report = replay(sweep_of((1, 4, 100), (99, 5, 100), (2, 10, 100)), om, symbol="X", unknown="skip")
    assert (report.trades, report.trades_equal_cost, report.trades_equal_fills) == (1, 0, 0)
    assert [(order.order_id, order.amount) for order in om] == [(1, 6), (3, 10)]
    assert report.unknown == 1
    assert report.disagreements[0].endswith(
        "begins at row 4: the published cost is 1,900, but the replayed book did not have enough liquidity"
    )
    assert report.disagreements[-1] == "1 unknown order was not added, so the book is incomplete"


@pytest.mark.parametrize(
    ("executions", "remaining"),
    [
        ([(1, 11, 100)], [(2, 10), (3, 10)]),
        ([(1, 6, 100), (1, 6, 100)], [(2, 10), (3, 10)]),
        ([(1, 0, 100)], [(1, 10), (2, 10), (3, 10)]),
        ([(1, -5, 100)], [(1, 10), (2, 10), (3, 10)]),
        ([(1, 15, 100), (2, -5, 100)], [(2, 10), (3, 10)]),
    ],
)
def test_an_execution_of_too_much_or_of_nothing_is_rejected(
    executions: list[tuple[int, int, int]], remaining: list[tuple[int, int]]
) -> None:
    om = OrderManagement()
    report = replay(sweep_of(*executions), om, symbol="X")
    assert [(order.order_id, order.amount) for order in om] == remaining
    assert set(report.rejections) == {"the execution exceeds the resting amount or is less than 1 lot"}
    assert (report.trades, report.trades_equal_cost) == (1, 0)


# ---------------------------------------------------------------------- policies


def test_skip_counts_an_unknown_id_once_and_continues() -> None:
    om = OrderManagement()
    unseen = [about(Kind.REDUCED, 1, row=row, order_id=5) for row in (2, 3)]
    report = replay([NEW, *unseen], om, symbol="X", unknown="skip")
    assert (report.events, report.unknown, report.seeded, len(om)) == (3, 1, 0, 1)


def test_raise_names_the_row_and_leaves_the_book_unchanged_by_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("feed") / "m.csv"
    path.write_text("1.0,1,7,10,100,-1\n2.0,4,7,4,100,-1\n2.0,4,8,4,100,-1\n")
    om = OrderManagement()
    with pytest.raises(
        UnknownOrderError, match=r"m\.csv: row 3: order 8 is executed but was never submitted"
    ):
        replay(lobster.read(path), om, symbol="X", unknown="raise")
    assert list(om) == [Order(7, "X", BUY, 10, 100)]
    assert om.place_trade("X", BUY, 1).trade_id == 1


def test_messages_about_ignored_ids_have_no_effect() -> None:
    om = OrderManagement()
    report = replay(
        sweep_of((1, 10, 100), (2, 10, 100), (3, 5, 101)), om, symbol="X", unknown="raise", ignore=[1, 99]
    )
    assert (report.events, report.ignored, report.unknown) == (6, 2, 0)
    assert (report.trades, report.trades_equal_fills) == (1, 1)
    assert list(om) == [Order(3, "X", BUY, 5, 101)]


def test_a_sweep_with_only_ignored_orders_is_not_a_trade() -> None:
    report = replay(sweep_of((1, 10, 100)), OrderManagement(), symbol="X", ignore={1})
    assert (report.trades, report.ignored) == (0, 2)


def test_an_invalid_policy_or_symbol_raises_before_the_replay_begins() -> None:
    with pytest.raises(InvalidArgumentError, match="unknown must be 'seed', 'skip', or 'raise', not 'guess'"):
        replay([NEW], OrderManagement(), symbol="X", unknown=cast(Unknown, "guess"))
    with pytest.raises(InvalidOrderError, match="symbol"):
        replay([NEW], OrderManagement(), symbol="")


# ---------------------------------------------------------------------- iteration


def test_the_callback_runs_after_each_event_and_once_per_sweep() -> None:
    om = OrderManagement()
    seen: list[tuple[tuple[int, ...], int | None]] = []
    replay(
        sweep_of((1, 10, 100), (2, 10, 100)),
        om,
        symbol="X",
        on_event=lambda messages: seen.append((tuple(m.row for m in messages), om.best_price("X", BUY))),
    )
    assert seen == [((1,), 100), ((2,), 100), ((3,), 100), ((4, 5), 101)]


def test_a_replay_can_be_interrupted_and_continued() -> None:
    om = OrderManagement()
    run = Replay([NEW, about(Kind.REDUCED, 4), about(Kind.REDUCED, 1, row=3)], om, symbol="X")
    for _ in run:
        break
    assert (run.report().events, om.get_order(7).amount) == (1, 10)
    assert [messages[0].row for messages in run] == [2, 3]
    assert (run.report().events, om.get_order(7).amount) == (3, 5)
    assert list(run) == []


def test_a_bad_row_stops_the_replay_after_all_earlier_events(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("feed") / "m.csv"
    path.write_text("1.0,1,7,10,100,-1\n2.0,4,7,4,100,-1\n2.0,4,7,4,100\n")
    om = OrderManagement()
    with pytest.raises(FeedError, match="row 3: must have 6 columns, not 5"):
        replay(lobster.read(path), om, symbol="X", unknown="skip")
    om._check()
    # The sweep of row 2 might continue in row 3, so it was not applied yet.
    assert list(om) == [Order(7, "X", BUY, 10, 100)]
    om = OrderManagement()
    with pytest.raises(FeedError, match="row 3: must have 6 columns, not 5"):
        replay(lobster.read(path), om, symbol="X", unknown="seed")
    assert len(om) == 0


def test_events_that_leave_the_book_crossed_are_counted() -> None:
    messages = [NEW, about(Kind.SUBMITTED, 1, order_id=8, side=SELL), about(Kind.HALT), about(Kind.DELETED)]
    assert replay(messages, OrderManagement(), symbol="X").crossed == 2


DIME, CENT = Instrument("0.1", "1"), Instrument("0.01", "1")


@pytest.mark.parametrize("is_listened", [False, True])
@pytest.mark.parametrize("kind", [Kind.REDUCED, Kind.SUBMITTED, Kind.EXECUTED])
def test_other_sizes_during_a_replay_stop_it_before_it_mixes_units(kind: Kind, is_listened: bool) -> None:
    om = OrderManagement(instruments={"X": DIME})
    if is_listened:
        om.subscribe(lambda _: None)
    run = Replay([NEW, about(kind, 1, row=2, order_id=7 + (kind is Kind.SUBMITTED))], om, symbol="X")
    next(iter(run))
    om.convert_orders("X", CENT)
    before = om.state_hash()
    with pytest.raises(FeedError, match=r"row 2: the tick size and lot size of 'X' were 0\.1 and 1 before"):
        list(run)
    assert om.state_hash() == before


@pytest.mark.parametrize("known", [None, DIME])
def test_an_instrument_whose_sizes_are_not_other_ones_does_not_stop_a_replay(
    known: Instrument | None,
) -> None:
    om = OrderManagement(instruments={} if known is None else {"X": known})
    run = Replay([NEW, *(about(Kind.REDUCED, 1, row=row) for row in (2, 3, 4))], om, symbol="X")
    steps = iter(run)
    next(steps)
    om.set_instrument("X", Instrument("0.10", "1", currency="USD"))
    next(steps)
    om.set_instrument("Y", CENT)
    next(steps)
    om.convert_orders("X", CENT)
    with pytest.raises(FeedError, match="row 4: the tick size"):
        next(steps)


def test_an_instrument_that_is_rolled_back_does_not_stop_a_replay() -> None:
    om = OrderManagement()
    run = Replay([NEW, *(about(Kind.REDUCED, 1, row=row) for row in (2, 3))], om, symbol="X")
    steps = iter(run)
    next(steps)
    with om.what_if():
        om.set_instrument("X", DIME)
        next(steps)
    assert [messages[0].row for messages in steps] == [3]
