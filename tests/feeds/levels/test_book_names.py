"""Names of books: the exchange's symbol, with its kind or channel where several books share the symbol."""

from __future__ import annotations

from oms.feeds.levels.book_names import BookNames


def test_the_first_market_of_a_symbol_has_the_plain_name_and_the_others_have_their_kind() -> None:
    names = BookNames()
    assert [names.market("X", kind) for kind in ("spot", "futures", "spot")] == ["X", "X (futures)", "X"]


def test_the_first_channel_of_a_market_has_its_name_and_the_others_have_their_channel() -> None:
    names = BookNames()
    books = [
        names.book("X", kind, channel) for kind in ("spot", "futures") for channel in ("books", "books5")
    ]
    assert books == ["X", "X (books5)", "X (futures)", "X (futures) (books5)"]


def test_two_instances_share_no_names() -> None:
    assert [BookNames().book("X", kind, "books") for kind in ("spot", "futures")] == ["X", "X"]
