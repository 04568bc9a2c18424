"""Clients, orders, and order ids for tests of a gateway."""

from __future__ import annotations

from typing import Any

import httpx

from oms.client import InProcess
from oms.client.in_process import AsgiApplication
from support.clusters import SYMBOLS

__all__ = ["Ids", "Json", "client_for", "n", "order"]

Json = dict[str, Any]


class Ids:
    """The ids of one test. The clusters are shared, because starting one takes longer than most tests."""

    first = 0


def n(number: int) -> int:
    """Return an id that no other test uses."""
    return Ids.first + number


def order(order_id: int | str, shard: str, **fields: object) -> Json:
    """Return a new order of a symbol of a shard."""
    return {"order_id": order_id, "symbol": SYMBOLS[shard], "side": "BUY", "amount": 5, "price": 9, **fields}


def client_for(app: AsgiApplication) -> httpx.Client:
    return httpx.Client(base_url="http://oms", transport=InProcess(app))
