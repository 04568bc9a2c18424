"""The tables: who was measured, how fast each is, which targets are met. Markdown that reads well as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from peers.catalogue import DRIVERS, OMS, PEERS
from peers.environments import Environment
from peers.ratios import Measured
from peers.targets import BOT, TARGETS, Reading, Target, verdict
from peers.workload import DEPTHS

TABLES: dict[str, tuple[str, ...]] = {
    "Quotes on an unchanged book, ns": tuple(f"quote {k}" for k in DEPTHS),
    "Quotes right after a change at the best price, ns": tuple(f"changed {k}" for k in DEPTHS),
    "Orders, trades and a recorded session, ns": ("add", "remove", "trade", "message", BOT),
    "Memory and import": ("bytes", "import ms"),
}

LEGEND = (
    "In brackets: how many times as long (or as much) oms takes in the same rounds; below 1 oms is ahead.",
    "A later interpreter measures only peers whose newest release needs it, oms and the bare container.",
)


@dataclass(frozen=True)
class Results:
    """What was measured on one interpreter."""

    environment: Environment
    measured: Measured
    failed: dict[str, str]


def report(results: Sequence[Results], notes: Iterable[str]) -> str:
    """Everything, the targets last, where a terminal ends."""
    parts = ["\n".join(f"- {note}" for note in (*notes, *LEGEND)), who(results)]
    for result in results:
        parts.append(f"### {result.environment.label}\n\n{result.environment.build}")
        parts.extend(f"{title}\n\n{speeds(result.measured, columns)}" for title, columns in TABLES.items())
    return "\n\n".join([*parts, "### Targets", targets(results), summary(results)]) + "\n"


def who(results: Sequence[Results]) -> str:
    """Each peer: core, licence, release on each interpreter or why there is none, what it gives up."""
    labels = [result.environment.label for result in results]
    rows = [
        [
            name,
            DRIVERS[name].core,
            DRIVERS[name].licence,
            *(release(name, result) for result in results),
            DRIVERS[name].gives_up,
        ]
        for name in PEERS
    ]
    return table(["peer", "core", "licence", *labels, "what it gives up"], rows)


def release(name: str, result: Results) -> str:
    """What was measured of a peer on an interpreter, or why nothing."""
    environment = result.environment
    if name in environment.refused:
        return f"not installed: {environment.refused[name]}"
    if name not in environment.installed:
        return "-"
    failed = f" ({result.failed[name]})" if name in result.failed else ""
    return environment.installed[name] + failed


def speeds(measured: Measured, columns: Sequence[str]) -> str:
    """A line a driver: its figure, and in brackets how many times as long oms takes."""
    rows = [[name, *(cell(measured, name, column) for column in columns)] for name in measured.drivers()]
    return table(["driver", *columns], rows)


def cell(measured: Measured, name: str, column: str) -> str:
    """One figure with its ratio; a dash where there is none."""
    figure, ratio = measured.typical(name, column), measured.ratio(column, OMS, name)
    if figure is None:
        return "-"
    if (
        name == OMS or ratio is None or column == "import ms"
    ):  # some take no time that could be told from noise
        return f"{figure:,.0f}"
    return f"{figure:,.0f} ({times(ratio)})"


def times(ratio: float) -> str:
    """A ratio with as many digits as it deserves.

    >>> times(0.0312), times(1.5), times(123.4)
    ('0.031x', '1.50x', '123x')

    """
    digits = 0 if ratio >= 100 else 1 if ratio >= 10 else 2 if ratio >= 0.1 else 3
    return f"{ratio:.{digits}f}x"


def readings(target: Target, results: Sequence[Results]) -> dict[str, Reading]:
    """What each interpreter gave for a target."""
    found = {result.environment.label: target.read(result.measured) for result in results}
    return {label: reading for label, reading in found.items() if reading is not None}


def targets(results: Sequence[Results]) -> str:
    """Every target with its readings and its verdict."""
    labels = [result.environment.label for result in results]
    rows = []
    for target in TARGETS:
        found = readings(target, results)
        said = [shown(target, found[label]) if label in found else "-" for label in labels]
        rows.append([target.row, target.claim, limit(target), *said, verdict(target, found)])
    return table(["operation", "measure", "at most", *labels, "verdict"], rows)


def shown(target: Target, reading: Reading) -> str:
    """A reading, and whose it is."""
    number = times(reading.figure) if target.unit == "x" else f"{reading.figure:,.0f} {target.unit}"
    return f"{number} ({reading.whose})" if reading.whose else number


def limit(target: Target) -> str:
    """The limit in the target's unit."""
    if target.limit is None:
        return ""
    return f"{target.limit:g}x" if target.unit == "x" else f"{target.limit:g} {target.unit}"


def summary(results: Sequence[Results]) -> str:
    """A line a row: met, or how many of its measures are missed, on each interpreter."""
    verdicts: dict[str, list[list[str]]] = {}
    for target in TARGETS:
        by_result = verdicts.setdefault(target.row, [[] for _ in results])
        for said, result in zip(by_result, results, strict=True):
            said.append(verdict(target, readings(target, [result])))
    labels = [result.environment.label for result in results]
    return table(["operation", *labels], [[row, *map(overall, said)] for row, said in verdicts.items()])


def overall(verdicts: Sequence[str]) -> str:
    """One word for several.

    >>> overall(["pass", "to watch"]), overall(["pass", "miss"]), overall(["pass", "not measured"])
    ('pass', 'miss: 1 of 2', 'pass (1 not measured)')

    """
    judged = [said for said in verdicts if said in ("pass", "miss")]
    missed, unmeasured = judged.count("miss"), verdicts.count("not measured")
    if not judged:
        return "not measured"
    word = f"miss: {missed} of {len(judged)}" if missed else "pass"
    return f"{word} ({unmeasured} not measured)" if unmeasured else word


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    ruled = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in ruled
    )
