"""The plots: their content, their labels, and their legibility."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from oms import Account, FeeSchedule, InvalidOrderError, MatchingEngine, Order, OrderManagement, Side
from oms.feeds.history import BookHistory, TradeColumns
from oms.instrument import Instrument
from oms.notebook import cost_curve, depth_chart, heatmap, ladder, liquidity_bands, profit_chart
from oms.notebook.canvas import luminance, palette_for
from oms.notebook.units import Units
from support import strategies as our

mpl.use("Agg")
BUY, SELL = Side
DOLLARS = Instrument(tick_size="0.01", lot_size="0.1", currency="USD")
CENTS = Instrument(tick_size="0.01", lot_size="1")


def book(orders: int = 60, best: int = 58_700) -> OrderManagement:
    """Return the two books of a symbol, with the same orders each time."""
    rng = random.Random(1)
    om = OrderManagement()
    for n in range(orders):
        om.add_order(2 * n, "XYZ", BUY, rng.randint(1, 900), best + rng.randint(1, orders))
        om.add_order(2 * n + 1, "XYZ", SELL, rng.randint(1, 900), best - rng.randint(1, orders))
    return om


def session(samples: int = 120, depth: int = 8, instrument: Instrument = CENTS) -> BookHistory:
    """Return half an hour of a random walk. At one time both sides of the book are empty."""
    rng = random.Random(2)
    mid, times, asks, bids = 58_700, [], [], []
    for n in range(samples):
        mid += rng.randint(-2, 2)
        times.append(34_200.0 + 15 * n)
        asks.append(tuple((mid + k, rng.randint(1, 2000)) for k in range(1, depth + 1)))
        bids.append(tuple((mid - k, rng.randint(1, 2000)) for k in range(1, depth + 1)))
    asks[samples // 3] = bids[samples // 3] = ()
    trade_samples = range(1, samples, 3)
    return BookHistory(
        "XYZ",
        instrument,
        times,
        [levels[0][0] if levels else None for levels in asks],
        [levels[0][0] if levels else None for levels in bids],
        asks,
        bids,
        TradeColumns(
            time=[times[n] - 1 for n in trade_samples],
            price=[58_700 + n % 5 for n in trade_samples],
            amount=[1 + n % 7 for n in trade_samples],
            side=[Side.BUY if n % 2 else Side.SELL for n in trade_samples],
        ),
    )


def traded_account(clock: Callable[[], int] | None = None) -> Account:
    """Return an account that recorded 150 trades of a market maker. It gains, and pays fees."""
    rng = random.Random(3)
    engine = MatchingEngine(instruments={"XYZ": DOLLARS}, clock=clock)
    account = Account(engine, fees=FeeSchedule(maker_bps="0.1"), record=True)
    for number in range(150):
        mid = 58_700 + rng.randint(-9, 9)
        for side in Side:
            engine.submit(f"{side}{number}", "XYZ", side, 90, mid - 4 * side.sign, owner="maker")
        engine.submit(number, "XYZ", rng.choice(list(Side)), rng.randint(1, 90))
        engine.cancel_all()
    return account


def ticking() -> Callable[[], int]:
    """Return a clock that advances by a second at each call."""
    return iter(range(9 * 3600 * 10**9, 10**18, 10**9)).__next__


EMPTY = BookHistory("XYZ", CENTS, [], [], [], [], [], TradeColumns([], [], [], []))

Plot = Callable[[Axes | None], Axes]
PLOTS: dict[str, Plot] = {
    "depth_chart": lambda ax: depth_chart(book(), "XYZ", instrument=CENTS, ax=ax),
    "cost_curve of a BUY": lambda ax: cost_curve(book(), "XYZ", BUY, instrument=CENTS, ax=ax),
    "cost_curve of a SELL": lambda ax: cost_curve(book(), "XYZ", SELL, ax=ax),
    "ladder": lambda ax: ladder(book(), "XYZ", instrument=CENTS, ax=ax),
    "heatmap": lambda ax: heatmap(session(), ax=ax),
    "liquidity_bands": lambda ax: liquidity_bands(session(), bps=(1, 5, 10, 25), ax=ax),
    "profit_chart over time": lambda ax: profit_chart(traded_account(ticking()), "XYZ", "maker", ax=ax),
    "profit_chart over events": lambda ax: profit_chart(traded_account(), "XYZ", "maker", ticks=True, ax=ax),
}
EMPTY_PLOTS: dict[str, Plot] = {
    "depth_chart": lambda ax: depth_chart(OrderManagement(), "$X_{", ax=ax),
    "cost_curve": lambda ax: cost_curve(OrderManagement(), "$X_{", BUY, ax=ax),
    "ladder": lambda ax: ladder(OrderManagement(), "$X_{", ax=ax),
    "heatmap": lambda ax: heatmap(EMPTY, ax=ax),
    "liquidity_bands": lambda ax: liquidity_bands(EMPTY, ax=ax),
    "profit_chart": lambda ax: profit_chart(Account(record=True), "$X_{", ax=ax),
}
each_plot = pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
each_empty_plot = pytest.mark.parametrize("plot", EMPTY_PLOTS.values(), ids=EMPTY_PLOTS)
each_theme = pytest.mark.parametrize("theme", ["default", "dark_background"])
each_look = pytest.mark.parametrize("look", ["light", "dark and small"])


def new_axes(size: tuple[float, float] = (6.4, 4.8)) -> Axes:
    return Figure(figsize=size, layout="constrained").add_subplot()


def rendered(ax: Axes) -> np.ndarray[Any, Any]:
    """Return the pixels of the figure as rows of red, green, and blue."""
    canvas: Any = FigureCanvasAgg(cast("Figure", ax.figure))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].astype(int)


@cache
def picture(name: str, look: str) -> tuple[Axes, np.ndarray[Any, Any]]:
    """Return a plot and its pixels, either large and light or small and dark."""
    theme, size = {"light": ("default", (6.4, 4.8)), "dark and small": ("dark_background", (3.6, 2.7))}[look]
    with plt.style.context(theme):
        ax = PLOTS[name](new_axes(size))
        return ax, rendered(ax)


def lines_of(ax: Axes) -> list[Any]:
    return list(ax.get_lines())


def legend(ax: Axes) -> list[str]:
    box = ax.get_legend()
    return [text.get_text() for text in box.get_texts()] if box else []


# ---------------------------------------------------------------------- all plots


@each_look
@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_not_blank_and_nothing_is_cut_off(name: str, look: str) -> None:
    ax, pixels = picture(name, look)
    inked = (pixels != pixels[0, 0]).any(axis=2)
    assert inked.mean() > 0.05
    assert not any(edge.any() for edge in (inked[0], inked[-1], inked[:, 0], inked[:, -1]))
    for axes in ax.figure.axes:
        box = axes.get_tightbbox()
        assert box is not None
        assert ax.figure.bbox.x0 <= box.x0 < box.x1 <= ax.figure.bbox.x1
        assert ax.figure.bbox.y0 <= box.y0 < box.y1 <= ax.figure.bbox.y1


def labels_are_separate(ax: Axes) -> bool:
    """Return True if no two labels of an axis overlap in a figure that has been drawn."""
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        boxes = [
            tick.label1.get_window_extent()
            for tick in axis.get_major_ticks()
            if low <= tick.get_loc() <= high and tick.label1.get_text()
        ]
        if len(boxes) < 2 or any(one.overlaps(other) for one, other in combinations(boxes, 2)):
            return False
    return True


@each_look
@pytest.mark.parametrize("name", PLOTS)
def test_the_labels_of_an_axis_do_not_overlap(name: str, look: str) -> None:
    assert labels_are_separate(picture(name, look)[0])


@pytest.mark.parametrize("exponent", range(0, 19, 3))
def test_the_labels_of_an_axis_with_large_numbers_do_not_overlap(exponent: int) -> None:
    om = OrderManagement()
    om.add_orders(Order(n, "XYZ", BUY, 9 * 10**exponent, 10**exponent + n) for n in range(4))
    ax = cost_curve(om, "XYZ", BUY, ax=new_axes((3.6, 2.7)))
    rendered(ax)
    assert labels_are_separate(ax)
    prices = [label.get_text() for label in ax.get_yticklabels()]
    assert exponent > 12 or len(set(prices)) == len(prices)


@each_plot
def test_axes_have_a_title_and_labels_with_units(plot: Plot) -> None:
    ax = plot(new_axes())
    assert ax.get_title().startswith("XYZ: ")
    units = ["(lots)", "(ticks)", "(1 tick = 0.01)", "time of day", "event", "(USD)", "(ticks x lots)"]
    for label in (ax.get_xlabel(), ax.get_ylabel()):
        assert any(unit in label for unit in units)


@each_plot
def test_a_plot_with_axes_returns_them_and_creates_no_pyplot_figure(plot: Plot) -> None:
    before, settings = plt.get_fignums(), dict(mpl.rcParams)
    ax = new_axes()
    assert plot(ax) is ax
    assert plt.get_fignums() == before
    assert dict(mpl.rcParams) == settings


@each_plot
def test_a_plot_without_axes_creates_a_pyplot_figure(plot: Plot) -> None:
    ax = plot(None)
    try:
        assert plt.gcf() is ax.figure
        assert len(plt.get_fignums()) == 1
    finally:
        plt.close(cast("Figure", ax.figure))


@pytest.mark.slow
def test_plots_fit_into_a_grid_of_axes() -> None:
    axes = list(Figure(figsize=(16, 9), layout="constrained").subplots(2, 4).flat)
    drawn = [plot(ax) for plot, ax in zip(PLOTS.values(), axes, strict=False)]
    assert drawn == axes[: len(PLOTS)]
    rendered(axes[0])
    boxes = [box for box in (ax.get_tightbbox() for ax in drawn) if box is not None]
    assert len(boxes) == len(PLOTS)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)


@each_empty_plot
def test_a_plot_of_an_empty_book_has_labels_and_a_message(plot: Plot) -> None:
    ax = plot(new_axes())
    rendered(ax)
    assert any(
        re.search(r"empty$|was recorded for|never has|there is no fill", text.get_text()) for text in ax.texts
    )
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert not ax.lines
    assert not ax.patches


def contrast(one: object, other: object) -> float:
    light, dark = sorted((luminance(cast("Any", one)), luminance(cast("Any", other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@each_theme
def test_both_books_contrast_with_the_background_and_with_each_other_even_in_gray(theme: str) -> None:
    with plt.style.context(theme):
        ax = new_axes()
        palette = palette_for(ax)
        background = ax.get_facecolor()
    assert contrast(palette.asks, background) > 2.7
    assert contrast(palette.bids, background) > 2.7
    assert contrast(palette.asks, palette.bids) > 1.8
    assert contrast(palette.ink, background) > 15


@each_theme
def test_larger_amounts_of_a_heatmap_contrast_more_with_the_background_even_in_gray(theme: str) -> None:
    with plt.style.context(theme):
        ax = new_axes()
        shades = mpl.colormaps[palette_for(ax).amounts](np.linspace(0, 1, 20))
        contrasts = [contrast(tuple(shade), ax.get_facecolor()) for shade in shades]
    assert contrasts == sorted(contrasts)


def test_transparent_axes_have_the_colors_for_the_background_of_their_figure() -> None:
    ax = Figure(facecolor="black").add_subplot(facecolor="none")
    assert palette_for(ax).ink == "#ffffff"


# ---------------------------------------------------------------------- units


@given(st.integers(-(2**70), 2**70), st.sampled_from(["1", "0.01", "0.5", "25", "0.00000001"]))
def test_a_drawn_price_is_the_float_nearest_to_the_exact_price(ticks: int, size: str) -> None:
    units = Units(Instrument(tick_size=size, lot_size=size))
    exact = Fraction(size) * ticks
    assert units.prices([ticks]) == [float(exact)] == units.amounts([ticks])
    assert units.prices([Fraction(ticks, 3)]) == [float(exact / 3)]


def test_prices_in_a_column_have_the_same_number_of_decimals() -> None:
    prices = Units(CENTS).show_prices([58_710, 58_700, 123_456_789])
    assert prices == ["587.10", "587.00", "1,234,567.89"]
    assert Units(Instrument()).show_prices([5, 1000]) == ["5", "1,000"]


# ---------------------------------------------------------------------- books


def test_a_depth_chart_steps_through_the_cumulative_amounts_of_both_books() -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", BUY, 20, 21), Order(4, "JPM", BUY, 10, 23), Order(2, "JPM", SELL, 15, 19)])
    ax = depth_chart(om, "JPM", ax=new_axes())
    asks, bids = lines_of(ax)
    assert list(asks.get_xydata()[:3].tolist()) == [[21, 0], [21, 20], [23, 30]]
    assert asks.get_xydata()[3].tolist() == [24, 30]
    assert bids.get_xydata().tolist() == [[19, 0], [19, 15], [18, 15]]
    assert legend(ax) == [
        "asks (BUY trades take these)",
        "bids (SELL trades take these)",
        "spread 2 (1,000 bps)",
    ]
    assert {line.get_drawstyle() for line in lines_of(ax)} == {"steps-post"}


@settings(max_examples=30)
@given(our.distinct_orders(), st.none() | st.integers(1, 5))
def test_any_book_can_be_drawn_and_its_curve_ends_at_the_total_amount(
    orders: list[Order], levels: int | None
) -> None:
    om = OrderManagement()
    om.add_orders(orders)
    ax = depth_chart(om, "JPM", levels=levels, ax=Figure().add_subplot())
    depth = {side: om.depth("JPM", side, levels) for side in Side}
    ends = {line.get_label(): float(np.asarray(line.get_ydata())[-1]) for line in lines_of(ax)}
    assert ends == {
        label: float(sum(level.amount for level in depth[side]))
        for side, label in ((BUY, "asks (BUY trades take these)"), (SELL, "bids (SELL trades take these)"))
        if depth[side]
    }
    assert sum(name.startswith("spread") for name in legend(ax)) == all(depth.values())


@pytest.mark.parametrize("side", Side)
def test_a_cost_curve_has_the_average_price_worst_price_and_slippage_of_quotes(side: Side) -> None:
    om = book()
    ax = cost_curve(om, "XYZ", side, levels=20, ax=new_axes())
    worst, average, best = lines_of(ax)
    total = sum(level.amount for level in om.depth("XYZ", side, 20))
    points = dict(average.get_xydata().tolist())
    assert max(points) == total
    (scale,) = ax.child_axes
    rendered(ax)
    assert "slippage (bps" in scale.get_ylabel()
    to_bps = cast("Any", scale)._functions[0]
    for amount in random.Random(3).sample(sorted(points), 20):
        quote = om.quote("XYZ", side, int(amount))
        assert points[amount] == quote.average_price
        assert to_bps(points[amount]) == pytest.approx(quote.slippage_bps, abs=1e-6)
    steps = list(zip(worst.get_xdata(), worst.get_ydata(), strict=True))
    for (start, _), (end, price) in pairwise(steps):
        assert om.quote("XYZ", side, int(start) + 1).worst_price == price
        assert om.quote("XYZ", side, int(end)).worst_price == price
    assert worst.get_drawstyle() == "steps-pre"
    assert set(np.asarray(best.get_ydata())) == {om.best_price("XYZ", side)}
    assert legend(ax) == [
        "worst price",
        "average price",
        "slippage",
        f"best price {om.best_price('XYZ', side):,}",
    ]


def test_a_cost_curve_of_few_lots_prices_each_amount_once() -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 3, 20)
    assert lines_of(cost_curve(om, "JPM", BUY, ax=new_axes()))[1].get_xydata().tolist() == [
        [1, 20],
        [2, 20],
        [3, 20],
    ]


def test_a_ladder_has_a_bar_for_each_level_with_asks_above_bids() -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", BUY, 20, 2010), Order(4, "JPM", BUY, 1000, 2105)])
    om.add_orders([Order(2, "JPM", SELL, 15, 1900), Order(3, "JPM", SELL, 5, 1900)])
    ax = ladder(om, "JPM", instrument=CENTS, ax=new_axes())
    bars = [
        (round(bar.get_y() + bar.get_height() / 2, 9), bar.get_width())
        for bar in cast("list[Any]", ax.patches)
    ]
    assert bars == [(1, 20), (2, 1000), (-1, 20)]
    rows = zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    assert [(height, label.get_text()) for height, label in rows] == [
        (2, "21.05"),
        (1, "20.10"),
        (0, "spread 1.10"),
        (-1, "19.00"),
    ]
    assert [text.get_text() for text in ax.texts] == ["20", "1,000", "20 (2 orders)"]


@pytest.mark.parametrize("side", Side)
def test_a_book_with_one_side_is_drawn_without_a_spread(side: Side) -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", side, 20, 20)
    assert len(legend(depth_chart(om, "JPM", ax=new_axes()))) == 1
    assert "spread none" in [label.get_text() for label in ladder(om, "JPM", ax=new_axes()).get_yticklabels()]


def test_a_crossed_book_has_a_spread_below_zero() -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", BUY, 20, 19), Order(2, "JPM", SELL, 15, 21)])
    assert "spread -2 (-1,000 bps)" in legend(depth_chart(om, "JPM", ax=new_axes()))


def test_amounts_of_more_than_64_bits_can_be_drawn() -> None:
    om = OrderManagement()
    om.add_orders(
        Order(n, "JPM", Side(side), 2**63 - 1, 2**62 + n) for n, side in enumerate(["BUY", "SELL"] * 5)
    )
    for plot in (depth_chart, ladder):
        rendered(plot(om, "JPM", ax=new_axes()))
    rendered(cost_curve(om, "JPM", BUY, ax=new_axes()))


# ---------------------------------------------------------------------- recordings


def image_of(ax: Axes) -> Any:
    return cast("Any", ax.collections[0])


def test_a_heatmap_contains_every_amount_at_its_time_and_price() -> None:
    recording = session()
    ax = heatmap(recording, ax=new_axes())
    mesh = image_of(ax)
    edges = mesh.get_coordinates()
    image = np.ma.filled(mesh.get_array(), 0)
    rows, columns = image.shape
    assert columns == len(recording.times)
    for x in range(columns):
        assert edges[0, x, 0] == recording.times[x]
        levels = dict(recording.buy_levels[x] + recording.sell_levels[x])
        for y in range(rows):
            bottom, top = edges[y, x, 1] * 100, edges[y + 1, x, 1] * 100
            inside = sum(amount for price, amount in levels.items() if bottom < price < top)
            assert image[y, x] == inside
    assert isinstance(mesh.norm, LogNorm)
    assert [axes.get_ylabel() for axes in ax.figure.axes[1:]] == ["amount per price (lots)"]


def test_a_heatmap_shows_trades_at_their_time_and_price_with_a_shape_for_each_side() -> None:
    recording = session()
    ax = heatmap(recording, ax=new_axes())
    assert legend(ax) == ["BUY trades", "SELL trades"]
    trades = recording.trades
    for markers, side in zip(ax.collections[1:], Side, strict=True):
        expected = {
            (time, price / 100)
            for time, price, trade_side in zip(trades.time, trades.price, trades.side, strict=True)
            if trade_side is side
        }
        assert set(map(tuple, cast("Any", markers).get_offsets().tolist())) == expected
    shapes = [cast("Any", markers).get_paths()[0].vertices.tolist() for markers in ax.collections[1:]]
    assert shapes[0] != shapes[1]


def test_a_heatmap_of_a_long_session_has_a_limited_size_and_its_legend_says_so() -> None:
    recording = session(samples=2000, depth=100)
    ax = heatmap(recording, ax=new_axes())
    rows, columns = image_of(ax).get_array().shape
    assert rows <= 120
    assert columns <= 400
    assert cast("Any", ax.get_legend()).get_title().get_text() == "the largest 300 of 667"
    assert "ticks (lots)" in ax.figure.axes[1].get_ylabel()


def test_a_heatmap_leaves_out_distant_prices_but_never_a_best_price() -> None:
    recording = session()
    recording.buy_levels[5] += ((10**9, 1),)
    recording.best_sell[7] = 50_000
    low, high = heatmap(recording, ax=new_axes()).get_ylim()
    assert 499 < low <= 500
    assert high < 600


@pytest.mark.parametrize("samples", [1, 2])
def test_a_recording_with_few_samples_is_drawn(samples: int) -> None:
    levels: list[tuple[tuple[int, int], ...]] = [((101, 5),)] * samples
    none = TradeColumns([], [], [], [])
    bests = [101] * samples
    times = [float(n) for n in range(samples)]
    one = BookHistory("XYZ", CENTS, times, [*bests], [*bests], levels, levels, none)
    for plot in (heatmap, liquidity_bands):
        rendered(plot(one, ax=new_axes()))


def heights_of(band: Any) -> set[tuple[float, float]]:
    """Return the corners of a band, which include the left and the right end of each step."""
    return {tuple(point) for path in band.get_paths() for point in path.vertices.tolist()}


def within(levels: tuple[tuple[int, int], ...], mid: Fraction, bps: int) -> int:
    return sum(amount for price, amount in levels if abs(price - mid) / mid * 10_000 <= bps)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True))
def test_a_liquidity_band_is_as_high_as_the_amount_within_it(bps: list[int]) -> None:
    recording = session(samples=6)
    ax = liquidity_bands(recording, bps=bps, ax=Figure().add_subplot())
    books: Iterator[tuple[int, Any]] = iter(((1, recording.buy_levels), (-1, recording.sell_levels)))
    bands = iter(ax.collections)
    ends = [*recording.times[1:], recording.times[-1] + 15]
    for sign, levels in books:
        for width in sorted(bps, reverse=True):
            corners = heights_of(next(bands))
            for index, start in enumerate(recording.times):
                ask, bid = recording.best_buy[index], recording.best_sell[index]
                if ask is not None and bid is not None:
                    height = sign * within(levels[index], Fraction(ask + bid, 2), width)
                    assert {(start, height), (ends[index], height)} <= corners


def test_a_band_beyond_the_recorded_levels_is_labeled_at_least() -> None:
    ax = liquidity_bands(session(), bps=(1, 25), ax=new_axes())
    assert legend(ax) == ["within 1 bps", "within 25 bps: at least"]


@pytest.mark.parametrize("bps", [(), (0,), (1.5,), ("5",), 5, None, (True,)], ids=repr)
def test_bands_that_are_not_positive_integers_are_rejected(bps: Any) -> None:
    with pytest.raises(InvalidOrderError, match="bps must be"):
        liquidity_bands(session(), bps=bps, ax=new_axes())


def test_the_time_axis_shows_times_of_day_and_its_label_shows_utc() -> None:
    ax = heatmap(session(), ax=new_axes())
    rendered(ax)
    assert "09:40" in [label.get_text() for label in ax.get_xticklabels()]
    assert ax.get_xlabel() == "time of day"
    since_1970 = session()
    since_1970.times[:] = [time + 86_400 * 16_000 for time in since_1970.times]
    ax = liquidity_bands(since_1970, ax=new_axes())
    rendered(ax)
    assert "09:40" in [label.get_text() for label in ax.get_xticklabels()]
    assert ax.get_xlabel() == "time of day (UTC)"


@pytest.mark.parametrize(
    ("span", "label"), [(0.5, "09:30:00.200"), (20, "09:30:05"), (7200, "10:00")], ids=str
)
def test_the_time_axis_shows_only_the_necessary_digits(span: float, label: str) -> None:
    recording = session(samples=30)
    recording.times[:] = [34_200 + span * n / 29 for n in range(30)]
    ax = liquidity_bands(recording, ax=new_axes())
    rendered(ax)
    assert label in [tick.get_text() for tick in ax.get_xticklabels()]


def test_a_band_includes_prices_at_its_exact_edge() -> None:
    none = TradeColumns([], [], [], [])
    ask_levels, bid_levels = ((1001, 5), (1002, 7)), ((999, 3), (998, 4))
    moment = BookHistory("XYZ", CENTS, [0.0], [1001], [999], [ask_levels], [bid_levels], none)
    asks, bids = liquidity_bands(moment, bps=[10], ax=Figure().add_subplot()).collections
    assert max(y for _, y in heights_of(asks)) == 5
    assert min(y for _, y in heights_of(bids)) == -3


def test_a_heatmap_counts_the_trades_that_the_recorder_dropped() -> None:
    ax = heatmap(replace(session(), trades_seen=5000), ax=new_axes())
    assert cast("Any", ax.get_legend()).get_title().get_text() == "the largest 40 of 5,000"


def test_a_trade_before_the_first_sample_does_not_count_as_left_out() -> None:
    recording = session()
    recording.trades.time[0] = 34_000.0
    assert cast("Any", heatmap(recording, ax=new_axes()).get_legend()).get_title().get_text() == ""


# ---------------------------------------------------------------------- the instrument of the symbol


BOOK_PLOTS: dict[str, Callable[..., Axes]] = {
    "depth_chart": depth_chart,
    "cost_curve": lambda om, symbol, **options: cost_curve(om, symbol, BUY, **options),
    "ladder": ladder,
}


def price_axis(name: str, om: OrderManagement, **options: Any) -> tuple[str, list[float]]:
    """Return the label of a plot's price axis, and the limits of the axis."""
    ax = BOOK_PLOTS[name](om, "XYZ", ax=new_axes(), **options)
    axis, limits = (ax.xaxis, ax.get_xlim()) if name == "depth_chart" else (ax.yaxis, ax.get_ylim())
    return axis.label.get_text(), [round(limit) for limit in limits]


@pytest.mark.parametrize("name", BOOK_PLOTS)
def test_a_plot_uses_the_instrument_of_the_symbol_unless_another_one_or_ticks_are_requested(
    name: str,
) -> None:
    om, in_ticks = book(), book()
    om.set_instrument("XYZ", Instrument("0.01", "0.5", currency="$_{x}$"))
    assert price_axis(name, om)[0] == "price ($_{x}$)"
    assert price_axis(name, om) == price_axis(name, in_ticks, instrument=om.instrument("XYZ"))
    assert price_axis(name, om, ticks=True) == price_axis(name, in_ticks)
    assert price_axis(name, om, ticks=True)[0] == "price (ticks)"
    assert price_axis(name, om, instrument=CENTS)[0] == "price (1 tick = 0.01)"


def test_the_rows_of_a_ladder_are_in_the_decimals_of_the_symbol() -> None:
    om = OrderManagement(instruments={"XYZ": Instrument("0.01", "0.5")})
    om.add_orders([Order(1, "XYZ", BUY, 21, 2005), Order(2, "XYZ", SELL, 15, 1999)])
    ax = ladder(om, "XYZ", ax=new_axes())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["20.05", "spread 0.06", "19.99"]
    assert {text.get_text() for text in ax.texts} == {"10.5", "7.5"}


@pytest.mark.parametrize("plot", [heatmap, liquidity_bands])
def test_a_recording_is_shown_in_decimals_unless_ticks_are_requested(plot: Callable[..., Axes]) -> None:
    recorded = session(instrument=Instrument("0.01", "0.5", currency="USD"))
    plain = session(instrument=Instrument())
    for options, other in (({"ticks": True}, plain), ({}, recorded)):
        ax, expected = plot(recorded, ax=new_axes(), **options), plot(other, ax=new_axes())
        assert [axis.get_ylabel() for axis in ax.figure.axes] == [
            axis.get_ylabel() for axis in expected.figure.axes
        ]
        assert ax.get_ylim() == expected.get_ylim()
    assert plot(recorded, ax=new_axes()).get_ylim() != plot(recorded, ax=new_axes(), ticks=True).get_ylim()


# ---------------------------------------------------------------------- profit chart


def drawn(ax: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """Return the x and y values of each line with a label."""
    lines = {line.get_label(): line for line in lines_of(ax) if not line.get_label().startswith("_")}
    return {label: (list(line.get_xdata()), list(line.get_ydata())) for label, line in lines.items()}


def test_the_lines_of_a_profit_chart_are_those_of_the_curve_in_money_and_their_parts_add_up() -> None:
    account = traded_account(ticking())
    lines = drawn(profit_chart(account, "XYZ", "maker", ax=new_axes()))
    points = account.curve("XYZ", "maker")
    money = Fraction("0.001")
    assert list(lines) == ["realized", "unrealized", "fees", "profit"]
    for name, (x, y) in lines.items():
        exact = [-point.fees if name == "fees" else getattr(point, name) for point in points]
        assert y == [float(value * money) for value in [*exact, exact[-1]]]
        assert x[:-1] == [cast("int", point.time) / 10**9 for point in points]
    parts = [lines[name][1] for name in ("realized", "unrealized", "fees")]
    assert lines["profit"][1] == pytest.approx([sum(each) for each in zip(*parts, strict=True)])


def test_a_profit_chart_without_times_has_the_sequence_numbers_of_the_events() -> None:
    account = traded_account()
    ax = profit_chart(account, "XYZ", "maker", ax=new_axes())
    x, _ = drawn(ax)["profit"]
    assert x[:-1] == [point.sequence for point in account.curve("XYZ", "maker")]
    assert ax.get_xlabel() == "event"


def test_the_money_of_a_profit_chart_is_that_of_the_source_or_of_an_argument_or_ticks_times_lots() -> None:
    account = traded_account()

    def label(account: Account, **arguments: Any) -> str:
        return profit_chart(account, "XYZ", "maker", **arguments, ax=new_axes()).get_ylabel()

    assert label(account) == "profit (USD)"
    assert label(account, instrument=CENTS) == "profit (1 tick x 1 lot = 0.01)"
    assert label(account, ticks=True) == label(account.copy()) == "profit (ticks x lots)"


def test_a_profit_chart_of_one_fill_and_of_no_owner_is_drawn() -> None:
    engine = MatchingEngine()
    account = Account(engine, record=True)
    engine.submit(1, "XYZ", SELL, 5, 101, owner="Ann")
    engine.submit(2, "XYZ", BUY, 5, 101)
    ax = profit_chart(account, "XYZ", ax=new_axes())
    assert ax.get_title() == "XYZ: profit"
    assert drawn(ax)["profit"] == ([2, 3], [0, 0])
    rendered(ax)
