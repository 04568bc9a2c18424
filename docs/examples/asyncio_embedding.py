"""An OrderManagement inside an asyncio program: a feed, traders who wait for a price, and a log.

The verbs are called directly, because there is nothing in them to wait for; no task waits inside a
transaction. Events leave by a queue for each who listens.
Run it: `python docs/examples/asyncio_embedding.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from oms import Event, InsufficientLiquidityError, Order, OrderManagement, PriceBoundError, Side, Trade

Events = asyncio.Queue[Event | None]


class Desk:
    """Books that tasks share, and their events."""

    def __init__(self) -> None:
        self.om = OrderManagement()
        self._listeners: list[Events] = []
        self.om.subscribe(self._tell)

    def _tell(self, event: Event | None) -> None:
        for queue in self._listeners:
            queue.put_nowait(event)

    def close(self) -> None:
        """Tell all who listen that nothing more will come."""
        self._tell(None)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[Event]]:
        """Listen from here on, until the block is left or the desk closes."""
        queue: Events = asyncio.Queue()
        self._listeners.append(queue)

        async def told() -> AsyncIterator[Event]:
            while (event := await queue.get()) is not None:
                yield event

        try:
            yield told()
        finally:
            self._listeners.remove(queue)


async def feed(desk: Desk, orders: Iterable[Order]) -> None:
    """Rest orders as they arrive, and let the others have their turn."""
    for order in orders:
        desk.om.add_order(*order)
        await asyncio.sleep(0)
    desk.close()


async def buy_when_cheap(desk: Desk, symbol: str, amount: int, max_total_price: int) -> Trade | None:
    """Buy as soon as the amount is there at a price; None if it never was."""
    async with desk.events() as events:
        async for _ in events:
            try:
                return desk.om.place_trade(symbol, Side.BUY, amount, max_total_price=max_total_price)
            except (InsufficientLiquidityError, PriceBoundError):
                continue  # not yet
    return None


async def keep_log(desk: Desk) -> list[Event]:
    """Write down what happens until the desk closes."""
    async with desk.events() as events:
        return [event async for event in events]


async def run() -> tuple[list[Trade | None], list[Event]]:
    """Two traders and a log on one feed; return what the traders got, and what was logged."""
    desk = Desk()
    prices = (105, 104, 103, 101, 100, 102)
    orders = [Order(n, "XYZ", Side.BUY, 10, price) for n, price in enumerate(prices, 1)]
    logging = asyncio.create_task(keep_log(desk))
    traders = [
        asyncio.create_task(buy_when_cheap(desk, "XYZ", amount=20, max_total_price=2_050)),
        asyncio.create_task(buy_when_cheap(desk, "XYZ", amount=20, max_total_price=1_000)),
    ]
    await asyncio.sleep(0)  # let them listen before the first order comes
    await feed(desk, orders)
    trades = [await trader for trader in traders]
    return trades, await logging


if __name__ == "__main__":
    got, logged = asyncio.run(run())
    print("the traders got:", *got, sep="\n  ")
    print("the log:", *logged, sep="\n  ")
