"""Orders that a recording refers to but never submits are added with their amount and in time."""

from __future__ import annotations

import pytest

from oms import InvalidArgumentError, Order, OrderManagement, Side
from oms.feeds import Kind, Message, replay
from oms.feeds.orders.seeding import find_seeds


def message(
    row: int, kind: Kind, order_id: int, amount: int, *, price: int = 100, side: Side = Side.BUY
) -> Message:
    return Message(row, row, kind, order_id, side, amount, price)


def seeded_orders(messages: list[Message]) -> list[Order]:
    return list(find_seeds(messages, "X").before(None))


def test_the_amount_of_a_seed_is_the_sum_of_its_removed_amounts() -> None:
    messages = [
        message(1, Kind.REDUCED, 5, 2),
        message(2, Kind.EXECUTED, 5, 3),
        message(3, Kind.HIDDEN, 5, 100),
        message(4, Kind.DELETED, 5, 4),
    ]
    assert seeded_orders(messages) == [Order(5, "X", Side.BUY, 9, 100)]


def test_a_seed_with_an_id_below_the_first_submitted_id_is_added_at_the_start() -> None:
    messages = [
        message(1, Kind.SUBMITTED, 10, 1),
        message(2, Kind.DELETED, 10, 1),
        message(3, Kind.DELETED, 5, 4),
    ]
    seeds = find_seeds(messages, "X")
    assert [order.order_id for order in seeds.from_the_start()] == [5]


def test_any_other_seed_is_added_just_before_the_first_submission_with_a_larger_id() -> None:
    messages = [
        message(1, Kind.SUBMITTED, 10, 1),
        message(2, Kind.SUBMITTED, 12, 1),
        message(3, Kind.SUBMITTED, 14, 1),
        message(4, Kind.DELETED, 13, 1),
    ]
    om = OrderManagement()
    seen: list[list[int]] = []
    report = replay(
        messages, om, symbol="X", on_event=lambda _: seen.append([order.order_id for order in om])
    )
    assert seen == [[10], [10, 12], [10, 12, 13, 14], [10, 12, 14]]
    assert (report.unknown, report.seeded, report.rejected) == (1, 1, 0)


def test_a_seed_without_a_later_submission_is_added_when_a_message_refers_to_it() -> None:
    messages = [
        message(1, Kind.SUBMITTED, 10, 1),
        message(2, Kind.REDUCED, 99, 2),
        message(3, Kind.DELETED, 99, 5),
    ]
    om = OrderManagement()
    amounts: list[int | None] = []
    replay(
        messages,
        om,
        symbol="X",
        on_event=lambda _: amounts.append(om.get_order(99).amount if 99 in om else None),
    )
    assert amounts == [None, 5, None]


def test_all_seeds_are_added_at_the_start_if_there_is_no_submission() -> None:
    seeds = find_seeds([message(1, Kind.DELETED, 5, 4), message(2, Kind.DELETED, 3, 4)], "X")
    assert len(seeds) == 2
    assert [order.order_id for order in seeds.from_the_start()] == [3, 5]


def test_a_submitted_order_is_never_seeded_even_if_messages_before_or_after_its_life_refer_to_it() -> None:
    late = [message(1, Kind.SUBMITTED, 5, 4), message(2, Kind.DELETED, 5, 4), message(3, Kind.DELETED, 5, 4)]
    soon = [message(1, Kind.DELETED, 5, 4), message(2, Kind.SUBMITTED, 5, 4)]
    assert seeded_orders(late) == seeded_orders(soon) == []
    assert replay(late, OrderManagement(), symbol="X").rejections == {"the order was already removed": 1}
    assert replay(soon, OrderManagement(), symbol="X").unknown == 1


@pytest.mark.parametrize(
    "second",
    [
        message(2, Kind.DELETED, 5, 4, price=101),
        message(2, Kind.DELETED, 5, 4, side=Side.SELL),
        message(2, Kind.DELETED, 5, 0),
        message(2, Kind.DELETED, 5, -4),
    ],
)
def test_an_order_whose_messages_contradict_each_other_is_not_seeded(second: Message) -> None:
    messages = [message(1, Kind.REDUCED, 5, 4), second, message(3, Kind.DELETED, 5, 4)]
    assert seeded_orders(messages) == []
    report = replay(messages, OrderManagement(), symbol="X")
    assert (report.unknown, report.seeded) == (1, 0)


def test_an_invalid_seed_is_rejected() -> None:
    om = OrderManagement()
    report = replay([message(1, Kind.DELETED, 5, 4, price=0)], om, symbol="X")
    assert (len(om), report.unknown, report.seeded) == (0, 1, 0)
    assert report.rejections == {"the id, amount, or price is invalid": 1}


def test_ignored_ids_are_not_seeded() -> None:
    messages = [message(1, Kind.SUBMITTED, 9, 1), message(2, Kind.DELETED, 5, 4)]
    assert len(find_seeds(messages, "X", ignore={5})) == 0


def test_messages_with_only_remaining_amounts_cannot_be_seeded() -> None:
    om = OrderManagement()
    with pytest.raises(InvalidArgumentError, match="unknown must be 'skip' or 'raise'"):
        replay([message(1, Kind.CREATED, 5, 4)], om, symbol="X", unknown="seed")
    assert len(om) == 0


def test_messages_that_can_be_read_only_once_cannot_be_seeded() -> None:
    with pytest.raises(InvalidArgumentError, match="iterable more than once"):
        replay(iter([message(1, Kind.DELETED, 5, 4)]), OrderManagement(), symbol="X")


@pytest.mark.parametrize("submitted_first", [True, False])
def test_an_order_that_is_submitted_in_any_row_is_not_a_seed(submitted_first: bool) -> None:
    life = [message(1, Kind.SUBMITTED, 5, 4), message(2, Kind.DELETED, 5, 4)]
    strays = [message(3, Kind.REDUCED, 5, 2), message(4, Kind.REDUCED, 6, 2)]
    messages = [*life, *strays] if submitted_first else [*strays, *life, *strays]
    assert [order.order_id for order in seeded_orders(messages)] == [6]


def test_a_seed_whose_id_resembles_a_submitted_id_is_still_a_seed() -> None:
    ids = [5, 5 + 2**20, 5 + 2**22, 5 + 2**40]
    messages = [message(1, Kind.SUBMITTED, 5, 4)]
    messages += [message(row, Kind.REDUCED, order_id, 2) for row, order_id in enumerate(ids, 2)]
    assert [order.order_id for order in seeded_orders(messages)] == ids[1:]
