"""The tables of a run, as Markdown: which drivers ran, how fast each is, and which targets are met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from peers.catalogue import DRIVERS, OMS, PEERS
from peers.environments import Environment
from peers.ratios import Measurements
from peers.targets import (
    BITGET_MESSAGE,
    BITSTAMP_EVENT,
    BOT,
    LOBSTER_EVENT,
    OKX_MESSAGE,
    TARGETS,
    Reading,
    Target,
    verdict,
)
from peers.workload import DEPTHS

TABLES: dict[str, tuple[str, ...]] = {
    "Quotes on an unchanged book, ns": tuple(f"quote {k}" for k in DEPTHS),
    "Quotes right after a change at the best price, ns": tuple(f"changed {k}" for k in DEPTHS),
    "Orders, trades, and a recorded session, ns": ("add", "replace", "remove", "trade", "message", BOT),
    "Memory and import": ("bytes", "import ms"),
    "Replays of recordings, ns for an event or a message": (
        LOBSTER_EVENT,
        BITSTAMP_EVENT,
        OKX_MESSAGE,
        BITGET_MESSAGE,
    ),
}

LEGEND = (
    "The figure in parentheses is the time or memory of oms divided by the time or memory of the peer, "
    "in the same rounds. Below 1, oms is faster or smaller.",
    "A later interpreter measures only both versions of oms, the bare container, and the peers whose "
    "newest release needs it.",
)


@dataclass(frozen=True)
class Results:
    """The results on one interpreter."""

    environment: Environment
    measured: Measurements
    failed: dict[str, str]


def report(results: Sequence[Results], notes: Iterable[str]) -> str:
    """Return all tables. The targets are last, so that they stay visible in a terminal."""
    parts = ["\n".join(f"- {note}" for note in (*notes, *LEGEND)), who(results)]
    for result in results:
        parts.append(f"### {result.environment.label}\n\n{result.environment.build}")
        parts.extend(f"{title}\n\n{speeds(result.measured, columns)}" for title, columns in TABLES.items())
    return "\n\n".join([*parts, "### Targets", targets(results), summary(results)]) + "\n"


def who(results: Sequence[Results]) -> str:
    """Return the table of peers: core, license, release on each interpreter, and missing features."""
    labels = [result.environment.label for result in results]
    rows = [
        [
            name,
            DRIVERS[name].core,
            DRIVERS[name].license,
            *(release(name, result) for result in results),
            DRIVERS[name].lacks,
        ]
        for name in PEERS
    ]
    return table(["peer", "core", "license", *labels, "not supported"], rows)


def release(name: str, result: Results) -> str:
    """Return the release of a peer on an interpreter, or the reason why there is none."""
    environment = result.environment
    if name in environment.unavailable:
        return f"not installed: {environment.unavailable[name]}"
    if name not in environment.installed:
        return "-"
    failed = f" ({result.failed[name]})" if name in result.failed else ""
    return environment.installed[name] + failed


def speeds(measured: Measurements, columns: Sequence[str]) -> str:
    """Return a table with one row per driver: its figures, with the ratios of oms in parentheses."""
    rows = [[name, *(cell(measured, name, column) for column in columns)] for name in measured.drivers()]
    return table(["driver", *columns], rows)


def cell(measured: Measurements, name: str, column: str) -> str:
    """Return one figure with its ratio, or a dash if there is no figure."""
    figure, ratio = measured.typical(name, column), measured.ratio(column, OMS, name)
    if figure is None:
        return "-"
    if name == OMS or ratio is None or column == "import ms":  # some import times are smaller than the noise
        return f"{figure:,.0f}"
    return f"{figure:,.0f} ({times(ratio)})"


def times(ratio: float) -> str:
    """Format a ratio with two or three significant digits.

    >>> times(0.0312), times(1.5), times(123.4)
    ('0.031x', '1.50x', '123x')

    """
    digits = 0 if ratio >= 100 else 1 if ratio >= 10 else 2 if ratio >= 0.1 else 3
    return f"{ratio:.{digits}f}x"


def readings(target: Target, results: Sequence[Results]) -> dict[str, Reading]:
    """Return the reading of a target on each interpreter."""
    by_label = {result.environment.label: target.read(result.measured) for result in results}
    return {label: reading for label, reading in by_label.items() if reading is not None}


def targets(results: Sequence[Results]) -> str:
    """Return the table of targets, with readings and verdicts."""
    labels = [result.environment.label for result in results]
    rows = []
    for target in TARGETS:
        by_label = readings(target, results)
        cells = [shown(target, by_label[label]) if label in by_label else "-" for label in labels]
        rows.append([target.row, target.claim, limit(target), *cells, verdict(target, by_label)])
    return table(["operation", "measure", "at most", *labels, "verdict"], rows)


def shown(target: Target, reading: Reading) -> str:
    """Format a reading, with the name of the peer if there is one."""
    number = times(reading.figure) if target.unit == "x" else f"{reading.figure:,.0f} {target.unit}"
    return f"{number} ({reading.whose})" if reading.whose else number


def limit(target: Target) -> str:
    """Format the limit in the unit of the target."""
    if target.limit is None:
        return ""
    return f"{target.limit:.3g}x" if target.unit == "x" else f"{target.limit:g} {target.unit}"


def summary(results: Sequence[Results]) -> str:
    """Return a table with one row per operation: pass, or the number of missed measures."""
    verdicts: dict[str, list[list[str]]] = {}
    for target in TARGETS:
        by_result = verdicts.setdefault(target.row, [[] for _ in results])
        for words, result in zip(by_result, results, strict=True):
            words.append(verdict(target, readings(target, [result])))
    labels = [result.environment.label for result in results]
    return table(["operation", *labels], [[row, *map(overall, words)] for row, words in verdicts.items()])


def overall(verdicts: Sequence[str]) -> str:
    """Combine several verdicts into one.

    >>> overall(["pass", "to watch"]), overall(["pass", "miss"]), overall(["pass", "not measured"])
    ('pass', 'miss: 1 of 2', 'pass (1 not measured)')

    """
    judged = [word for word in verdicts if word in ("pass", "miss")]
    missed, unmeasured = judged.count("miss"), verdicts.count("not measured")
    if not judged:
        return "not measured"
    word = f"miss: {missed} of {len(judged)}" if missed else "pass"
    return f"{word} ({unmeasured} not measured)" if unmeasured else word


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table with aligned columns."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    ruled = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in ruled
    )
