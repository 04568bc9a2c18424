"""The command on recordings of real exchanges."""

from __future__ import annotations

import json

import pytest

from oms.cli import run
from recordings import AAPL, AAPL_BOOK, AAPL_L10, AMZN, BITSTAMP, BITSTAMP_TRADES, needed

pytestmark = needed


def test_aapl_with_its_book_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(AAPL), "--book", str(AAPL_BOOK), "--json", "--quote", "5000"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["symbol"], found["events"]) == ("lobster", "AAPL", 42_203)
    assert (found["states"], found["states_equal"]) == (13_082, 13_082)
    assert (found["trades"], found["trades_equal_cost"], found["trades_equal_fills"]) == (1_665, 1_665, 1_662)
    assert (found["crossed"], found["refused"], found["unknown"]) == (0, 0, 50)
    assert [quote["total_price"] for quote in found["quotes"]] == [29_321_835_600, 29_275_014_600]


def test_the_first_thousand_messages_of_aapl_are_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(AAPL_L10), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["events"], found["trades"], found["trades_equal_cost"]) == (999, 66, 66)


def test_bitstamp_with_its_trades_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(BITSTAMP), "--trades", str(BITSTAMP_TRADES), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["events"]) == ("bitstamp", 50_414)
    assert (found["makers"], found["makers_at_head"], found["makers_not_found"]) == (480, 480, 2)
    assert found["trades"] is None


def test_amzn_disagrees_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(AMZN)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "The data disagree with what they are compared with:" in out
    assert "of 6,610 trades cost what the exchange published" in out
    assert "it does not hold a full book" in out
