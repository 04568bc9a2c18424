"""The notebooks run from top to bottom, and their stored outputs are up to date."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
import pictures
import pytest
from matplotlib import pyplot as plt

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def code_of(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(path: Path) -> dict[str, Any]:
    """Run the cells, and return their namespace, in which `_` is the value of the last cell."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(code_of(path), 1):
        tree = ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{path.name}, code cell {number}", "exec"), namespace)  # noqa: S102  # our own notebooks
        if isinstance(last, ast.Expr):
            code = compile(ast.Expression(last.value), f"{path.name}, code cell {number}", "eval")
            namespace["_"] = eval(code, namespace)  # noqa: S307  # our own notebooks
    return namespace


@pytest.fixture(autouse=True)
def _without_a_screen() -> Iterator[None]:
    matplotlib.use("agg")
    yield
    plt.close("all")


def outputs_of(cell: Any) -> list[Any]:
    """Return the outputs of a cell: texts and tables, and "a picture" in place of a picture."""
    outputs: list[Any] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            # A text can arrive in several pieces, depending on the time between the prints.
            is_continued = outputs and outputs[-1][0] == output.name
            before = outputs.pop()[1] if is_continued else ""
            outputs.append((output.name, before + output.text))
        else:
            data = {
                kind: "a picture" if kind.startswith("image/") else text for kind, text in output.data.items()
            }
            outputs.append((output.output_type, data))
    return outputs


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_stored_with_its_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    stored_pictures = [data for cell in cells for _, data in outputs_of(cell) if "image/png" in data]
    assert len(stored_pictures) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_that_runs_again_has_its_stored_outputs(path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    again = pictures.executed(path)
    for before, after in zip(stored.cells, again.cells, strict=True):
        if before.cell_type == "code":
            assert outputs_of(after) == outputs_of(before), (
                "run `.venv/bin/python docs/pictures.py` and commit"
            )


def test_the_replayed_session_agrees_with_its_recording(capsys: pytest.CaptureFixture[str]) -> None:
    report = run(NOTEBOOKS[1])["report"]
    assert report.agrees
    assert report.trades == report.trades_equal_fills > 100
    assert report.states == report.states_equal > 1_000
    assert not report.rejected
    assert "agrees" in capsys.readouterr().out.splitlines()


def test_the_large_order_is_traded_at_the_quoted_price() -> None:
    names = run(NOTEBOOKS[0])
    assert names["_"] is True
    parts, quote, costs = names["parts"], names["quote"], names["costs"]
    assert sum(parts) == quote.total_price == costs[1]
    assert list(costs.values()) == sorted(costs.values(), reverse=True)
