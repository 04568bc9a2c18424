"""OrderManagement's methods as exchanges: generators that yield requests and receive responses.

Most functions take the same arguments as the OrderManagement method of the same name. OrderManagement has no
`events` or `trades`. Before a function sends a request, it rejects all values that OrderManagement would
reject, and integers of more than 100 digits. `Client` and `AsyncClient` turn each function into a method, so
`help()` shows these docstrings to users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import TypeVar

from oms.client.event_messages import parse_event, parse_trade_event
from oms.client.requests import Request, change_request, check_shard, query_request
from oms.client.responses import (
    Fields,
    parse_depth,
    parse_instruments,
    parse_order,
    parse_quote,
    parse_trade,
    read_response,
    unexpected,
)
from oms.client.retries import Exchange
from oms.errors import DuplicateOrderError, InvalidArgumentError, OrderNotFoundError
from oms.events import Event, TradePlaced
from oms.instrument import TICKS_AND_LOTS, Instrument
from oms.models import (
    MAX_INT,
    Order,
    PriceLevel,
    Quote,
    Side,
    Trade,
    as_amounts,
    check_amendment,
    check_book,
    check_bounds,
    check_fill,
    check_limit,
    check_order,
    check_order_id,
    check_positive,
    check_slippage,
    check_symbol,
)

__all__ = [
    "MAX_READS",
    "PAGE_SIZE",
    "add_order",
    "amend_order",
    "amount_within",
    "available_amount",
    "best_price",
    "calculate_amount",
    "calculate_price",
    "calculate_prices",
    "contains",
    "count",
    "depth",
    "events",
    "get_order",
    "instrument",
    "instruments",
    "place_trade",
    "price_curve",
    "quote",
    "remove_order",
    "send",
    "state_hash",
    "symbols",
    "trades",
]

E = TypeVar("E", bound=Event)
T = TypeVar("T")

PAGE_SIZE = 1_000
"""The number of orders, events, or trades that a client requests at a time."""

MAX_READS = 10
"""How often a client tries to read all pages of orders."""

# ---------------------------------------------------------------------- changes


def add_order(
    order_id: int, symbol: str, side: Side, amount: int, price: int, *, idempotency_key: str | None = None
) -> Exchange[None]:
    """Add an order to its book, as `OrderManagement.add_order` does.

    The service accepts each order id only once. If an id was used before, it raises DuplicateOrderError, even
    if the earlier order has been filled or removed.
    """
    check_order(order_id, symbol, side, amount, price)
    body = {"order_id": order_id, "symbol": symbol, "side": side, "amount": amount, "price": price}
    request = change_request("POST", "/orders", idempotency_key, body)._replace(echoed=_as_json(body))

    def exchange() -> Exchange[None]:
        response = yield request
        read_response(request, response, parse_order)
        # Status 200 means that an identical order was added earlier. If the response contains this request's
        # key, an earlier attempt of this call added the order. Otherwise, another call did.
        if response.status == 200 and response.key != request.key:
            raise DuplicateOrderError(order_id)

    return exchange()


def remove_order(order_id: int, *, idempotency_key: str | None = None) -> Exchange[None]:
    """Remove a resting order from its book, as `OrderManagement.remove_order` does."""
    check_order_id(order_id)
    request = change_request("DELETE", f"/orders/{order_id}", idempotency_key)
    return send(request, _check_order, order_id=order_id)


def amend_order(
    order_id: int,
    *,
    amount: int | None = None,
    price: int | None = None,
    idempotency_key: str | None = None,
) -> Exchange[Order]:
    """Change an order's remaining amount, its price, or both, as `OrderManagement.amend_order` does."""
    check_order_id(order_id)
    check_amendment(amount, price)
    body = {name: value for name, value in (("amount", amount), ("price", price)) if value is not None}
    request = change_request("PATCH", f"/orders/{order_id}", idempotency_key, body)
    return send(request, parse_order, order_id=order_id, **body)


def place_trade(
    symbol: str,
    side: Side,
    amount: int,
    *,
    limit_price: int | None = None,
    max_total_price: int | None = None,
    min_total_price: int | None = None,
    allow_partial: bool = False,
    idempotency_key: str | None = None,
) -> Exchange[Trade]:
    """Trade against the book, as `OrderManagement.place_trade` does."""
    if max_total_price is not None or min_total_price is not None:
        check_bounds(side, max_total_price, min_total_price)
    _check_query(symbol, side, amount, limit_price, allow_partial)
    arguments = {
        "symbol": symbol,
        "side": side,
        "amount": amount,
        "limit_price": limit_price,
        "max_total_price": max_total_price,
        "min_total_price": min_total_price,
        "allow_partial": allow_partial,
    }
    body = {name: value for name, value in arguments.items() if value is not None}

    def parse(fields: Fields) -> Trade:
        fields.check_at_most("amount", amount)
        return parse_trade(fields)

    exact = {} if allow_partial else {"amount": amount}
    request = change_request("POST", "/trades", idempotency_key, body)
    return send(request, parse, symbol=symbol, side=side, **exact)


# ---------------------------------------------------------------------- prices


def calculate_price(symbol: str, side: Side, amount: int) -> Exchange[int]:
    """Return the total price for trading `amount` lots, as `OrderManagement.calculate_price` does."""
    check_book(symbol, side)
    check_positive("amount", amount)
    request = query_request("/price", symbol=symbol, side=side, amount=amount)
    return send(
        request, lambda fields: fields.integer("total_price"), symbol=symbol, side=side, amount=amount
    )


def calculate_prices(symbol: str, side: Side, amounts: Iterable[int]) -> Exchange[list[int]]:
    """Return the total prices of several amounts, as `OrderManagement.calculate_prices` does.

    The client sends all amounts in one request, so all prices come from the same state of the book. A request
    can contain about 5,000 amounts. Raises InvalidOrderError if the list is too long.
    """
    check_book(symbol, side)
    checked = as_amounts(amounts)
    request = query_request("/prices", symbol=symbol, side=side, amounts=checked)

    def parse(fields: Fields) -> list[int]:
        total_prices = fields.integers("total_prices")
        fields.check_length("total_prices", len(checked))
        return total_prices

    return send(request, parse, symbol=symbol, side=side, amounts=checked)


def quote(
    symbol: str, side: Side, amount: int, *, limit_price: int | None = None, allow_partial: bool = False
) -> Exchange[Quote]:
    """Return the expected fills and prices of a trade, as `OrderManagement.quote` does."""
    _check_query(symbol, side, amount, limit_price, allow_partial)
    options = {"limit_price": limit_price, "allow_partial": allow_partial}
    request = query_request("/quote", symbol=symbol, side=side, amount=amount, **options)

    def parse(fields: Fields) -> Quote:
        fields.check_at_most("amount", amount)
        return parse_quote(fields)

    exact = {} if allow_partial else {"amount": amount}
    return send(request, parse, symbol=symbol, side=side, requested=amount, **exact)


def price_curve(symbol: str, side: Side, levels: int | None = None) -> Exchange[dict[str, list[int]]]:
    """Return the best levels and their running totals, as `OrderManagement.price_curve` does."""
    columns = ("price", "amount", "cumulative_amount", "cumulative_price")
    request = _levels_query("/curve", symbol, side, levels)
    return send(
        request, lambda fields: {name: fields.integers(name) for name in columns}, symbol=symbol, side=side
    )


def calculate_amount(
    symbol: str, side: Side, budget: int, *, limit_price: int | None = None
) -> Exchange[int]:
    """Return the amount that `budget` can buy, as `OrderManagement.calculate_amount` does.

    For SELL, this is the amount that you must sell to raise that much money.
    """
    check_book(symbol, side)
    check_positive("budget", budget)
    check_limit(limit_price)
    request = query_request("/amount", symbol=symbol, side=side, budget=budget, limit_price=limit_price)
    return send(request, _amount, symbol=symbol, side=side, budget=budget, limit_price=limit_price)


def available_amount(symbol: str, side: Side, *, limit_price: int | None = None) -> Exchange[int]:
    """Return the total amount available to trade, as `OrderManagement.available_amount` does.

    With a `limit_price`, only orders at that price or better count.
    """
    check_book(symbol, side)
    check_limit(limit_price)
    request = query_request("/available", symbol=symbol, side=side, limit_price=limit_price)
    return send(request, _amount, symbol=symbol, side=side, limit_price=limit_price)


def amount_within(symbol: str, side: Side, max_slippage_bps: int) -> Exchange[int]:
    """Return the largest amount within a slippage limit, as `OrderManagement.amount_within` does."""
    check_book(symbol, side)
    check_slippage(max_slippage_bps)
    request = query_request("/within", symbol=symbol, side=side, max_slippage_bps=max_slippage_bps)
    return send(request, _amount, symbol=symbol, side=side, max_slippage_bps=max_slippage_bps)


# ---------------------------------------------------------------------- instruments


def instruments() -> Exchange[Mapping[str, Instrument]]:
    """Return the instruments that were set, by symbol, like `OrderManagement.instruments`."""
    return send(query_request("/instruments"), parse_instruments)


def instrument(symbol: str) -> Exchange[Instrument]:
    """Return the symbol's instrument, as `OrderManagement.instrument` does.

    If none was set, its tick size and lot size are 1. Each call sends a request, so keep the result.
    """
    check_symbol(symbol)

    def parse(fields: Fields) -> Instrument:
        fields.check_all_equal("instruments", "symbol", symbol)
        return parse_instruments(fields).get(symbol, TICKS_AND_LOTS)

    return send(query_request("/instruments", symbol=symbol), parse)


# ---------------------------------------------------------------------- resting orders


def get_order(order_id: int) -> Exchange[Order]:
    """Return the resting order with this id, as `OrderManagement.get_order` does."""
    check_order_id(order_id)
    return send(query_request(f"/orders/{order_id}"), parse_order, order_id=order_id)


def symbols() -> Exchange[tuple[str, ...]]:
    """Return the symbols that have resting orders, as `OrderManagement.symbols` does."""
    return send(query_request("/symbols"), lambda fields: tuple(fields.strings("symbols")))


def best_price(symbol: str, side: Side) -> Exchange[int | None]:
    """Return a book's best price, as `OrderManagement.best_price` does."""
    check_book(symbol, side)
    request = query_request("/best-price", symbol=symbol, side=side)
    return send(request, lambda fields: fields.integer_or_null("price"), symbol=symbol, side=side)


def depth(symbol: str, side: Side, levels: int | None = None) -> Exchange[tuple[PriceLevel, ...]]:
    """Return the best price levels, as `OrderManagement.depth` does."""
    return send(_levels_query("/depth", symbol, side, levels), parse_depth, symbol=symbol, side=side)


def contains(order_id: object) -> Exchange[bool]:
    """Return True if an order with this id is resting, like `order_id in om` for an OrderManagement."""
    if type(order_id) is not int or not 0 <= order_id <= MAX_INT:
        return False
    try:
        yield from get_order(order_id)
    except OrderNotFoundError:
        return False
    return True


def count() -> Exchange[int]:
    """Return the number of resting orders, like `len(om)` for an OrderManagement."""
    return send(query_request("/count"), lambda fields: fields.integer("count"))


def state_hash(*, shard: str | None = None) -> Exchange[str]:
    """Return a SHA-256 hash (hex) of the whole state, as `OrderManagement.state_hash` does.

    In a cluster of several shards, pass the name of a shard as `shard`.
    """
    check_shard(shard)
    return send(query_request("/state-hash", shard=shard), lambda fields: fields.string("state_hash"))


# ---------------------------------------------------------------------- past events and trades


def events(
    after: int | None = None, limit: int | None = None, *, shard: str | None = None
) -> Exchange[tuple[Event, ...]]:
    """Return the events with a sequence number above `after`, oldest first, but at most `limit` events.

    Without `after`, begin with the first event that is available. Without `limit`, return all events up to
    the latest one. The service sends at most 1,000 events per page. An event has no `note`, and a TradePlaced
    event has no `remaining` amount. `to_columns` converts the result to columns. In a cluster of several
    shards, each shard numbers its own events, so pass the name of a shard as `shard`.

    If `after` is above the sequence number of the newest event, the result is empty. If a service without a
    journal restarts, the sequence numbers start again at 1. To notice a restart, read your last event again,
    with its sequence minus 1 as `after`. If the result is empty, or does not begin with your last event, the
    service was restarted.

    Raises RequestRejectedError with the code "no_longer_available" if the service no longer has some of the
    events. Raises InvalidArgumentError if an argument is invalid.
    """
    return _read_past("/events", "events", parse_event, lambda event: event.sequence, after, limit, shard)


def trades(
    after: int | None = None, limit: int | None = None, *, shard: str | None = None
) -> Exchange[tuple[TradePlaced, ...]]:
    """Return the trades after the trade with the id `after`, oldest first, but at most `limit` trades.

    Each trade is a TradePlaced event, with the `trade`, the `sequence`, and the `time`. The arguments and
    errors are the same as for `events`.
    """
    return _read_past(
        "/trades", "trades", parse_trade_event, lambda event: event.trade.trade_id, after, limit, shard
    )


def _read_past(
    path: str,
    name: str,
    parse: Callable[[Fields], E],
    number_of: Callable[[E], int],
    after: int | None,
    limit: int | None,
    shard: str | None,
) -> Exchange[tuple[E, ...]]:
    if after is not None and (type(after) is not int or after < 0):
        raise InvalidArgumentError("after", after, "an int >= 0, or None")
    if limit is not None:
        check_positive("limit", limit, InvalidArgumentError)
    check_shard(shard)

    def parse_page(fields: Fields) -> tuple[list[E], int | None]:
        return fields.objects(name, parse), fields.integer_or_null("next")

    def exchange() -> Exchange[tuple[E, ...]]:
        result: list[E] = []
        last, more = after, True
        while more and (limit is None or len(result) < limit):
            size = PAGE_SIZE if limit is None else min(PAGE_SIZE, limit - len(result))
            request = query_request(path, after=last, limit=size, shard=shard)
            response = yield request
            page, following = read_response(request, response, parse_page)
            numbers = [*([] if last is None else [last]), *map(number_of, page)]
            if any(higher != lower + 1 for lower, higher in pairwise(numbers)) or len(page) > size:
                raise unexpected(request, response, f"the numbers of the {name} are not consecutive")
            if following is not None and (not page or following != numbers[-1]):
                raise unexpected(request, response, f"next is {following}, not the last number on the page")
            result += page
            last, more = following, following is not None
        return tuple(result)

    return exchange()


# ---------------------------------------------------------------------- requests and checks


def send(request: Request, parse: Callable[[Fields], T], **echoed: object) -> Exchange[T]:
    """Send one request, and return the parsed response. The response must echo the `echoed` fields."""
    request = request._replace(echoed=_as_json(echoed))
    response = yield request
    return read_response(request, response, parse)


def _as_json(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields as they appear in a JSON response, with each side as a string."""
    return {name: value.value if isinstance(value, Side) else value for name, value in fields.items()}


def _amount(fields: Fields) -> int:
    return fields.integer("amount")


def _check_order(fields: Fields) -> None:
    parse_order(fields)  # raises if the response is not an order


def _check_query(
    symbol: object, side: object, amount: object, limit_price: object, allow_partial: object
) -> None:
    check_book(symbol, side)
    check_fill(amount, limit_price, allow_partial)


def _levels_query(path: str, symbol: str, side: Side, levels: int | None) -> Request:
    check_book(symbol, side)
    if levels is not None:
        check_positive("levels", levels)
    return query_request(path, symbol=symbol, side=side, levels=levels)
