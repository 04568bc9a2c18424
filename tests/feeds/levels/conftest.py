"""An empty OrderManagement, and a feed with one small book in it."""

from __future__ import annotations

import pytest

from oms import Instrument, OrderManagement
from oms.feeds import ALTERNATING, LevelFeed
from support.level_feeds import book


@pytest.fixture
def om() -> OrderManagement:
    """Return an empty OrderManagement."""
    return OrderManagement()


@pytest.fixture
def feed(om: OrderManagement) -> LevelFeed:
    """Return a feed for `om` whose book "X" has two asks and one bid; the latest sequence number is 10."""
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5", "1.3": "4"}, sequence=10))
    return feed
