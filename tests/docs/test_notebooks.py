"""The notebooks run from top to bottom, and are stored without outputs."""

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
    """Run the cells in one namespace, as a kernel does; return it, with the value of the last cell as `_`."""
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


def outputs_of(cell: Any) -> list[Any]:
    """Return what a cell shows: its text and tables as they are, and of a picture only that there is one."""
    shown: list[Any] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            # One text can arrive in one piece or in several: how many depends on the time between the prints.
            continued = shown and shown[-1][0] == output.name
            before = shown.pop()[1] if continued else ""
            shown.append((output.name, before + output.text))
        else:
            data = {
                kind: "a picture" if kind.startswith("image/") else text for kind, text in output.data.items()
            }
            shown.append((output.output_type, data))
    return shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # it has no types
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    pictures_kept = [data for cell in cells for _, data in outputs_of(cell) if "image/png" in data]
    assert len(pictures_kept) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_that_runs_again_shows_what_it_is_kept_with(path: Path) -> None:
    kept = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # as above
    again = pictures.executed(path)
    for before, after in zip(kept.cells, again.cells, strict=True):
        if before.cell_type == "code":
            assert outputs_of(after) == outputs_of(before), (
                "run `.venv/bin/python docs/pictures.py` and commit"
            )


def test_the_replayed_session_agrees_with_its_recording(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(NOTEBOOKS[1])
    report = found["report"]
    assert report.agrees
    assert report.trades == report.trades_equal_fills > 100
    assert report.states == report.states_equal > 1_000
    assert not report.rejected
    assert "agrees" in capsys.readouterr().out.splitlines()


def test_the_large_order_is_traded_at_the_quoted_price() -> None:
    found = run(NOTEBOOKS[0])
    assert found["_"] is True
    parts, quote, costs = found["parts"], found["quote"], found["costs"]
    assert sum(parts) == quote.total_price == costs[1]
    assert list(costs.values()) == sorted(costs.values(), reverse=True)
