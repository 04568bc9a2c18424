"""An OrderManagement in an asyncio program: a market-data feed, two traders, and an event log.

The tasks call the methods of OrderManagement directly, because these methods do not block. No task awaits
anything inside a transaction. Each task that follows events has its own queue.
Run it with `python docs/examples/asyncio_embedding.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from oms import Event, InsufficientLiquidityError, Order, OrderManagement, PriceBoundError, Side, Trade

Events = asyncio.Queue[Event | None]


class Desk:
    """The books that the tasks share, and one queue of events for each subscribed task."""

    def __init__(self) -> None:
        self.om = OrderManagement()
        self._queues: list[Events] = []
        self.om.subscribe(self._publish)

    def _publish(self, event: Event | None) -> None:
        for queue in self._queues:
            queue.put_nowait(event)

    def close(self) -> None:
        """End the events of every task."""
        self._publish(None)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[Event]]:
        """Yield an iterator over the events from now on, until the desk closes."""
        queue: Events = asyncio.Queue()
        self._queues.append(queue)

        async def received() -> AsyncIterator[Event]:
            while (event := await queue.get()) is not None:
                yield event

        try:
            yield received()
        finally:
            self._queues.remove(queue)


async def feed(desk: Desk, orders: Iterable[Order]) -> None:
    """Add orders as they arrive, and let the other tasks run after each order."""
    for order in orders:
        desk.om.add_order(*order)
        await asyncio.sleep(0)
    desk.close()


async def buy_when_cheap(desk: Desk, symbol: str, amount: int, max_total_price: int) -> Trade | None:
    """Buy when the amount costs at most `max_total_price`, or return None if it never does."""
    async with desk.events() as events:
        async for _ in events:
            try:
                return desk.om.place_trade(symbol, Side.BUY, amount, max_total_price=max_total_price)
            except (InsufficientLiquidityError, PriceBoundError):
                continue  # not yet
    return None


async def keep_log(desk: Desk) -> list[Event]:
    """Return all events from now until the desk closes."""
    async with desk.events() as events:
        return [event async for event in events]


async def run() -> tuple[list[Trade | None], list[Event]]:
    """Run a feed, two traders, and a log, and return the trades and the logged events."""
    desk = Desk()
    prices = (105, 104, 103, 101, 100, 102)
    orders = [Order(n, "XYZ", Side.BUY, 10, price) for n, price in enumerate(prices, 1)]
    logging = asyncio.create_task(keep_log(desk))
    traders = [
        asyncio.create_task(buy_when_cheap(desk, "XYZ", amount=20, max_total_price=2_050)),
        asyncio.create_task(buy_when_cheap(desk, "XYZ", amount=20, max_total_price=1_000)),
    ]
    await asyncio.sleep(0)  # let the tasks start before the first order arrives
    await feed(desk, orders)
    trades = [await trader for trader in traders]
    return trades, await logging


if __name__ == "__main__":
    trades, events = asyncio.run(run())
    print("trades:", *trades, sep="\n  ")
    print("event log:", *events, sep="\n  ")
