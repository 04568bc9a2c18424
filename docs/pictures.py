"""A command that regenerates all images of the docs and runs the notebooks.

Usage: `.venv/bin/python docs/pictures.py [FOLDER]`. Run the command after you change a plot, the web page, or
the ladder. The plots and the ladder show a synthetic session that is the same in every run. The images of the
web page need Chromium. Without Chromium, the command creates only the other images and prints a message.
"""

from __future__ import annotations

import argparse
import base64
import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import capacity_chart
import nbformat
import page_pictures
import performance_chart
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from nbclient import NotebookClient
from PIL import Image, ImageChops
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from oms import (
    Account,
    FeeSchedule,
    Instrument,
    MatchingEngine,
    OrderManagement,
    Side,
    notebook,
)
from oms.cli.ladder import ladder
from oms.cli.synthetic_session import SYMBOL, write_session
from oms.feeds import Recorder, lobster, replay
from oms.feeds.history import BookHistory
from oms.simulation import FundamentalValue, Simulation, new_agents

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"
NOTEBOOKS = DOCS / "notebooks"
_COLORS = 64  # enough for a plot, and reduces the size to a third
_PAGE_COLORS = 128
_EDGES = 8  # pixels, which is less than one digit
_CLEARLY = 48  # of 255
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
    """Return an image of each plot of `oms.notebook` and of the two charts of measured figures, by name."""
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
    sizes = capacity_chart.figure(capacity_chart.PAGE.read_text(encoding="utf-8"))
    return {**images, "performance": _image(chart), "capacity": _image(sizes)}


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


def looks_like(image: Image.Image, stored: Image.Image) -> bool:
    """Return True if two images are equal, except for a few pixels at the edges of letters and lines.

    The browser does not smooth these edges in the same way each time.
    """
    if stored.size != image.size:
        return False
    histogram = ImageChops.difference(stored.convert("RGB"), image.convert("RGB")).convert("L").histogram()
    return sum(histogram[_CLEARLY:]) <= _EDGES


def update(path: Path, image: Image.Image, colors: int = _COLORS) -> None:
    """Write an image to a file, unless the file already looks like the image."""
    new = io.BytesIO()
    save(image, new, colors)
    stored = io.BytesIO(path.read_bytes()) if path.exists() else None
    if stored is None or not looks_like(Image.open(new), Image.open(stored)):
        path.write_bytes(new.getvalue())


def save(image: Image.Image, path: Path | io.BytesIO, colors: int = _COLORS) -> None:
    """Write a PNG file with a palette of few colors, which makes the file small."""
    # MAXCOVERAGE keeps the colors of a few pixels, such as the green lamp of the page.
    method = Image.Quantize.MAXCOVERAGE if colors == _PAGE_COLORS else Image.Quantize.MEDIANCUT
    flat = image.convert("RGB").quantize(colors, method=method, dither=Image.Dither.NONE)
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


# ------------------------------------------------------------------ notebooks


def executed(path: Path) -> Any:
    """Run a notebook and return it with its outputs, without metadata that differs between runs."""
    book = nbformat.read(path, as_version=4)
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
    for name, image in plots().items():
        update(folder / f"{name}.png", image)
    for name, image in page_pictures.pages().items():
        update(folder / f"{name}.png", image, _PAGE_COLORS)
    (folder / "command_ladder.svg").write_text(command_ladder(), encoding="utf-8")
    for path in sorted(NOTEBOOKS.glob("*.ipynb")) if folder == PICTURES else ():
        nbformat.write(executed(path), path)
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:>7,} {path.name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Regenerate all images of the docs and run the notebooks.")
    parser.add_argument("folder", nargs="?", type=Path, default=PICTURES, help="default: docs/pictures")
    main(parser.parse_args().folder)
