"""Paths of recordings of real exchanges. The recordings are not part of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
AAPL = DATA / "lobster_AAPL_L50_30min" / "AAPL_2012-06-21_34200000_36000000_message_50.csv.gz"
AAPL_BOOK = AAPL.with_name("AAPL_2012-06-21_34200000_36000000_orderbook_1.csv.gz")
AMZN = DATA / "lobster_AMZN_L1" / "AMZN_2012-06-21_34200000_57600000_message_1.csv.gz"
AMZN_BOOK = AMZN.with_name("AMZN_2012-06-21_34200000_57600000_orderbook_1.csv.gz")
AMZN_2021 = DATA / "lobster_AMZN_2021" / "AMZN_2021-04-12_34200000_57600000_message_10.csv"
AAPL_L10 = DATA / "lobster_AAPL_L10_1000" / "AAPL_2012-06-21_34200000_57600000_message_10.csv.gz"
AAPL_L10_BOOK = AAPL_L10.with_name("AAPL_2012-06-21_34200000_57600000_orderbook_10.csv.gz")
BITSTAMP = DATA / "bitstamp_L3_2015" / "orders.csv.gz"
BITSTAMP_TRADES = BITSTAMP.with_name("trades_inferred.csv")
OKX = DATA / "okx_L2_crc32" / "OKX.ws.1.0.gz"
BITGET = tuple(DATA / "bitget_L2_crc32" / f"BITGET.ws.{part}.0.gz" for part in (1, 2))

needs_recordings = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recordings are not at {DATA}")
