"""The errors of feeds: their messages, and the built-in exceptions that catch them."""

from __future__ import annotations

import pickle

import pytest

from oms import OmsError
from oms.feeds import FeedError, StaleBookError, UnknownFeedError, UnknownOrderError


@pytest.mark.parametrize(
    ("error", "message", "built_in"),
    [
        (FeedError("a.csv", None, "the file is empty"), "a.csv: the file is empty", ValueError),
        (FeedError("a.csv", 3, "not UTF-8 text"), "a.csv: row 3: not UTF-8 text", ValueError),
        (UnknownFeedError("a.csv", None, "no feed matches"), "a.csv: no feed matches", ValueError),
        (UnknownOrderError("a.csv", 3, "no order 7"), "a.csv: row 3: no order 7", LookupError),
        (
            StaleBookError("X", "no snapshot has been seen"),
            "the book of 'X' is stale until its next snapshot: no snapshot has been seen",
            LookupError,
        ),
    ],
)
def test_an_error_has_its_message_and_its_built_in_base_also_after_pickling(
    error: OmsError, message: str, built_in: type[Exception]
) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - it was pickled in this line
    assert str(copy) == str(error) == message
    assert isinstance(error, built_in)
