"""The notebooks run from top to bottom, and are kept without what they print."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
import pytest
from matplotlib import pyplot as plt

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def code_of(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(path: Path) -> dict[str, Any]:
    """Run the cells in one namespace, as a kernel does; return it, with the value of the last one as `_`."""
    found: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(code_of(path), 1):
        tree = ast.parse(source)
        shown = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{path.name}, code cell {number}", "exec"), found)  # noqa: S102  # our own notebooks
        if isinstance(shown, ast.Expr):
            code = compile(ast.Expression(shown.value), f"{path.name}, code cell {number}", "eval")
            found["_"] = eval(code, found)  # noqa: S307  # as above
    return found


@pytest.fixture(autouse=True)
def _without_a_screen() -> Iterator[None]:
    matplotlib.use("agg")
    yield
    plt.close("all")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_sound_and_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # it has no types
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


def test_the_session_agrees_with_what_it_published(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(NOTEBOOKS[1])
    report = found["report"]
    assert report.agrees
    assert report.trades == report.trades_equal_fills > 100
    assert report.states == report.states_equal > 1_000
    assert not report.refused
    assert "agrees" in capsys.readouterr().out.splitlines()


def test_the_large_order_is_traded_at_the_price_that_was_shown() -> None:
    found = run(NOTEBOOKS[0])
    assert found["_"] is True
    parts, quote, costs = found["parts"], found["quote"], found["costs"]
    assert sum(parts) == quote.total_price == costs[1]
    assert list(costs.values()) == sorted(costs.values(), reverse=True)
