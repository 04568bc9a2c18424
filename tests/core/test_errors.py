"""Errors describe the mistake, are subclasses of the matching built-in errors, and can be pickled."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator

import pytest

import oms
from oms import (
    AmountLimitError,
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidArgumentError,
    InvalidOrderError,
    JournalError,
    KillSwitchError,
    LimitError,
    NotionalLimitError,
    OmsError,
    OpenAmountLimitError,
    OpenOrdersLimitError,
    OpenTransactionError,
    OrderNotFoundError,
    PriceBoundError,
    PriceCollarError,
    RateLimitError,
    Side,
    errors,
)

EXAMPLES = [
    InvalidArgumentError("path", "", "the path of a file"),
    InvalidArgumentError("tick_size", 0.01, "decimal text", "write '0.01'"),
    InvalidOrderError("amount", 0, "an int >= 1"),
    DuplicateOrderError(7),
    OrderNotFoundError(7),
    InsufficientLiquidityError("JPM", Side.BUY, 31, 30),
    InsufficientLiquidityError("JPM", Side.SELL, 31, 30, "money"),
    PriceBoundError("max_total_price", 440, 442),
    LimitError("Ann", "JPM", 1, 2),
    AmountLimitError("Ann", "JPM", 1, 2),
    NotionalLimitError(None, "JPM", 1, 2),
    PriceCollarError("Ann", "JPM", 2, 1),
    OpenOrdersLimitError("Ann", "JPM", 1, 2),
    OpenAmountLimitError("Ann", "JPM", 1, 2),
    RateLimitError("Ann", "JPM", 1, 2, 1_700_000_000_000_000_000),
    KillSwitchError("Ann", "JPM", 0, 2),
    OpenTransactionError("copying is not possible", "end it first"),
    JournalError("book.db: events, sequence 7", "the hash does not fit"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_a_pickled_error_keeps_its_type_attributes_and_message(error: OmsError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidArgumentError, ValueError),
        (InvalidOrderError, InvalidArgumentError),
        (DuplicateOrderError, ValueError),
        (OrderNotFoundError, LookupError),
        (InsufficientLiquidityError, ValueError),
        (PriceBoundError, ValueError),
        (LimitError, ValueError),
        (AmountLimitError, LimitError),
        (NotionalLimitError, LimitError),
        (PriceCollarError, LimitError),
        (OpenOrdersLimitError, LimitError),
        (OpenAmountLimitError, LimitError),
        (RateLimitError, LimitError),
        (KillSwitchError, LimitError),
        (OpenTransactionError, RuntimeError),
        (JournalError, OSError),
    ],
)
def test_each_error_is_an_oms_error_and_a_built_in_error(error: type, builtin: type) -> None:
    assert issubclass(error, OmsError)
    assert issubclass(error, builtin)


def errors_in_tree() -> Iterator[tuple[str, set[str]]]:
    """Yield each error in the tree of the module docstring, with the names of its parents."""
    ancestors: list[str] = []
    rows: list[tuple[str, str, str]] = re.findall(
        r"^ {4}([│├└─ ]*)(\w+Error)(?: \((\w+)\))?", errors.__doc__ or "", re.MULTILINE
    )
    for branch, name, builtin in rows:
        del ancestors[len(branch) // 4 :]
        yield name, {*ancestors[-1:], builtin} - {""}
        ancestors.append(name)


def test_the_tree_in_the_module_docstring_names_every_error() -> None:
    assert sorted(name for name, _ in errors_in_tree()) == errors.__all__
    assert set(errors.__all__) <= set(oms.__all__)


@pytest.mark.parametrize(("name", "parents"), list(errors_in_tree()))
def test_the_tree_in_the_module_docstring_shows_the_parents_of_each_error(
    name: str, parents: set[str]
) -> None:
    assert {parent.__name__ for parent in getattr(errors, name).__bases__} == parents


def test_insufficient_liquidity_reports_the_requested_and_the_available_amount() -> None:
    error = InsufficientLiquidityError("JPM", Side.BUY, 31, 30)
    assert (error.requested, error.available, error.unit) == (31, 30, "amount")
    assert str(error) == "JPM BUY: amount 31 requested, 30 available"
    assert (
        str(InsufficientLiquidityError("JPM", Side.SELL, 31, 30, "money"))
        == "JPM SELL: money 31 requested, 30 available"
    )


def test_a_message_is_printable_for_an_integer_that_python_cannot_print() -> None:
    assert "an int of 16610 bits" in str(InvalidOrderError("price", 10**5000, "less"))
    assert "an int of 16610 bits requested" in str(InsufficientLiquidityError("JPM", Side.BUY, 10**5000, 1))


def test_a_message_is_printable_for_a_value_whose_repr_fails() -> None:
    assert str(InvalidOrderError("price", [10**5000], "an int")) == "price must be an int, not <list> (list)"


def test_a_message_is_short_for_a_long_value() -> None:
    assert len(str(InvalidOrderError("symbol", ["x"] * 10_000, "a str"))) < 200
    assert len(str(InsufficientLiquidityError("x" * 10_000, "BUY", 2, 1))) < 120
    assert len(str(AmountLimitError("x" * 10_000, "y" * 10_000, 10**5000, 10**6000))) < 300


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_the_repr_of_an_error_contains_its_message(error: OmsError) -> None:
    assert repr(error) == f"{type(error).__name__}({str(error)!r})"


def test_a_message_is_one_line() -> None:
    class TwoLines:
        def __repr__(self) -> str:
            return "one\ntwo"

    assert "\n" not in str(InvalidOrderError("price", TwoLines(), "an int"))
