"""A command that regenerates all images of the docs and runs the notebooks.

Usage: `.venv/bin/python docs/pictures.py [FOLDER]`. Run the command after you change a plot, the web page, or
the ladder. The plots and the ladder show a synthetic session that is the same in every run. The images of the
web page need Chromium. Without Chromium, the command creates only the other images and prints a message.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Literal

import nbformat
import performance_chart
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from nbclient import NotebookClient
from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright
from playwright.sync_api import Page as BrowserPage
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from oms import (
    Account,
    FeeSchedule,
    Instrument,
    MatchingEngine,
    OrderManagement,
    Side,
    TimeInForce,
    notebook,
)
from oms.api import ApiKey
from oms.api.keys import as_entry
from oms.cli.ladder import ladder
from oms.cli.synthetic_session import SYMBOL, write_session
from oms.client import Client, EngineClient
from oms.feeds import Recorder, lobster, replay
from oms.feeds.history import BookHistory
from oms.simulation import FundamentalValue, Simulation, new_agents

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"
NOTEBOOKS = DOCS / "notebooks"
_COLORS = 64  # enough for a plot or the page, and reduces the size to a third
_INCHES = (8.0, 4.0)
_DPI = 100
_NINE = 9 * 3600 * 10**9  # nine o'clock, in nanoseconds


# ------------------------------------------------------------------ plots


def session() -> tuple[OrderManagement, BookHistory]:
    """Replay the session of `oms demo`, and return the final books and the recorded history."""
    om, recorder = OrderManagement(), Recorder(every=20, levels=15)
    with TemporaryDirectory() as folder:
        recording = lobster.read(write_session(Path(folder), rows=6_000))
        replay(recording, om, symbol=SYMBOL, recorder=recorder)
    return om, recorder.history(SYMBOL)


def market_maker(trades: int = 400) -> Account:
    """Return the account of a market maker, who quotes around a random mid price and trades for an hour."""
    random, seconds = Random(4), iter(range(trades * 10))
    dollars = Instrument("0.01", "1", currency="USD")
    engine = MatchingEngine(instruments={SYMBOL: dollars}, clock=lambda: next(seconds) * 3 * 10**9 + _NINE)
    account = Account(engine, fees=FeeSchedule(maker_bps="0.2", taker_bps=1), record=True)
    mid, lots = 58_700, 0
    for number in range(trades):
        mid += random.choice((-2, -1, 0, 0, 1, 2))
        quoted = mid - lots // 300  # a long position lowers both quotes
        for side, price in ((Side.BUY, quoted - 4), (Side.SELL, quoted + 4)):
            engine.submit(f"{side}-{number}", SYMBOL, side, 100, price, owner="maker")
        side = random.choice(list(Side))
        engine.submit(number, SYMBOL, side, random.randint(20, 90), owner="others")
        engine.cancel_all(owner="maker")
        lots = account.position(SYMBOL, "maker").amount
    return account


def plots() -> dict[str, Image.Image]:
    """Return an image of each plot of `oms.notebook` and of the performance chart, by name."""
    om, history = session()
    unit = history.instrument
    draw: dict[str, Callable[[Axes], Axes]] = {
        "depth_chart": lambda ax: notebook.depth_chart(om, SYMBOL, instrument=unit, ax=ax),
        "cost_curve": lambda ax: notebook.cost_curve(om, SYMBOL, Side.BUY, instrument=unit, ax=ax),
        "ladder": lambda ax: notebook.ladder(om, SYMBOL, instrument=unit, ax=ax),
        "heatmap": lambda ax: notebook.heatmap(history, ax=ax),
        "liquidity_bands": lambda ax: notebook.liquidity_bands(history, ax=ax),
        "profit_chart": lambda ax: notebook.profit_chart(market_maker(), SYMBOL, "maker", ax=ax),
    }
    images = {name: _plot(plot) for name, plot in draw.items()}
    images["simulation"] = _image(simulated_market())
    chart = performance_chart.figure(performance_chart.bars(performance_chart.PAGE.read_text()))
    return {**images, "performance": _image(chart)}


def simulated_market() -> Figure:
    """Return the chart of the day that `oms simulate` simulates."""
    value = FundamentalValue(seed=1)
    simulation = Simulation(new_agents(1, "SIM", value), value)
    for _ in simulation:
        pass
    return notebook.simulation_chart(simulation.report(), figure=Figure((8.0, 8.0), layout="constrained"))


def _plot(draw: Callable[[Axes], Axes]) -> Image.Image:
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    draw(figure.add_subplot())
    return _image(figure)


def _image(figure: Figure) -> Image.Image:
    png = io.BytesIO()
    figure.savefig(png)
    return Image.open(png)


def save(image: Image.Image, path: Path | io.BytesIO) -> None:
    """Write a PNG file with a palette of few colors, which makes the file small."""
    flat = image.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
    flat.save(path, format="PNG", optimize=True)


# ------------------------------------------------------------------ the command's ladder

_TERMINAL = TerminalTheme(
    (255, 255, 255),
    (31, 35, 40),
    [
        (31, 35, 40),
        (194, 39, 31),
        (17, 99, 41),
        (122, 79, 1),
        (9, 105, 218),
        (130, 80, 223),
        (22, 110, 120),
        (110, 119, 129),
    ],
)
# The SVG template of rich, without the title bar and without the font from the network.
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
    font: {char_height}px/{line_height}px Menlo, Consolas, "DejaVu Sans Mono", monospace;
}}
{styles}
</style>
<defs>{lines}</defs>
<rect width="100%" height="100%" rx="8" fill="#ffffff" stroke="#d0d7de"/>
<g transform="translate(9, 4)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def command_ladder() -> str:
    """Return the ladder that `oms demo` and `oms replay` print, as SVG."""
    om, history = session()
    console = Console(
        record=True,
        file=io.StringIO(),
        width=76,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    console.print(ladder(om, SYMBOL, history.instrument, levels=6), width=74)
    return console.export_svg(theme=_TERMINAL, code_format=_SVG, unique_id="oms")


# ------------------------------------------------------------------ the page


_ANN, _BOB = "ann-key-of-the-picture", "bob-key-of-the-picture"


@contextmanager
def served(*options: str) -> Generator[str]:
    """Run `oms serve` with an instrument and without a journal, and yield its address."""
    share = ["--instrument", "JPM=0.01:1:USD"]
    command = [sys.executable, "-m", "oms", "serve", "--no-journal", "--port", "0", *share, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        try:
            assert process.stdout is not None
            yield next(line for line in process.stdout if "http://" in line).split()[-1]
        finally:
            process.terminate()


def fill_books(address: str) -> None:
    """Add a book of JPM and a few trades."""
    random = Random(7).random
    with Client(address) as om:
        for order_id in range(1, 61):
            side, sign = ((Side.BUY, 1), (Side.SELL, -1))[order_id % 2]
            price = 2_005 + sign * (1 + int(random() * 9))
            om.add_order(order_id, "JPM", side, 10 * (1 + int(random() * 12)), price)
        om.add_order(100, "IBM", Side.BUY, 50, 9_012)
        for side, amount in ((Side.BUY, 35), (Side.SELL, 120), (Side.BUY, 60)):
            om.place_trade("JPM", side, amount)


def fill_engine(address: str) -> None:
    """Submit orders of two owners, some of which trade."""
    random = Random(7).random
    with EngineClient(address, api_key=_BOB) as bob, EngineClient(address, api_key=_ANN) as ann:
        for number in range(60):
            side, sign = ((Side.SELL, 1), (Side.BUY, -1))[number % 2]
            price = 2_005 + sign * (2 + int(random() * 7))
            bob.submit(f"bob-{number}", "JPM", side, 10 * (1 + int(random() * 12)), price)
        bob.submit("bob-60", "IBM", Side.SELL, 50, 9_012)
        ann.submit("ann-1", "JPM", Side.BUY, 75, 2_004)
        bob.submit("bob-61", "JPM", Side.SELL, 30, 2_004)
        ann.submit("ann-2", "JPM", Side.SELL, 400, 2_011, display=50)
        ann.submit("ann-3", "JPM", Side.SELL, 45, stop_price=1_990)
        ann.submit("ann-4", "JPM", Side.BUY, 60, 2_007, time_in_force=TimeInForce.IOC)


def page(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> Image.Image:
    """Return a screenshot of the web page that shows the cost of a trade."""
    with _tab(browser, address, scheme, height=640) as tab:
        tab.get_by_label("Amount").first.fill("500")
        expect(tab.locator("#quote")).to_be_visible()
        return _screenshot(tab)


def engine_page(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> Image.Image:
    """Return a screenshot of the web page that shows the orders and the fills of Ann."""
    with _tab(browser, address, scheme, height=800) as tab:
        tab.get_by_label("API key").fill(_ANN)
        tab.get_by_role("button", name="Sign in").click()
        expect(tab.locator("#fills tr").first).to_be_visible()
        tab.get_by_label("Order id").fill("ann-5")
        tab.get_by_label("Amount", exact=True).fill("120")
        tab.get_by_role("button", name="20.02", exact=True).click()
        return _screenshot(tab)


@contextmanager
def _tab(
    browser: Browser, address: str, scheme: Literal["light", "dark"], height: int
) -> Generator[BrowserPage]:
    """Open the page of JPM, and close it at the end."""
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": 1120, "height": height}, reduced_motion="reduce"
    )
    try:
        tab = context.new_page()
        tab.goto(f"{address}/#/JPM")
        yield tab
    finally:
        context.close()


def _screenshot(tab: BrowserPage) -> Image.Image:
    return Image.open(io.BytesIO(tab.screenshot(animations="disabled")))


def pages() -> dict[str, Image.Image]:
    """Return screenshots of the two web pages in light and dark colors, or an empty dict without Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        print("chromium is not installed: the pictures of the page stay as they are", file=sys.stderr)
        return {}
    images: dict[str, Image.Image] = {}
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        keys = Path(folder, "keys.toml")
        owners = (ApiKey.of(_ANN, name="ann", owner="Ann"), ApiKey.of(_BOB, name="bob", owner="Bob"))
        keys.write_text("".join(map(as_entry, owners)))
        browser = playwright.chromium.launch(executable_path=executable, args=["--headless", "--no-sandbox"])
        try:
            for name, fill, shot, options in (
                ("page", fill_books, page, ()),
                ("engine_page", fill_engine, engine_page, ("--engine", "--keys-file", str(keys))),
            ):
                with served(*options) as address:
                    fill(address)
                    images |= {
                        f"{name}_{scheme}": shot(browser, address, scheme) for scheme in ("light", "dark")
                    }
        finally:
            browser.close()
    return images


# ------------------------------------------------------------------ notebooks


def executed(path: Path) -> Any:
    """Run a notebook and return it with its outputs, without metadata that differs between runs."""
    book = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no types
    with TemporaryDirectory() as folder:
        NotebookClient(book, record_timing=False, resources={"metadata": {"path": folder}}).execute()
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for output in (each for cell in book.cells for each in cell.get("outputs", ())):
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = _smaller(output.data["image/png"])
    return book


def _smaller(png: str) -> str:
    small = io.BytesIO()
    save(Image.open(io.BytesIO(base64.b64decode(png))), small)
    return base64.b64encode(small.getvalue()).decode()


# ------------------------------------------------------------------ the command


def main(folder: Path = PICTURES) -> None:
    """Write the images to `folder`, and update the notebooks if `folder` is `docs/pictures`."""
    folder.mkdir(exist_ok=True)
    for name, image in {**plots(), **pages()}.items():
        save(image, folder / f"{name}.png")
    (folder / "command_ladder.svg").write_text(command_ladder(), encoding="utf-8")
    for path in sorted(NOTEBOOKS.glob("*.ipynb")) if folder == PICTURES else ():
        nbformat.write(executed(path), path)  # type: ignore[no-untyped-call]  # nbformat has no types
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:>7,} {path.name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Regenerate all images of the docs and run the notebooks.")
    parser.add_argument("folder", nargs="?", type=Path, default=PICTURES, help="default: docs/pictures")
    main(parser.parse_args().folder)
