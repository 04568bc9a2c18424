"""The command `oms simulate`: its report, its plots, its JSON, and its options."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console
from rich.progress import Progress
from typer.testing import CliRunner

from oms.cli import app, run
from oms.cli import progress as progress_module
from oms.cli.progress import new_bar
from oms.cli.simulate import run as run_simulation
from oms.cli.simulation_plot import plotter
from oms.cli.simulation_report import Sparkline
from oms.extras import how_to_install
from oms.simulation import FundamentalValue, Simulation, new_agents

SHORT = ["simulate", "--seed", "7", "--steps", "600"]


def shown(*options: str) -> list[str]:
    """Return the lines of the report in a terminal of 80 columns."""
    result = CliRunner().invoke(app, ["simulate", *options], env={"COLUMNS": "80", "FORCE_COLOR": None})
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def printed_json(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    assert run(["simulate", *options, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    loaded = json.loads(out)
    assert isinstance(loaded, dict)
    return loaded


# ------------------------------------------------------------------ the report


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return shown("--seed", "7", "--steps", "600", "--symbol", "XYZ")


def test_the_report_begins_with_the_seed_and_the_counts(lines: list[str]) -> None:
    assert lines[0] == "XYZ, simulated with seed 7 (prices in ticks, amounts in lots)"
    assert lines[1].startswith("600 seconds, ")
    assert lines[1].endswith(" trades")


def test_the_report_shows_spread_depth_trades_and_volatility_over_time(lines: list[str]) -> None:
    header = next(line for line in lines if "volatility" in line)
    assert header.split() == [
        "from",
        "value",
        "mid",
        "spread",
        "asks",
        "bids",
        "trades",
        "volume",
        "volatility",
    ]
    times = [line.split()[0] for line in lines if line.endswith(" bps ") and "all" not in line]
    assert times == [f"0:{start // 60:02}:{start % 60:02}" for start in range(0, 600, 50)]


def test_the_report_shows_the_profit_of_each_kind_against_each_other_kind(lines: list[str]) -> None:
    rows = {line.split()[1]: line.split()[2:] for line in lines if line.startswith((" 2 ", " 20 "))}
    assert list(rows) == ["maker", "informed", "noise"]
    profits = [int(cells[2].replace(",", "")) for cells in rows.values()]
    assert sum(profits) == 0
    for cells, profit in zip(rows.values(), profits, strict=True):
        assert sum(int(cell.replace(",", "")) for cell in cells[4:]) == profit


def test_the_report_has_a_plot_of_each_column_with_its_least_and_largest_number(lines: list[str]) -> None:
    names = ["mid", "spread", "depth", "volume", "volatility"]
    rows = [line for line in lines if line.split() and line.split()[0] in names and "█" in line]
    assert [row.split()[0] for row in rows] == names
    for row in rows:
        _, plot, least, most = row.split()
        assert len(plot) == 40
        assert set(plot) <= set("▁▂▃▄▅▆▇█")
        assert float(least.replace(",", "")) < float(most.replace(",", ""))


@pytest.mark.parametrize("steps", ["1", "30", "5000"])
def test_the_report_fits_eighty_columns_without_truncated_numbers(steps: str) -> None:
    report = shown("--steps", steps)
    assert max(map(len, report)) <= 80
    assert "\u2026" not in "\n".join(report)


def test_a_market_without_prices_is_reported_without_numbers() -> None:
    report = "\n".join(shown("--steps", "20", "--makers", "0", "--informed", "0"))
    assert "none" in report
    assert "20 noise" in report


# ------------------------------------------------------------------ the sparkline


def drawn(numbers: list[float | None], encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=60, color_system=None).print(Sparkline(numbers))
    file.seek(0)
    return file.read().rstrip("\n")


def test_a_sparkline_is_higher_for_larger_numbers_and_has_a_gap_for_none() -> None:
    assert drawn([0, 1, 2, 3, None, 4, 5, 6, 7]) == "▁▂▃▄ ▅▆▇█"
    assert drawn([0, 1, 2, 3, None, 4, 5, 6, 7], "ascii") == "_.-: =+*#"


def test_a_sparkline_of_equal_numbers_is_flat_and_one_without_numbers_is_empty() -> None:
    assert drawn([5.5, 5.5, None]) == "▁▁ "
    assert drawn([None, None]) == "  "


def test_an_ascii_terminal_gets_only_ascii() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "oms", *SHORT],
        capture_output=True,
        encoding="ascii",
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert "#" in process.stdout
    assert process.stderr == ""


# ------------------------------------------------------------------ JSON


def test_the_json_object_has_the_totals_the_intervals_and_the_profits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printed = printed_json(capsys, "--seed", "7", "--steps", "600")
    value = FundamentalValue(7)
    simulation = Simulation(new_agents(7, "SIM", value), value, steps=600)
    assert list(simulation)[-1] == 600
    report = simulation.report()
    total = report.total
    assert total.mid is not None
    assert total.spread is not None
    assert total.ask_depth is not None
    assert total.bid_depth is not None
    intervals = printed.pop("intervals")
    assert printed == {
        "symbol": "SIM",
        "seed": 7,
        "first_step": 0,
        "steps": 600,
        "events": total.events,
        "trades": total.trades,
        "volume": total.volume,
        "value": value.at(600),
        "mid": float(total.mid),
        "spread": float(total.spread),
        "ask_depth": float(total.ask_depth),
        "bid_depth": float(total.bid_depth),
        "volatility_bps": total.volatility,
        "profits": {kind: profit._asdict() for kind, profit in report.profits.items()},
        "state_hash": simulation.engine.state_hash(),
    }
    assert isinstance(intervals, list)
    assert [interval["first_step"] for interval in intervals] == list(range(0, 600, 50))
    for name in ("steps", "events", "trades", "volume"):
        assert sum(interval[name] for interval in intervals) == printed[name]


def test_numbers_that_do_not_exist_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    printed = printed_json(capsys, "--steps", "5", "--makers", "0", "--informed", "0", "--noise", "0")
    assert [printed[name] for name in ("mid", "spread", "ask_depth", "bid_depth")] == [None] * 4
    assert (printed["trades"], printed["profits"]) == (0, {})


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_the_same_seed_prints_the_same_bytes_in_every_process(options: list[str]) -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-m", "oms", *SHORT, *options],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "COLUMNS": "80"},
        ).stdout
        for hash_seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


def test_another_seed_prints_another_report(capsys: pytest.CaptureFixture[str]) -> None:
    hashes = {str(printed_json(capsys, "--seed", seed, "--steps", "100")["state_hash"]) for seed in "123"}
    assert len(hashes) == 3


# ------------------------------------------------------------------ the options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "'--seed': must be an integer >= 0, not '-1'"),
        (["--steps", "0"], "'--steps': must be an integer >= 1, not '0'"),
        (["--noise", "1.5"], "'--noise': must be an integer >= 0, not '1.5'"),
        (["--makers", "x"], "'--makers': must be an integer >= 0, not 'x'"),
        (["--plot", "plot.bmp"], "'--plot': the file name must end in .pdf, .png, or .svg, not 'plot.bmp'"),
        (["--plot", "missing/plot.png"], "'--plot': 'missing' is not a directory"),
        (["--symbol", ""], "symbol must be"),
    ],
)
def test_an_invalid_option_is_an_error_in_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_plot_is_saved_and_the_report_is_printed(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"plot{suffix}"
    assert run(["simulate", "--steps", "50", "--plot", str(file)]) == 0
    assert file.stat().st_size > 5_000
    assert "simulated with seed 1" in capsys.readouterr().out


def test_without_its_extra_a_plot_is_rejected_before_the_simulation_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("matplotlib", "oms.notebook"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(["simulate", "--plot", str(tmp_path / "plot.png")]) == 2
    assert how_to_install("a plot", "notebook") in capsys.readouterr().err


def test_another_import_error_of_the_plots_is_not_reported_as_a_missing_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.startswith("oms.notebook")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "oms.notebook.canvas", None)
    with pytest.raises(ModuleNotFoundError, match="canvas"):
        plotter(tmp_path / "plot.png")


# ------------------------------------------------------------------ the progress bar


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, width=80, height=25)


def test_the_progress_bar_counts_the_steps_and_shows_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[Progress] = []

    def remembered(_console: Console) -> Progress:
        bars.append(new_bar(terminal(), lambda: 50.0))
        return bars[0]

    monkeypatch.setattr(progress_module, "new_bar", remembered)
    value = FundamentalValue(7)
    simulation = Simulation(new_agents(7, "XYZ", value), value, symbol="XYZ", steps=300)
    report = run_simulation(simulation)
    (task,) = bars[0].tasks
    assert (task.description, task.completed, task.total) == ("simulating", 300, 300)
    assert task.fields["count"] == report.total.events > 100


def test_an_interrupt_ends_the_simulation_without_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_args: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("oms.cli.simulate.run", interrupted)
    assert run(SHORT) == 130
    assert capsys.readouterr() == ("", "")
