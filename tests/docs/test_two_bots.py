"""The two bots of the tutorial: they trade, and their profits survive `kill -9`."""

from __future__ import annotations

import inspect
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Timer

import pytest
import two_bots

from oms import Account, Event, MatchingEngine, SelfTradePrevention, Side, journal

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "tutorial_bots.md").read_text(encoding="utf-8")
BOTS = [two_bots.make_market, two_bots.follow_trend]


def line(step: int, maker: int) -> str:
    return f"step {step}: the maker has {maker:+,}, and the trader has {-maker:+,}"


@pytest.fixture(scope="module")
def expected() -> list[str]:
    """Return the line of each step of a run without a journal, with profits that are added up here."""
    engine = MatchingEngine(self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST)
    account, prices = Account(engine), two_bots.random_walk(two_bots.STEPS)
    bought = cash = 0

    def add(event: Event) -> None:
        nonlocal bought, cash
        for fill in event.fills():  # type: ignore[attr-defined]  # an EngineEvent
            assert (fill.taker_owner, fill.maker_owner) == ("trader", "maker")
            bought -= fill.side.sign * fill.amount
            cash += fill.side.sign * fill.amount * fill.price

    engine.subscribe(add)
    lines = [line(0, 0)]
    for step in range(1, two_bots.STEPS + 1):
        two_bots.make_market(engine, account, prices[step])
        two_bots.follow_trend(engine, account, prices[: step + 1])
        lines.append(line(step, cash + bought * prices[step]))
    return lines


# ------------------------------------------------------------------ the bots


@pytest.mark.parametrize("bot", BOTS)
def test_a_bot_has_at_most_twenty_lines(bot: object) -> None:
    assert callable(bot)
    assert len(inspect.getsource(bot).splitlines()) <= 20


@pytest.mark.parametrize("function", [*BOTS, two_bots.random_walk])
def test_the_page_has_the_same_code_as_the_program(function: object) -> None:
    assert callable(function)
    code = re.sub(r"^(>>>|\.\.\.) ?", "", PAGE, flags=re.MULTILINE)
    assert inspect.getsource(function) in code


def test_the_market_maker_earns_from_the_trader_and_both_profits_add_up_to_zero(
    expected: list[str],
) -> None:
    numbers = [
        [int(number.replace(",", "")) for number in re.findall(r"[+-][\d,]*\d", each)] for each in expected
    ]
    assert all(maker + trader == 0 for maker, trader in numbers)
    assert numbers[-1][0] > 1_000
    assert len(set(expected)) > 0.9 * len(expected), "they trade in almost every step"


def test_a_quote_never_trades_with_the_other_quote_of_the_same_bot() -> None:
    engine = MatchingEngine(self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST)
    account = Account(engine)
    for price in (1_000, 1_100, 900, 1_000):
        two_bots.make_market(engine, account, price)
        quotes = {order.order.side: (order.remaining, order.price) for order in engine}
        assert quotes == {Side.BUY: (10, price - 4), Side.SELL: (10, price + 4)}
    assert account.positions() == ()


# ------------------------------------------------------------------ the program


def run(file: Path, steps: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    two_bots.run(str(file), steps)
    return capsys.readouterr().out.splitlines()


def test_the_program_prints_the_profits_of_every_fiftieth_step(
    tmp_path: Path, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bots.db"
    assert run(file, 100, capsys) == [expected[0], expected[50], expected[100]]
    assert run(file, 100, capsys) == [expected[100]], "all steps are in the journal"


def test_the_program_continues_after_any_step(
    tmp_path: Path, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bots.db"
    stops = [0, 1, 2, 13, 49, 50, 51, 99]
    for step, stop in pairwise(stops):
        printed = run(file, stop, capsys)
        assert printed[0] == expected[step]
        assert profits_in(file) == expected[stop]


def profits_in(file: Path) -> str:
    """Return the line for the last step in a journal, from the events alone."""
    bought = cash = step = 0
    with journal.open_engine(file, verify=True) as engine:
        assert engine.journal is not None
        for event in engine.journal.read():
            step = int(event.note or 0)
            for fill in event.fills():  # type: ignore[attr-defined]  # an EngineEvent
                bought -= fill.side.sign * fill.amount
                cash += fill.side.sign * fill.amount * fill.price
    return line(step, cash + bought * two_bots.random_walk(two_bots.STEPS)[step])


def killed(file: Path, generator: random.Random) -> Iterator[list[str]]:
    """Run the program and kill it with SIGKILL at a random moment, until it ends by itself."""
    program = [sys.executable, str(DOCS / "examples" / "two_bots.py"), str(file)]
    while True:
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            killer = Timer(generator.uniform(0, 0.15), process.kill)
            killer.start()
            printed = [first, *process.stdout]
            killer.join()
        yield [each.rstrip("\n") for each in printed if each.endswith("\n")]
        if process.returncode == 0:
            return
        assert process.returncode == -9


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_the_profits_survive_kills_at_random_moments(seed: int, tmp_path: Path, expected: list[str]) -> None:
    file = tmp_path / "bots.db"
    last, lives = expected[0], 0
    for printed in killed(file, random.Random(seed)):
        lives += 1
        if printed:
            assert printed[0] == last, "the program continues with the profits that are in the journal"
        assert set(printed) <= set(expected)
        last = profits_in(file)
        assert last in expected
        for each in printed:
            assert expected.index(each) <= expected.index(last), "a printed step is in the journal"
    assert last == expected[-1], "the final profits are those of a run without a crash"
    assert lives > 1, "the program was killed at least once"


@pytest.mark.slow
def test_the_commands_of_the_tutorial_kill_the_program_and_continue(
    tmp_path: Path, expected: list[str]
) -> None:
    kill, restart = re.findall(
        r"^```sh\n\.venv/bin/python docs/examples/(two_bots.py.*)\n```$", PAGE, re.MULTILINE
    )
    command = f"{sys.executable} {DOCS / 'examples'}/"
    script = f"{{ {command}{kill}; }} 2> /dev/null; {command}{restart}"
    bash = shutil.which("bash")
    assert bash is not None
    process = subprocess.run([bash, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = process.stdout.splitlines()
    assert set(lines) <= set(expected)
    assert lines[-1] == expected[-1]
    assert lines.count(expected[-1]) <= 2, "twice only if the program had finished before it was killed"
    for each in re.findall(r"^step .*$", PAGE, re.MULTILINE):
        assert each in expected
