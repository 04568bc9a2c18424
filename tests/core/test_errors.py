"""Errors say what was wrong, are the built-ins a stranger expects, and survive pickling."""

from __future__ import annotations

import pickle

import pytest

import oms
from oms import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidOrderError,
    JournalError,
    OmsError,
    OpenTransactionError,
    OrderNotFoundError,
    PriceBoundError,
    Side,
    errors,
)

EXAMPLES = [
    InvalidOrderError("amount", 0, "an int >= 1"),
    DuplicateOrderError(7),
    OrderNotFoundError(7),
    InsufficientLiquidityError("JPM", Side.BUY, 31, 30),
    InsufficientLiquidityError("JPM", Side.SELL, 31, 30, "money"),
    PriceBoundError("max_total_price", 440, 442),
    OpenTransactionError("copying"),
    JournalError("book.db: events, sequence 7", "the hash does not fit"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_an_error_comes_back_from_pickle_as_it_was(error: OmsError) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == str(error)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidOrderError, ValueError),
        (DuplicateOrderError, ValueError),
        (OrderNotFoundError, LookupError),
        (InsufficientLiquidityError, ValueError),
        (PriceBoundError, ValueError),
        (OpenTransactionError, RuntimeError),
        (JournalError, OSError),
    ],
)
def test_each_error_is_an_oms_error_and_a_builtin(error: type, builtin: type) -> None:
    assert issubclass(error, OmsError)
    assert issubclass(error, builtin)


def test_the_tree_drawn_at_the_head_of_the_file_names_every_error() -> None:
    assert errors.__doc__ is not None
    drawn = {word for word in errors.__doc__.replace("(", " ").split() if word.endswith("Error")}
    assert drawn - {"ValueError", "LookupError", "RuntimeError", "OSError"} == set(errors.__all__)
    assert set(errors.__all__) <= set(oms.__all__)


def test_a_shortage_carries_what_was_asked_and_what_is_there() -> None:
    error = EXAMPLES[3]
    assert isinstance(error, InsufficientLiquidityError)
    assert (error.requested, error.available, error.unit) == (31, 30, "amount")
    assert str(error) == "JPM BUY: amount 31 requested, 30 available"
    assert str(EXAMPLES[4]) == "JPM SELL: money 31 requested, 30 available"


def test_a_message_is_printable_for_an_integer_that_python_refuses_to_print() -> None:
    assert "an int of 16610 bits" in str(InvalidOrderError("price", 10**5000, "less"))
    assert "an int of 16610 bits requested" in str(InsufficientLiquidityError("JPM", Side.BUY, 10**5000, 1))


def test_a_message_is_printable_for_a_value_that_cannot_show_itself() -> None:
    assert str(InvalidOrderError("price", [10**5000], "an int")) == "price must be an int, not <list> (list)"


def test_a_message_is_short_for_a_long_value() -> None:
    assert len(str(InvalidOrderError("symbol", ["x"] * 10_000, "a str"))) < 200
    assert len(str(InsufficientLiquidityError("x" * 10_000, "BUY", 2, 1))) < 120


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_an_error_is_shown_with_its_message(error: OmsError) -> None:
    assert repr(error) == f"{type(error).__name__}({str(error)!r})"


def test_a_message_is_one_line() -> None:
    class Tall:
        def __repr__(self) -> str:
            return "one\ntwo"

    assert "\n" not in str(InvalidOrderError("price", Tall(), "an int"))
