"""The site, built into a folder, and what its pages say."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

ROOT = Path(__file__).parents[2]


def build(folder: Path) -> str:
    """Build the site as CI does, and return what was complained about."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    options = ["-d", str(folder / "doctrees")]
    built = subprocess.run(
        [*command, *options, str(ROOT / "docs"), str(folder / "site")],
        capture_output=True,
        text=True,
        check=False,
    )
    return built.stderr + built.stdout + ("" if built.returncode == 0 else f"exit {built.returncode}")


def documented_names(site: Path) -> set[str]:
    """Every Python name that the reference has, from the list that a site offers to other sites."""
    lines = (site / "objects.inv").read_bytes().split(b"\n", 4)
    listed = zlib.decompress(lines[4]).decode().splitlines()
    return {line.split()[0] for line in listed if line.split()[1].startswith("py:")}


def signatures(page: Path) -> dict[str, str]:
    """Every signature on a page of the reference as a reader sees it, by the name that it belongs to."""
    found = re.findall(r'<dt class="sig[^>]*id="([^"]+)">(.*?)</dt>', page.read_text("utf-8"), re.DOTALL)
    texts = ((name, unescape(re.sub(r"<[^>]+>", "", html))) for name, html in found)
    return {name: " ".join(text.split()) for name, text in texts}


@dataclass
class Page(HTMLParser):
    """What a page links to (with or without an anchor), what it loads, and its own anchors."""

    path: Path
    links: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)
    anchors: set[str] = field(default_factory=lambda: {""})

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        elif "src" in found or (tag == "link" and "href" in found):
            self.loads.add(found.get("src", found.get("href", "")))

    def targets(self) -> set[tuple[Path, str]]:
        """The files within the site that it links to or loads, and the anchors in them."""
        inside = {link for link in self.links | self.loads if "://" not in link and "data:" not in link}
        split = (urldefrag(link) for link in inside)
        return {(self._file(unquote(path.split("?")[0])), unquote(anchor)) for path, anchor in split}

    def _file(self, path: str) -> Path:
        return (self.path.parent / path).resolve() if path else self.path
