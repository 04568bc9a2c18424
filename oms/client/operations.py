"""The verbs and questions of OrderManagement as talks: what each asks, and makes of the answer.

Each takes what the method of that name takes and refuses what that refuses, and what a request cannot
carry, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import TypeVar

from oms.client.errors import UnsteadyBooksError
from oms.client.requests import Request, change, question
from oms.client.responses import (
    Answer,
    Fields,
    as_depth,
    as_order,
    as_quote,
    as_trade,
    read,
    unexpected,
)
from oms.client.retries import Talk
from oms.errors import DuplicateOrderError, InvalidOrderError, OmsError, OrderNotFoundError
from oms.management import OrderManagement
from oms.models import (
    MAX_INT,
    Order,
    PriceLevel,
    Quote,
    Side,
    Trade,
    as_amounts,
    check_book,
    check_bounds,
    check_fill,
    check_limit,
    check_order,
    check_order_id,
    check_positive,
    check_resting,
    check_selection,
    check_slippage,
)

__all__ = [
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
    "get_order",
    "orders",
    "place_trade",
    "price_curve",
    "quote",
    "remove_order",
    "state_hash",
    "symbols",
]

T = TypeVar("T")

_PAGE = 1_000
_MOST_WALKS = 10

# ---------------------------------------------------------------------- changes


def add_order(
    order_id: int, symbol: str, side: Side, amount: int, price: int, *, idempotency_key: str | None = None
) -> Talk[None]:
    """Rest an order, as `OrderManagement.add_order` does; but the service takes an id once and for all.

    So DuplicateOrderError is raised also for an id whose order was filled or removed.
    """
    check_order(order_id, symbol, side, amount, price)
    body = {"order_id": order_id, "symbol": symbol, "side": side, "amount": amount, "price": price}
    request = change("POST", "/orders", idempotency_key, body)._replace(repeated=_as_json(body))

    def talk() -> Talk[None]:
        answer = yield request
        read(request, answer, as_order)
        if answer.status == 200 and answer.key != request.key:  # an earlier call had added this very order
            raise DuplicateOrderError(order_id)

    return talk()


def remove_order(order_id: int, *, idempotency_key: str | None = None) -> Talk[None]:
    """Take a resting order out of its book, as `OrderManagement.remove_order` does."""
    check_order_id(order_id)
    request = change("DELETE", f"/orders/{order_id}", idempotency_key)
    return _ask(request, _nothing_of_an_order, order_id=order_id)


def amend_order(
    order_id: int,
    *,
    amount: int | None = None,
    price: int | None = None,
    idempotency_key: str | None = None,
) -> Talk[Order]:
    """Change what rests of an order, its price, or both, as `OrderManagement.amend_order` does."""
    check_order_id(order_id)
    if amount is None and price is None:
        raise InvalidOrderError("amount or price", None, "given")
    given = {name: value for name, value in (("amount", amount), ("price", price)) if value is not None}
    for name, value in given.items():
        check_resting(name, value)
    request = change("PATCH", f"/orders/{order_id}", idempotency_key, given)
    return _ask(request, as_order, order_id=order_id, **given)


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
) -> Talk[Trade]:
    """Trade against the book, as `OrderManagement.place_trade` does."""
    if max_total_price is not None or min_total_price is not None:
        check_bounds(side, max_total_price, min_total_price)
    _check_question(symbol, side, amount, limit_price, allow_partial)
    asked = {
        "symbol": symbol,
        "side": side,
        "amount": amount,
        "limit_price": limit_price,
        "max_total_price": max_total_price,
        "min_total_price": min_total_price,
        "allow_partial": allow_partial,
    }
    given = {name: value for name, value in asked.items() if value is not None}

    def parse(found: Fields) -> Trade:
        found.check_at_most("amount", amount)
        return as_trade(found)

    whole = {} if allow_partial else {"amount": amount}
    request = change("POST", "/trades", idempotency_key, given)
    return _ask(request, parse, symbol=symbol, side=side, **whole)


# ---------------------------------------------------------------------- questions about prices


def calculate_price(symbol: str, side: Side, amount: int) -> Talk[int]:
    """Say what a trade would cost or raise, as `OrderManagement.calculate_price` does."""
    check_book(symbol, side)
    check_positive("amount", amount)
    request = question("/price", symbol=symbol, side=side, amount=amount)
    return _ask(request, lambda found: found.whole("total_price"), symbol=symbol, side=side, amount=amount)


def calculate_prices(symbol: str, side: Side, amounts: Iterable[int]) -> Talk[list[int]]:
    """Say what each of many amounts would cost, as `OrderManagement.calculate_prices` does.

    They go in one question, so that one moment answers them: some thousands, and then InvalidOrderError.
    """
    check_book(symbol, side)
    asked = as_amounts(amounts)
    request = question("/prices", symbol=symbol, side=side, amounts=asked)

    def parse(found: Fields) -> list[int]:
        total_prices = found.wholes("total_prices")
        found.check_length("total_prices", len(asked))
        return total_prices

    return _ask(request, parse, symbol=symbol, side=side, amounts=asked)


def quote(
    symbol: str, side: Side, amount: int, *, limit_price: int | None = None, allow_partial: bool = False
) -> Talk[Quote]:
    """Say what a trade would be, order by order, as `OrderManagement.quote` does."""
    _check_question(symbol, side, amount, limit_price, allow_partial)
    options = {"limit_price": limit_price, "allow_partial": allow_partial}
    request = question("/quote", symbol=symbol, side=side, amount=amount, **options)

    def parse(found: Fields) -> Quote:
        found.check_at_most("amount", amount)
        return as_quote(found)

    whole = {} if allow_partial else {"amount": amount}
    return _ask(request, parse, symbol=symbol, side=side, requested=amount, **whole)


def price_curve(symbol: str, side: Side, levels: int | None = None) -> Talk[dict[str, list[int]]]:
    """Tabulate what the best price levels cost, as `OrderManagement.price_curve` does."""
    columns = ("price", "amount", "cumulative_amount", "cumulative_price")
    request = _of_levels("/curve", symbol, side, levels)
    return _ask(
        request, lambda found: {name: found.wholes(name) for name in columns}, symbol=symbol, side=side
    )


def calculate_amount(symbol: str, side: Side, budget: int, *, limit_price: int | None = None) -> Talk[int]:
    """Say how much a budget is good for, as `OrderManagement.calculate_amount` does."""
    check_book(symbol, side)
    check_positive("budget", budget)
    check_limit(limit_price)
    request = question("/amount", symbol=symbol, side=side, budget=budget, limit_price=limit_price)
    return _ask(request, _amount, symbol=symbol, side=side, budget=budget, limit_price=limit_price)


def available_amount(symbol: str, side: Side, *, limit_price: int | None = None) -> Talk[int]:
    """Say how much can be traded, as `OrderManagement.available_amount` does."""
    check_book(symbol, side)
    check_limit(limit_price)
    request = question("/available", symbol=symbol, side=side, limit_price=limit_price)
    return _ask(request, _amount, symbol=symbol, side=side, limit_price=limit_price)


def amount_within(symbol: str, side: Side, max_slippage_bps: int) -> Talk[int]:
    """Say how much can be traded within a slippage, as `OrderManagement.amount_within` does."""
    check_book(symbol, side)
    check_slippage(max_slippage_bps)
    request = question("/within", symbol=symbol, side=side, max_slippage_bps=max_slippage_bps)
    return _ask(request, _amount, symbol=symbol, side=side, max_slippage_bps=max_slippage_bps)


# ---------------------------------------------------------------------- questions about what rests


def get_order(order_id: int) -> Talk[Order]:
    """Look an order up by its id, as `OrderManagement.get_order` does."""
    check_order_id(order_id)
    return _ask(question(f"/orders/{order_id}"), as_order, order_id=order_id)


def orders(symbol: str | None = None, side: Side | None = None) -> Talk[tuple[Order, ...]]:
    """List the orders of a symbol, a side, both, or all, as `OrderManagement.orders` does.

    More than a thousand come in pages; they are read anew if anything changed between two, so that the
    answer is of one moment. Raises UnsteadyBooksError if something did each of ten times.
    """
    check_selection(symbol, side)

    def talk() -> Talk[tuple[Order, ...]]:
        for _ in range(_MOST_WALKS):
            found = yield from _walk(symbol, side)
            if found is not None:
                return found
        reason = f"the books changed on each of {_MOST_WALKS} walks through the pages"
        raise UnsteadyBooksError("GET /orders", reason)

    return talk()


def symbols() -> Talk[tuple[str, ...]]:
    """List the symbols for which something rests, as `OrderManagement.symbols` does."""
    return _ask(question("/symbols"), lambda found: tuple(found.texts("symbols")))


def best_price(symbol: str, side: Side) -> Talk[int | None]:
    """Say at what price the next trade starts, as `OrderManagement.best_price` does."""
    check_book(symbol, side)
    request = question("/best-price", symbol=symbol, side=side)
    return _ask(request, lambda found: found.whole_or_null("price"), symbol=symbol, side=side)


def depth(symbol: str, side: Side, levels: int | None = None) -> Talk[tuple[PriceLevel, ...]]:
    """List the best price levels, as `OrderManagement.depth` does."""
    return _ask(_of_levels("/depth", symbol, side, levels), as_depth, symbol=symbol, side=side)


def contains(order_id: object) -> Talk[bool]:
    """Whether an order with this id is resting, as `in` says of an OrderManagement."""
    if type(order_id) is not int or not 0 <= order_id <= MAX_INT:
        return False
    try:
        yield from get_order(order_id)
    except OrderNotFoundError:
        return False
    return True


def count() -> Talk[int]:
    """How many orders are resting, as `len` says of an OrderManagement."""
    return _ask(question("/count"), lambda found: found.whole("count"))


def state_hash() -> Talk[str]:
    """SHA-256 (hex) over the whole state, as `OrderManagement.state_hash` says."""
    return _ask(question("/state-hash"), lambda found: found.text("state_hash"))


# ---------------------------------------------------------------------- inside


def _ask(request: Request, parse: Callable[[Fields], T], **repeated: object) -> Talk[T]:
    """Ask, and read an answer that repeats these fields of the request."""
    request = request._replace(repeated=_as_json(repeated))
    answer = yield request
    return read(request, answer, parse)


def _as_json(fields: Mapping[str, object]) -> dict[str, object]:
    """Return fields as an answer has them: a side is a text."""
    return {name: value.value if isinstance(value, Side) else value for name, value in fields.items()}


def _amount(found: Fields) -> int:
    return found.whole("amount")


def _nothing_of_an_order(found: Fields) -> None:
    as_order(found)  # what was removed: it must be one


def _check_question(
    symbol: object, side: object, amount: object, limit_price: object, allow_partial: object
) -> None:
    check_book(symbol, side)
    check_fill(amount, limit_price, allow_partial)


def _of_levels(path: str, symbol: str, side: Side, levels: int | None) -> Request:
    check_book(symbol, side)
    if levels is not None:
        check_positive("levels", levels)
    return question(path, symbol=symbol, side=side, levels=levels)


def _walk(symbol: str | None, side: Side | None) -> Talk[tuple[Order, ...] | None]:
    """The orders on all pages; None if something changed between two of them."""
    found: list[Order] = []
    first: tuple[int, int] | None = None
    after: int | None = None
    while True:
        request = question("/orders", symbol=symbol, side=side, after=after, limit=_PAGE)
        answer = yield request
        moment, page, following = read(request, answer, _as_page)
        if first is None:
            first = moment
        elif moment != first:
            return None
        found += page
        _check_page(request, answer, page, symbol, side, after=after, following=following)
        after = following
        if after is None:
            if len(found) != moment[1]:
                raise unexpected(request, answer, f"{len(found)} orders came, not the total of {moment[1]}")
            return _in_order(request, answer, found)


def _as_page(found: Fields) -> tuple[tuple[int, int], list[Order], int | None]:
    moment = found.whole("sequence"), found.whole("total")
    return moment, found.each("orders", as_order), found.whole_or_null("next")


def _check_page(
    request: Request,
    answer: Answer,
    page: list[Order],
    symbol: str | None,
    side: Side | None,
    *,
    after: int | None,
    following: int | None,
) -> None:
    """Check that a page holds what was asked: so a walk comes to its end, whatever the other side says."""
    ids = [-1 if after is None else after, *(order.order_id for order in page)]
    if not all(one < other for one, other in pairwise(ids)):
        raise unexpected(request, answer, "the orders do not go on in the order of their ids")
    if following not in (None, ids[-1]) or (following is not None and not page):
        raise unexpected(request, answer, f"next is {following}, not the last id of the page")
    for order in page:
        if (symbol or order.symbol, side or order.side) != (order.symbol, order.side):
            raise unexpected(request, answer, f"order {order.order_id} is of another book than was asked")


def _in_order(request: Request, answer: Answer, found: list[Order]) -> tuple[Order, ...]:
    """Symbols sorted, BUY first, best first: the library knows how."""
    om = OrderManagement()
    try:
        om.add_orders(found)
    except OmsError as error:
        raise unexpected(request, answer, str(error)) from None
    return om.orders()
