r"""Market data in: recordings of exchanges, streamed as messages, drive an OrderManagement.

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

from oms.feeds import bitstamp, lobster
from oms.feeds.book_check import StateDifference
from oms.feeds.errors import FeedError, UnknownFeedError, UnknownOrderError
from oms.feeds.formats import DEFAULT_UNKNOWN, feed_of, open_recording
from oms.feeds.instrument import Instrument
from oms.feeds.messages import ASK, BID, Feed, Kind, Level, Message, Recording, Top
from oms.feeds.replayer import Replay, Unknown, replay
from oms.feeds.report import Report, UnequalTrade

__all__ = [
    "ASK",
    "BID",
    "DEFAULT_UNKNOWN",
    "Feed",
    "FeedError",
    "Kind",
    "Level",
    "Message",
    "Recording",
    "Replay",
    "Report",
    "StateDifference",
    "Top",
    "UnequalTrade",
    "Instrument",
    "Unknown",
    "UnknownFeedError",
    "UnknownOrderError",
    "bitstamp",
    "feed_of",
    "lobster",
    "open_recording",
    "replay",
]
