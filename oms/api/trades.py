"""The endpoint of trades."""

from __future__ import annotations

from fastapi import APIRouter, Response

from oms.api.idempotency import Door
from oms.api.openapi import TRADE_PLACED, described
from oms.api.orders import Key, changed
from oms.api.request_models import NewTrade

__all__ = ["Trades"]


class Trades:
    """The endpoint of trades; in a thread, as those of orders."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def add_to(self, router: APIRouter) -> None:
        """Put the endpoint under a router."""
        router.add_api_route(
            "/trades", self.place_trade, methods=["POST"], **described(TRADE_PLACED, self.place_trade)
        )

    def place_trade(self, trade: NewTrade, key: Key = None) -> Response:
        """Trade against the book, best price first; all or nothing unless told otherwise."""
        return changed(self._door.trade(trade, key), 201)
