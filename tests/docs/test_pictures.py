"""The pictures in the docs: each is described, small, and up to date."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import page_pictures
import pictures
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLOTS = [
    *["capacity", "cost_curve", "depth_chart", "heatmap", "ladder", "liquidity_bands", "performance"],
    *["profit_chart", "simulation"],
]
HINT = "run `.venv/bin/python docs/pictures.py`, look at the pictures, and commit them"


def descriptions() -> dict[Path, list[str]]:
    """Return the descriptions of every picture on a page."""
    texts: dict[Path, list[str]] = {}
    for page in PAGES:
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            texts.setdefault((page.parent / target).resolve(), []).append(alt)
    return texts


def test_every_picture_file_is_on_a_page_and_every_picture_on_a_page_is_a_file() -> None:
    files = {path.resolve() for path in pictures.PICTURES.iterdir()}
    assert set(descriptions()) == files
    assert {path.stem for path in files} == {*PLOTS, "command_ladder", *page_pictures.NAMES}


def test_a_picture_has_a_description_of_at_least_six_words() -> None:
    assert [alt for alts in descriptions().values() for alt in alts if len(alt.split()) < 6] == []


def test_a_picture_has_less_than_60_kilobytes() -> None:
    assert {path.name for path in pictures.PICTURES.iterdir() if path.stat().st_size >= 60_000} == set()


@pytest.mark.parametrize("page", ["page", "engine_page"])
def test_a_page_has_a_light_and_a_dark_picture(page: str) -> None:
    light, dark = (
        Image.open(pictures.PICTURES / f"{page}_{scheme}.png").convert("L") for scheme in ("light", "dark")
    )
    assert light.size == dark.size
    assert ImageStat.Stat(light).median[0] > 200
    assert ImageStat.Stat(dark).median[0] < 55


@pytest.mark.long
def test_the_pictures_of_the_pages_are_the_same_in_each_run() -> None:
    first, second = page_pictures.pages(), page_pictures.pages()
    if not first:
        pytest.skip("no chromium is installed")
    assert tuple(first) == page_pictures.NAMES
    assert [name for name in first if not pictures.looks_like(first[name], second[name])] == []
    stored = {name: Image.open(pictures.PICTURES / f"{name}.png").convert("RGB") for name in first}
    assert {name: image.size for name, image in stored.items()} == {
        name: image.size for name, image in first.items()
    }, HINT


def test_a_file_is_written_only_if_its_picture_has_changed(tmp_path: Path) -> None:
    path, image = tmp_path / "a.png", Image.new("RGB", (90, 30), "white")
    pictures.update(path, image)
    before = path.read_bytes()
    image.putpixel((3, 3), (0, 0, 0))
    pictures.update(path, image)
    assert path.read_bytes() == before
    ImageDraw.Draw(image).text((5, 5), "7", "black")
    pictures.update(path, image)
    assert path.read_bytes() != before
    pictures.update(path, image.resize((80, 30)))
    assert Image.open(path).convert("RGB").size == (80, 30)


@pytest.fixture(scope="module")
def plots() -> dict[str, Image.Image]:
    return pictures.plots()


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_in_the_docs_equals_the_plot_that_the_code_draws(
    name: str, plots: dict[str, Image.Image]
) -> None:
    stored = Image.open(pictures.PICTURES / f"{name}.png").convert("RGB")
    current = plots[name].convert("RGB")
    assert current.size == stored.size
    # A few pixels may differ, because fonts differ slightly between versions of matplotlib.
    histogram = ImageChops.difference(stored, current).convert("L").histogram()
    assert sum(histogram[48:]) < 0.005 * current.width * current.height, HINT


def test_the_ladder_in_the_docs_equals_the_output_of_the_command() -> None:
    stored = (pictures.PICTURES / "command_ladder.svg").read_text(encoding="utf-8")
    current = pictures.command_ladder()
    assert words(stored) == words(current), HINT
    assert colors(stored) == colors(current), HINT
    assert "//" not in re.sub(r'xmlns="[^"]*"', "", current), "a picture loads nothing from other servers"


def words(svg: str) -> list[str]:
    return [
        unescape(text).replace("\N{NO-BREAK SPACE}", " ") for text in re.findall(r">([^<>]+)</text>", svg)
    ]


def colors(svg: str) -> list[str]:
    return sorted(set(re.findall(r"#[0-9a-f]{6}", svg)))
