"""Functions that build the documentation site and read its pages."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urldefrag

ROOT = Path(__file__).parents[2]


def build(folder: Path) -> str:
    """Build the site as CI does, and return its warnings and errors as text."""
    import_module("matplotlib.font_manager")  # creates a cache once, and would log that among the warnings
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    options = ["-d", str(folder / "doctrees")]
    process = subprocess.run(
        [*command, *options, str(ROOT / "docs"), str(folder / "site")],
        capture_output=True,
        text=True,
        check=False,
    )
    return process.stderr + process.stdout + ("" if process.returncode == 0 else f"exit {process.returncode}")


def documented_names(site: Path) -> set[str]:
    """Return every Python name in the reference, from the site's inventory file."""
    lines = (site / "objects.inv").read_bytes().split(b"\n", 4)
    entries = zlib.decompress(lines[4]).decode().splitlines()
    return {line.split()[0] for line in entries if line.split()[1].startswith("py:")}


def signatures(page: Path) -> dict[str, str]:
    """Return the displayed text of every signature on a reference page, by Python name."""
    matches = re.findall(r'<dt class="sig[^>]*id="([^"]+)">(.*?)</dt>', page.read_text("utf-8"), re.DOTALL)
    texts = ((name, unescape(re.sub(r"<[^>]+>", "", html))) for name, html in matches)
    return {name: " ".join(text.split()) for name, text in texts}


@dataclass
class Page(HTMLParser):
    """A page with its links, the files that it loads, and its own anchors."""

    path: Path
    links: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)
    anchors: set[str] = field(default_factory=lambda: {""})

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if "id" in attributes:
            self.anchors.add(attributes["id"])
        if tag == "a" and "href" in attributes:
            self.links.add(attributes["href"])
        elif "src" in attributes or (tag == "link" and "href" in attributes):
            self.loads.add(attributes.get("src", attributes.get("href", "")))

    def targets(self) -> set[tuple[Path, str]]:
        """Return the files within the site that the page links to or loads, each with its anchor."""
        inside = {link for link in self.links | self.loads if "://" not in link and "data:" not in link}
        split = (urldefrag(link) for link in inside)
        return {(self._file(unquote(path.split("?")[0])), unquote(anchor)) for path, anchor in split}

    def _file(self, path: str) -> Path:
        return (self.path.parent / path).resolve() if path else self.path
