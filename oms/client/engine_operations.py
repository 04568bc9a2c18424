"""MatchingEngine's methods as exchanges. See `oms.client.operations` for OrderManagement's methods.

Before a function sends a request, it rejects all values that the engine would always reject. Queries about
prices are the same for both classes, so an engine's clients take them from `oms.client.operations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from oms.client.engine_responses import parse_execution, parse_open_order, parse_queue_ahead
from oms.client.errors import UnsteadyBooksError
from oms.client.operations import MAX_READS, PAGE_SIZE, send
from oms.client.requests import Request, change_request, check_shard, query_request
from oms.client.responses import Fields, Response, read_response, unexpected
from oms.client.retries import Exchange
from oms.contract import id_as_json, id_as_path
from oms.errors import InvalidOrderError, OrderNotFoundError
from oms.models import Side, check_amendment, check_resting, check_selection, check_symbol
from oms.submission import Execution, OpenOrder, OrderId, PostOnly, QueueAhead, Submission, TimeInForce
from oms.submission_checks import check_order_key, check_owner, check_submission

__all__ = [
    "cancel",
    "cancel_all",
    "contains",
    "end_day",
    "expire",
    "last_price",
    "order",
    "orders",
    "queue_ahead",
    "reduce",
    "replace",
    "submit",
]

T = TypeVar("T")

# ---------------------------------------------------------------------- changes


def submit(
    order_id: OrderId,
    symbol: str,
    side: Side,
    amount: int,
    price: int | None = None,
    *,
    time_in_force: TimeInForce = TimeInForce.GTC,
    post_only: PostOnly | None = None,
    owner: str | None = None,
    display: int | None = None,
    stop_price: int | None = None,
    expires: int | None = None,
    idempotency_key: str | None = None,
) -> Exchange[Execution]:
    """Submit an order, as `MatchingEngine.submit` does.

    If the API key has an owner, the order has this owner. In the fills of the execution, the id of an order
    that does not belong to this owner is "".
    """
    terms = (order_id, symbol, side, amount, price, time_in_force, post_only, owner, display, stop_price)
    order = Submission(*terms, expires)
    check_submission(order)
    defaults = Submission._field_defaults
    fields = {name: value for name, value in order._asdict().items() if value != defaults.get(name)}
    body = {**fields, "order_id": id_as_json(order_id)}
    request = change_request("POST", "/submissions", idempotency_key, body)
    return send(
        request,
        parse_execution,
        order_id=id_as_json(order_id),
        symbol=symbol,
        side=side,
        requested=amount,
    )


def replace(
    order_id: OrderId,
    *,
    amount: int | None = None,
    price: int | None = None,
    idempotency_key: str | None = None,
) -> Exchange[Execution]:
    """Replace an open order, as `MatchingEngine.replace` does. See `submit` for the ids in the fills."""
    check_order_key(order_id)
    check_amendment(amount, price)
    body = {name: value for name, value in (("amount", amount), ("price", price)) if value is not None}
    request = change_request("PATCH", f"/orders/{id_as_path(order_id)}", idempotency_key, body)
    exact = {} if amount is None else {"requested": amount}
    return send(request, parse_execution, order_id=id_as_json(order_id), **exact)


def reduce(order_id: OrderId, amount: int, *, idempotency_key: str | None = None) -> Exchange[OpenOrder]:
    """Reduce the open amount of an order, as `MatchingEngine.reduce` does."""
    check_order_key(order_id)
    check_resting("amount", amount)
    key = id_as_json(order_id)
    request = change_request("POST", "/reductions", idempotency_key, {"order_id": key, "amount": amount})
    return send(request, parse_open_order, order_id=key)


def cancel(order_id: OrderId, *, idempotency_key: str | None = None) -> Exchange[OpenOrder]:
    """Cancel an open order, as `MatchingEngine.cancel` does. Return it as it was before the cancellation."""
    check_order_key(order_id)
    request = change_request("DELETE", f"/orders/{id_as_path(order_id)}", idempotency_key)
    return send(request, parse_open_order, order_id=id_as_json(order_id))


def cancel_all(
    symbol: str | None = None,
    side: Side | None = None,
    owner: str | None = None,
    *,
    shard: str | None = None,
    idempotency_key: str | None = None,
) -> Exchange[tuple[OpenOrder, ...]]:
    """Cancel open orders, as `MatchingEngine.cancel_all` does.

    If the API key has an owner, only this owner's orders are canceled. In a cluster of several shards, pass
    `symbol`, or the name of a shard as `shard`.
    """
    check_selection(symbol, side)
    check_owner(owner)
    check_shard(shard)
    query = query_request("/orders", symbol=symbol, side=side, owner=owner, shard=shard).query
    request = change_request("DELETE", "/orders", idempotency_key)._replace(query=query)
    return send(request, _selected(symbol, side, owner))


def expire(
    now: int, *, shard: str | None = None, idempotency_key: str | None = None
) -> Exchange[tuple[OpenOrder, ...]]:
    """Cancel the GTD orders that expire at `now` or before, as `MatchingEngine.expire` does.

    Only the operator may do this: with an API key that has an owner, the call raises RequestRejectedError. In
    a cluster of several shards, pass the name of a shard as `shard`.
    """
    check_resting("now", now)
    request = change_request("POST", "/expirations", idempotency_key, {"now": now})
    return send(_of_shard(request, shard), _selected())


def end_day(
    symbol: str | None = None, *, shard: str | None = None, idempotency_key: str | None = None
) -> Exchange[tuple[OpenOrder, ...]]:
    """Cancel the DAY orders, as `MatchingEngine.end_day` does. Only the operator may do this.

    In a cluster of several shards, pass `symbol`, or the name of a shard as `shard`.
    """
    check_selection(symbol, None)
    body = {} if symbol is None else {"symbol": symbol}
    request = change_request("POST", "/day-ends", idempotency_key, body)
    return send(_of_shard(request, shard), _selected(symbol))


def _of_shard(request: Request, shard: str | None) -> Request:
    """Return the request for one shard of a cluster, or the same request if `shard` is None."""
    check_shard(shard)
    return request if shard is None else request._replace(query=(("shard", shard),))


def _selected(
    symbol: str | None = None, side: Side | None = None, owner: str | None = None
) -> Callable[[Fields], tuple[OpenOrder, ...]]:
    """Return a function that parses canceled orders, which must have this symbol, side, and owner."""

    def parse(fields: Fields) -> tuple[OpenOrder, ...]:
        for name, value in (("symbol", symbol), ("side", side), ("owner", owner)):
            if value is not None:
                fields.check_all_equal("orders", name, value)
        return tuple(fields.objects("orders", parse_open_order))

    return parse


# ---------------------------------------------------------------------- queries about orders


def order(order_id: OrderId) -> Exchange[OpenOrder]:
    """Return an open order, as `MatchingEngine.order` does."""
    check_order_key(order_id)
    request = query_request(f"/orders/{id_as_path(order_id)}")
    return send(request, parse_open_order, order_id=id_as_json(order_id))


def orders(
    symbol: str | None = None, side: Side | None = None, owner: str | None = None
) -> Exchange[tuple[OpenOrder, ...]]:
    """Return the open orders in order of arrival, as `MatchingEngine.orders` does.

    The client reads pages of 1,000 orders. If the engine changes between two pages, the client starts over,
    so the result is always a consistent snapshot. If the engine changes during each of 10 attempts, the
    client raises UnsteadyBooksError.
    """
    check_selection(symbol, side)
    check_owner(owner)

    def exchange() -> Exchange[tuple[OpenOrder, ...]]:
        for _ in range(MAX_READS):
            result = yield from _read_pages(symbol, side, owner)
            if result is not None:
                return result
        reason = f"the engine changed during each of {MAX_READS} attempts to read all pages"
        raise UnsteadyBooksError("GET /orders", reason)

    return exchange()


def _read_pages(
    symbol: str | None, side: Side | None, owner: str | None
) -> Exchange[tuple[OpenOrder, ...] | None]:
    """Return the orders from all pages, or None if the engine changed between two pages."""
    result: list[OpenOrder] = []
    first_version: tuple[int, int] | None = None
    after: int | None = None
    parse_orders = _selected(symbol, side, owner)

    def parse(fields: Fields) -> tuple[tuple[int, int], tuple[OpenOrder, ...], int | None]:
        version = fields.integer("sequence"), fields.integer("total")
        return version, parse_orders(fields), fields.integer_or_null("next")

    while True:
        selection = {"symbol": symbol, "side": side, "owner": owner}
        request = query_request("/orders", **selection, after=after, limit=PAGE_SIZE)
        response = yield request
        version, page, following = read_response(request, response, parse)
        if first_version not in (None, version):
            return None
        first_version = version
        result += page
        if following is None:
            return _complete(request, response, result, version[1])
        if following <= (after or 0):
            raise unexpected(request, response, f"next is {following}, which is not after {after}")
        after = following


def _complete(
    request: Request, response: Response, result: list[OpenOrder], total: int
) -> tuple[OpenOrder, ...]:
    if not len(result) == len({each.order.order_id for each in result}) == total:
        raise unexpected(request, response, f"the pages do not contain {total} different orders")
    return tuple(result)


def queue_ahead(order_id: OrderId) -> Exchange[QueueAhead]:
    """Return the orders ahead of an order at its price, as `MatchingEngine.queue_ahead` does."""
    check_order_key(order_id)
    request = query_request(f"/queue-ahead/{id_as_path(order_id)}")
    return send(request, parse_queue_ahead, order_id=id_as_json(order_id))


def last_price(symbol: str) -> Exchange[int | None]:
    """Return the price of the symbol's last trade, or None, as `MatchingEngine.last_price` does."""
    check_symbol(symbol)
    request = query_request("/last-price", symbol=symbol)
    return send(request, lambda fields: fields.integer_or_null("price"), symbol=symbol)


def contains(order_id: object) -> Exchange[bool]:
    """Return True if an open order has this id, like `order_id in engine` for a MatchingEngine."""
    try:
        check_order_key(order_id)
        yield from order(order_id)  # type: ignore[arg-type]  # it has just been checked
    except (InvalidOrderError, OrderNotFoundError):
        return False
    return True
