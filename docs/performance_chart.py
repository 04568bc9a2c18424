"""The chart of the page about performance: the times in its first table, as bars on a logarithmic scale."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

PAGE = Path(__file__).parent / "explanation" / "performance.md"
_OURS, _BASELINE = "#c2410c", "#57606a"
_KINDS = {"oms": _OURS, "baseline": _BASELINE, "pure Python": "#d9b65c", "compiled": "#9fb3c8"}
_COLUMNS = 2
_INCHES = (8.0, 7.2)
_DPI = 100


class Bar(NamedTuple):
    """The time of one operation in one library, in nanoseconds."""

    library: str
    kind: str
    ns: float


def bars(page: str) -> dict[str, list[Bar]]:
    r"""Return the bars of each operation, from the first table whose first column is "library".

    The second column is the programming language. Cells without a number are left out.

    >>> table = ["| library | core | add |", "|---|---|--:|", "| oms | Python | 1,200 |", "| x | C | - |"]
    >>> bars("\n".join(table))
    {'add': [Bar(library='oms', kind='oms', ns=1200.0)]}

    """
    header, _, *rows = _table(page.splitlines())
    operations: dict[str, list[Bar]] = {operation: [] for operation in header[2:]}
    for library, core, *cells in rows:
        for operation, cell in zip(header[2:], cells, strict=True):
            number = re.match(r"[\d,]+", cell)
            if number is not None:
                ns = float(number[0].replace(",", ""))
                operations[operation].append(Bar(library, _kind(library, core), ns))
    return operations


def _kind(library: str, core: str) -> str:
    if library in {"oms", "baseline"}:
        return library
    return "pure Python" if core == "Python" else "compiled"


def _table(lines: Iterable[str]) -> list[list[str]]:
    rows: list[list[str]] = []
    for line in lines:
        cells = [cell.strip(" *`") for cell in line.strip().strip("|").split("|")]
        if rows and not line.startswith("|"):
            break
        if rows or cells[0] == "library":
            rows.append(cells)
    return rows


def figure(operations: dict[str, list[Bar]]) -> Figure:
    """Draw one panel per operation, with one bar per library and the fastest library at the top."""
    drawn = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    rows = -(-len(operations) // _COLUMNS)
    panels = drawn.subplots(rows, _COLUMNS, squeeze=False).flat
    for panel, (operation, measured) in zip(panels, operations.items(), strict=False):
        _draw(panel, operation, sorted(measured, key=lambda bar: -bar.ns))
    patches = [Patch(color=color, label=kind) for kind, color in _KINDS.items()]
    drawn.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False, fontsize=8)
    return drawn


def _draw(panel: Axes, operation: str, slowest_first: list[Bar]) -> None:
    for row, bar in enumerate(slowest_first):
        panel.barh(row, bar.ns, color=_KINDS[bar.kind], height=0.75)
        at = (bar.ns * 1.06, row)
        panel.text(*at, _shown(bar.ns), verticalalignment="center", fontsize=7)
    panel.set_xscale("log")
    panel.set_xlim(slowest_first[-1].ns / 2, slowest_first[0].ns * 4)
    panel.set_yticks(range(len(slowest_first)), [bar.library for bar in slowest_first], fontsize=7)
    for text in panel.get_yticklabels():
        if text.get_text() == "oms":
            text.set_fontweight("bold")
    panel.set_xticks([])
    panel.minorticks_off()
    panel.spines[["top", "right", "bottom"]].set_visible(False)
    panel.set_title(operation, fontsize=9, loc="left")


def _shown(ns: float) -> str:
    """Return a time with its unit.

    >>> _shown(410), _shown(1_762), _shown(109_000)
    ('410 ns', '1.8 µs', '109 µs')

    """
    if ns < 1_000:
        return f"{ns:.0f} ns"
    return f"{ns / 1_000:.1f} µs" if ns < 10_000 else f"{ns / 1_000:.0f} µs"
