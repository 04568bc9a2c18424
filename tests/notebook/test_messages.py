"""Error messages and messages in plots: what was given, what is allowed, and the call that fixes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oms import InvalidOrderError, OrderManagement, Side
from oms.feeds.history import BookHistory, TradeColumns
from oms.instrument import Instrument
from oms.notebook import cost_curve, depth_chart, heatmap, ladder, liquidity_bands

mpl.use("Agg")
BUY = Side.BUY
EMPTY = BookHistory("XYZ", Instrument(), [], [], [], [], [], TradeColumns([], [], [], []))


def new_axes() -> Axes:
    return Figure().add_subplot()


def om() -> OrderManagement:
    books = OrderManagement()
    books.add_order(1, "XYZ", BUY, 20, 20)
    return books


ARGUMENTS: list[tuple[Callable[[Any, Axes], object], object, str]] = [
    # call, value, message
    (
        lambda value, ax: depth_chart(om(), value, ax=ax),
        b"XYZ",
        "symbol must be a non-empty str of valid Unicode, not b'XYZ' (bytes); convert with symbol.decode()",
    ),
    (
        lambda value, ax: depth_chart(om(), "XYZ", levels=value, ax=ax),
        5.0,
        "levels must be an int >= 1, not 5.0 (float); convert with int(levels)",
    ),
    (
        lambda value, ax: ladder(om(), "XYZ", levels=value, ax=ax),
        0,
        "levels must be an int >= 1, not 0 (int)",
    ),
    (
        lambda value, ax: ladder(om(), "XYZ", levels=value, ax=ax),
        np.int64(5),
        "levels must be an int >= 1, not np.int64(5) (int64); "
        "convert with int(levels), or a whole array with .tolist()",
    ),
    (
        lambda value, ax: cost_curve(om(), value, BUY, ax=ax),
        "",
        "symbol must be a non-empty str of valid Unicode, not '' (str)",
    ),
    (
        lambda value, ax: cost_curve(om(), "XYZ", value, ax=ax),
        "BUY",
        "side must be Side.BUY or Side.SELL, not 'BUY' (str); convert with Side('BUY')",
    ),
    (
        lambda value, ax: cost_curve(om(), "XYZ", BUY, levels=value, ax=ax),
        True,
        "levels must be an int >= 1, not True (bool)",
    ),
    (
        lambda value, ax: liquidity_bands(EMPTY, bps=value, ax=ax),
        5,
        "bps must be an iterable of int >= 1, not 5 (int); write [bps]",
    ),
    (
        lambda value, ax: liquidity_bands(EMPTY, bps=value, ax=ax),
        (),
        "bps must be an iterable of at least one int >= 1, not [] (list)",
    ),
    (lambda value, ax: liquidity_bands(EMPTY, bps=[value], ax=ax), 0, "bps must be an int >= 1, not 0 (int)"),
    (
        lambda value, ax: liquidity_bands(EMPTY, bps=[value], ax=ax),
        5.0,
        "bps must be an int >= 1, not 5.0 (float); convert with int(bps)",
    ),
]


@pytest.mark.parametrize(("call", "value", "message"), ARGUMENTS)
def test_a_rejected_argument_is_shown_with_what_is_allowed_before_anything_is_drawn(
    call: Callable[[Any, Axes], object], value: object, message: str
) -> None:
    ax = new_axes()
    with pytest.raises(InvalidOrderError) as caught:
        call(value, ax)
    assert str(caught.value) == message
    assert not ax.get_title()


EMPTY_PLOTS: list[tuple[Callable[[Axes], object], str]] = [
    (lambda ax: depth_chart(OrderManagement(), "XYZ", ax=ax), "the books of XYZ are empty"),
    (lambda ax: ladder(OrderManagement(), "XYZ", ax=ax), "the books of XYZ are empty"),
    (lambda ax: cost_curve(OrderManagement(), "XYZ", BUY, ax=ax), "the BUY book of XYZ is empty"),
    (lambda ax: heatmap(EMPTY, ax=ax), "no depth was recorded for XYZ"),
    (lambda ax: liquidity_bands(EMPTY, ax=ax), "the recording of XYZ never has both asks and bids"),
]


@pytest.mark.parametrize(("plot", "message"), EMPTY_PLOTS)
def test_a_plot_without_content_shows_the_reason(plot: Callable[[Axes], object], message: str) -> None:
    ax = new_axes()
    plot(ax)
    assert [text.get_text() for text in ax.texts] == [message]
