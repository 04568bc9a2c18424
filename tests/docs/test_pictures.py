"""The pictures in the docs: each has a description, is small, and shows what the code draws today."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pictures
import pytest
from PIL import Image, ImageChops, ImageStat

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLOTS = ["cost_curve", "depth_chart", "heatmap", "ladder", "liquidity_bands"]
AGAIN = "run `.venv/bin/python docs/pictures.py`, look at the pictures, and commit them"


def shown() -> dict[Path, list[str]]:
    """Return the descriptions of every picture that a page shows."""
    found: dict[Path, list[str]] = {}
    for page in PAGES:
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            found.setdefault((page.parent / target).resolve(), []).append(alt)
    return found


def test_every_picture_is_on_a_page_and_every_page_has_its_pictures() -> None:
    made = {path.resolve() for path in pictures.PICTURES.iterdir()}
    assert set(shown()) == made
    assert {path.stem for path in made} == {*PLOTS, "command_ladder", "page_dark", "page_light"}


def test_a_picture_has_a_description_for_readers_who_do_not_see_it() -> None:
    assert [alt for alts in shown().values() for alt in alts if len(alt.split()) < 6] == []


def test_a_picture_is_small() -> None:
    assert {path.name for path in pictures.PICTURES.iterdir() if path.stat().st_size >= 60_000} == set()


def test_the_page_is_shown_in_light_and_in_dark() -> None:
    light, dark = (
        Image.open(pictures.PICTURES / f"page_{scheme}.png").convert("L") for scheme in ("light", "dark")
    )
    assert light.size == dark.size
    assert ImageStat.Stat(light).median[0] > 200
    assert ImageStat.Stat(dark).median[0] < 55


@pytest.fixture(scope="module")
def drawn() -> dict[str, Image.Image]:
    return pictures.plots()


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_in_the_docs_is_what_the_code_draws(name: str, drawn: dict[str, Image.Image]) -> None:
    kept = Image.open(pictures.PICTURES / f"{name}.png").convert("RGB")
    now = drawn[name].convert("RGB")
    assert now.size == kept.size
    # Fonts differ a little from one version of matplotlib to the next, so a few pixels may.
    histogram = ImageChops.difference(kept, now).convert("L").histogram()
    assert sum(histogram[48:]) < 0.005 * now.width * now.height, AGAIN


def test_the_ladder_in_the_docs_is_what_the_command_prints() -> None:
    kept = (pictures.PICTURES / "command_ladder.svg").read_text(encoding="utf-8")
    now = pictures.command_ladder()
    assert words(kept) == words(now), AGAIN
    assert colors(kept) == colors(now), AGAIN
    assert "//" not in re.sub(r'xmlns="[^"]*"', "", now), "a picture loads nothing from elsewhere"


def words(svg: str) -> list[str]:
    return [
        unescape(text).replace("\N{NO-BREAK SPACE}", " ") for text in re.findall(r">([^<>]+)</text>", svg)
    ]


def colors(svg: str) -> list[str]:
    return sorted(set(re.findall(r"#[0-9a-f]{6}", svg)))
