r"""Recorded market data feeds that you can replay into an OrderManagement.

>>> import pathlib, tempfile
>>> from oms import OrderManagement, Side
>>> from oms.feeds import lobster, replay
>>> om = OrderManagement()
>>> with tempfile.TemporaryDirectory() as folder:
...     path = pathlib.Path(folder, "XYZ_2020-01-02_34200000_57600000_message_5.csv")
...     _ = path.write_text("34200.1,1,7,10,1000,-1\n34200.2,1,8,10,1001,-1\n34200.3,4,7,4,1000,-1\n")
...     recording = lobster.read(path)
...     report = replay(recording, om, symbol=recording.symbol)
>>> report.events, report.trades, report.trades_equal_cost, report.agrees
(3, 1, 1, True)
>>> om.calculate_price("XYZ", Side.BUY, 10)  # 6 at 1000, 4 at 1001
10004

"""

from oms.feeds.errors import FeedError, StaleBookError, UnknownFeedError, UnknownOrderError, WorkerError
from oms.feeds.formats import feed_of, open_capture, open_recording
from oms.feeds.history import BookHistory, TradeColumns
from oms.feeds.levels.bitget import Bitget
from oms.feeds.levels.capture import Capture
from oms.feeds.levels.checksums import ALTERNATING, ASKS_THEN_BIDS
from oms.feeds.levels.feed import BookState, LevelFeed, Outcome
from oms.feeds.levels.kraken import Kraken
from oms.feeds.levels.messages import (
    BookMessage,
    Checksums,
    InstrumentMessage,
    TradeMessage,
    UnsupportedChannelError,
)
from oms.feeds.levels.okx import Okx
from oms.feeds.levels.replayer import LevelReplay, find_instruments, replay_levels
from oms.feeds.levels.report import LevelReport, SymbolReport
from oms.feeds.many.costs import CostSample, CostSampler
from oms.feeds.many.replay_many import replay_many
from oms.feeds.many.results import ReplayProgress, ReplayResult, UnitFailure, UnitsError
from oms.feeds.many.unit_replay import UnitReplay
from oms.feeds.many.units import ReplayUnit
from oms.feeds.orders import bitstamp, lobster
from oms.feeds.orders.book_check import StateDifference
from oms.feeds.orders.messages import Kind, Message, Recording
from oms.feeds.orders.replayer import Replay, Unknown, replay
from oms.feeds.orders.report import Report, UnequalTrade
from oms.feeds.recorder import Recorder
from oms.feeds.replay_clock import ReplayClock
from oms.feeds.top_of_book import ASK, BID, Level, Top

__all__ = [
    "ALTERNATING",
    "ASK",
    "ASKS_THEN_BIDS",
    "BID",
    "Bitget",
    "BookHistory",
    "BookMessage",
    "BookState",
    "Capture",
    "Checksums",
    "CostSample",
    "CostSampler",
    "FeedError",
    "InstrumentMessage",
    "Kind",
    "Kraken",
    "Level",
    "LevelFeed",
    "LevelReplay",
    "LevelReport",
    "Message",
    "Okx",
    "Outcome",
    "Recorder",
    "Recording",
    "Replay",
    "ReplayClock",
    "ReplayProgress",
    "ReplayResult",
    "ReplayUnit",
    "Report",
    "StaleBookError",
    "StateDifference",
    "SymbolReport",
    "Top",
    "TradeColumns",
    "TradeMessage",
    "UnequalTrade",
    "UnitFailure",
    "UnitReplay",
    "UnitsError",
    "Unknown",
    "UnknownFeedError",
    "UnknownOrderError",
    "UnsupportedChannelError",
    "WorkerError",
    "bitstamp",
    "feed_of",
    "find_instruments",
    "lobster",
    "open_capture",
    "open_recording",
    "replay",
    "replay_levels",
    "replay_many",
]
