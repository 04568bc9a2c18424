"""The command on recordings of real exchanges."""

from __future__ import annotations

import json

import pytest

from oms.cli import run
from support.recordings import (
    AAPL,
    AAPL_BOOK,
    AAPL_L10,
    AAPL_L10_BOOK,
    AMZN,
    BITSTAMP,
    BITSTAMP_TRADES,
    needs_recordings,
)

pytestmark = needs_recordings


@pytest.mark.slow
def test_aapl_agrees_with_its_book(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(AAPL), "--book", str(AAPL_BOOK), "--json", "--quote", "5000"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["format"], printed["symbol"], printed["events"]) == ("lobster", "AAPL", 42_203)
    assert (printed["states"], printed["states_equal"]) == (13_082, 13_082)
    assert (printed["trades"], printed["trades_equal_cost"], printed["trades_equal_fills"]) == (
        1_665,
        1_665,
        1_662,
    )
    assert (printed["crossed"], printed["rejected"], printed["unknown"]) == (0, 0, 50)
    assert [quote["total_price"] for quote in printed["quotes"]] == [29_321_835_600, 29_275_014_600]


def test_the_first_thousand_messages_of_aapl_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(AAPL_L10), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["events"], printed["trades"], printed["trades_equal_cost"]) == (999, 66, 66)


def test_a_recording_of_few_levels_disagrees_with_its_book_and_explains_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["replay", str(AAPL_L10), "--book", str(AAPL_L10_BOOK)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "16 of 999 rows differ from the book file's, 11 of them submitted rows, 5 of them deleted" in out
    assert "SELL 50 @ 585.4000 after row 1, but the file has BUY 200 @ 585.9400" in out
    assert "9 orders were never submitted in the recording" in out


def test_an_agreement_with_rejected_rows_mentions_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(BITSTAMP), "--trades", str(BITSTAMP_TRADES)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "unknown orders 187 187 not added" in out
    assert out.endswith(
        "The data agree with the published data, but 27 rows were rejected: the order was "
        "already removed (22 times, first at row 1,805); the order was created after its removal (5 times, "
        "first at row 10,925)."
    )


def test_bitstamp_agrees_with_its_trades(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(BITSTAMP), "--trades", str(BITSTAMP_TRADES), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["format"], printed["events"]) == ("bitstamp", 50_414)
    assert (printed["makers"], printed["makers_at_head"], printed["makers_not_found"]) == (480, 480, 2)
    assert printed["trades"] is None


@pytest.mark.slow
def test_amzn_disagrees_and_explains_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(AMZN)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "The data disagree with the published data:" in out
    assert "of 6,610 trades have the published cost" in out
    assert "does not contain the full book" in out
