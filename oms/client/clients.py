"""The clients: OrderManagement as another process has it, over HTTP."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, get_args, get_type_hints

import httpx

from oms.client import operations
from oms.client.connection import ANSWER_LIMIT, AnswerBody, Bounded, Endpoint, deadline
from oms.client.requests import Request
from oms.client.retries import Failure, Pause, Reply, Talk, persist
from oms.models import Order

__all__ = ["AsyncClient", "Client"]

P = ParamSpec("P")
T = TypeVar("T")
Asked = TypeVar("Asked", bound=Callable[..., Any])

# A verb is written once, as a talk (see operations.py), and both kinds of client have it as a method. A type
# checker sees what `_asking` and `_awaiting` say. At run time `help()`, `inspect.signature`,
# `typing.get_type_hints` and the reference see what `_as_method` says: real types, none of them of a talk.


def _as_method(talk: Callable[..., object], owner: str, method: Asked, name: str | None = None) -> Asked:
    """Show a method as what it is: named, documented and typed like its talk, returning what that returns."""
    hints = get_type_hints(talk)
    *_, hints["return"] = get_args(hints["return"])  # Generator[Request, Answer, what it returns]
    signature = inspect.signature(talk)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [each.replace(annotation=hints[each.name]) for each in signature.parameters.values()]
    method.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # inspect looks for it
        [own, *parameters], return_annotation=hints["return"]
    )
    method.__annotations__ = hints
    method.__doc__ = talk.__doc__
    method.__name__ = name or talk.__name__
    method.__qualname__ = f"{owner}.{method.__name__}"
    return method


def _asking(talk: Callable[P, Talk[T]], name: str | None = None) -> Callable[Concatenate[Client, P], T]:
    def ask(self: Client, /, *args: P.args, **options: P.kwargs) -> T:
        return self._hold(talk(*args, **options))

    return _as_method(talk, "Client", ask, name)


def _awaiting(talk: Callable[P, Talk[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    async def ask(self: AsyncClient, /, *args: P.args, **options: P.kwargs) -> T:
        return await self._hold(talk(*args, **options))

    return _as_method(talk, "AsyncClient", ask)


class Client:
    """OrderManagement in another process: the same verbs and questions, values and errors.

    `base_url` is where the service is, `api_key` what it lets in. `timeout` is how long (seconds) an
    attempt may take in all, from connecting to the last byte of the answer. What is not answered, or by a
    proxy with 502, 503 or 504, is sent again, `attempts` times in all, with pauses of 0.1, 0.2, 0.4 .. 2
    seconds; a change carries a key of its own, under which the service makes it once, however often it
    comes. An answer of more than `answer_limit` bytes (64 MiB), a compressed one, and one about something
    else than what was asked is an UnexpectedAnswerError. Redirects are not followed. Proxies are those of
    the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), but none leads to this machine. Threads may share
    one client.

    Beside what `OrderManagement` raises: ApiError, and InvalidOrderError for what JSON cannot carry (in a
    change an int beyond 2^53-1, in a question one of more than 100 digits). `transport` is another way to
    the service than the network, `sleep` another way to wait.

    >>> from oms import OrderManagement, Side
    >>> from oms.api import create_app
    >>> from oms.client import Client, InProcess
    >>> service = InProcess(create_app(OrderManagement()))
    >>> with Client("http://localhost", transport=service) as om:  # else Client("http://localhost:8080")
    ...     om.add_order(1, "JPM", Side.BUY, 20, 20)
    ...     om.add_order(4, "JPM", Side.BUY, 10, 21)
    ...     om.calculate_price("JPM", Side.BUY, 22)
    ...     om.place_trade("JPM", Side.BUY, 22).fills
    ...     1 in om, len(om), om.get_order(4).amount
    442
    (OrderFill(order_id=1, amount=20, price=20), OrderFill(order_id=4, amount=2, price=21))
    (False, 1, 8)

    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        attempts: int = 4,
        answer_limit: int = ANSWER_LIMIT,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._endpoint = Endpoint.checked(base_url, api_key, timeout, attempts, answer_limit)
        self._sleep = sleep
        transport = transport or Bounded(self._endpoint.proxy)
        self._http = httpx.Client(transport=transport, **self._endpoint.options())

    add_order = _asking(operations.add_order)
    remove_order = _asking(operations.remove_order)
    amend_order = _asking(operations.amend_order)
    place_trade = _asking(operations.place_trade)
    calculate_price = _asking(operations.calculate_price)
    calculate_prices = _asking(operations.calculate_prices)
    quote = _asking(operations.quote)
    price_curve = _asking(operations.price_curve)
    calculate_amount = _asking(operations.calculate_amount)
    available_amount = _asking(operations.available_amount)
    amount_within = _asking(operations.amount_within)
    get_order = _asking(operations.get_order)
    orders = _asking(operations.orders)
    symbols = _asking(operations.symbols)
    best_price = _asking(operations.best_price)
    depth = _asking(operations.depth)
    state_hash = _asking(operations.state_hash)
    __contains__ = _asking(operations.contains, "__contains__")
    __len__ = _asking(operations.count, "__len__")

    def __iter__(self) -> Iterator[Order]:
        """Walk a snapshot of all orders, in the order of `orders`."""
        return iter(self.orders())

    def _hold(self, talk: Talk[T]) -> T:
        dialogue = persist(talk, self._endpoint.attempts)
        reply: Reply = None
        try:
            while True:
                step = dialogue.send(reply)
                reply = None
                if isinstance(step, Pause):
                    self._sleep(step.seconds)
                else:
                    reply = self._send(step)
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, request: Request) -> Reply:
        try:
            with deadline(self._endpoint.timeout), self._http.stream(**_sent(request)) as response:
                body = AnswerBody(request, response, self._endpoint.answer_limit)
                for part in response.iter_bytes():
                    body.take(part)
                return body.answer()
        except httpx.RequestError as error:
            return Failure(error)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._http.base_url}>"


class AsyncClient:
    """`Client` for programs of coroutines: each verb and question is awaited.

    What Python does not let one await has a name: `await om.contains(1)` for `1 in om`, `await om.count()`
    for `len(om)`; and it is `async for order in om`, `async with` and `await om.aclose()`.

    >>> import asyncio, httpx
    >>> from oms import OrderManagement, Side
    >>> from oms.api import create_app
    >>> from oms.client import AsyncClient
    >>> async def main() -> None:
    ...     service = httpx.ASGITransport(create_app(OrderManagement()))
    ...     async with AsyncClient("http://localhost", transport=service) as om:
    ...         await om.add_order(1, "JPM", Side.BUY, 20, 20)
    ...         print(await om.calculate_price("JPM", Side.BUY, 10), await om.contains(1))
    >>> asyncio.run(main())
    200 True

    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        attempts: int = 4,
        answer_limit: int = ANSWER_LIMIT,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._endpoint = Endpoint.checked(base_url, api_key, timeout, attempts, answer_limit)
        self._sleep = sleep
        self._traced = transport is None  # another transport need not say how far it has come
        proxy = None if transport else self._endpoint.proxy
        verify = httpx.create_ssl_context()
        options = self._endpoint.options()
        self._http = httpx.AsyncClient(transport=transport, proxy=proxy, verify=verify, **options)

    add_order = _awaiting(operations.add_order)
    remove_order = _awaiting(operations.remove_order)
    amend_order = _awaiting(operations.amend_order)
    place_trade = _awaiting(operations.place_trade)
    calculate_price = _awaiting(operations.calculate_price)
    calculate_prices = _awaiting(operations.calculate_prices)
    quote = _awaiting(operations.quote)
    price_curve = _awaiting(operations.price_curve)
    calculate_amount = _awaiting(operations.calculate_amount)
    available_amount = _awaiting(operations.available_amount)
    amount_within = _awaiting(operations.amount_within)
    get_order = _awaiting(operations.get_order)
    orders = _awaiting(operations.orders)
    symbols = _awaiting(operations.symbols)
    best_price = _awaiting(operations.best_price)
    depth = _awaiting(operations.depth)
    state_hash = _awaiting(operations.state_hash)
    contains = _awaiting(operations.contains)
    count = _awaiting(operations.count)

    async def __aiter__(self) -> AsyncIterator[Order]:
        """Walk a snapshot of all orders, in the order of `orders`."""
        for order in await self.orders():
            yield order

    async def _hold(self, talk: Talk[T]) -> T:
        dialogue = persist(talk, self._endpoint.attempts)
        reply: Reply = None
        try:
            while True:
                step = dialogue.send(reply)
                reply = None
                if isinstance(step, Pause):
                    await self._sleep(step.seconds)
                else:
                    reply = await self._send(step)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, request: Request) -> Reply:
        stage = "connection." if self._traced else ""

        async def trace(event: str, _info: object) -> None:
            nonlocal stage
            stage = event

        sent: Mapping[str, Any] = {**_sent(request), "extensions": {"trace": trace}}
        try:
            async with asyncio.timeout(self._endpoint.timeout), self._http.stream(**sent) as response:
                body = AnswerBody(request, response, self._endpoint.answer_limit)
                async for part in response.aiter_bytes():
                    body.take(part)
                return body.answer()
        except httpx.RequestError as error:
            return Failure(error)
        except TimeoutError:  # while it connects, nothing has been sent
            late = httpx.ConnectTimeout if stage.startswith("connection.") else httpx.ReadTimeout
            return Failure(late("the time of the whole request is up"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self._http.base_url}>"


def _sent(request: Request) -> Mapping[str, Any]:
    """How httpx is told of a request."""
    key = {} if request.key is None else {"Idempotency-Key": request.key}
    return {
        "method": request.method,
        "url": request.path,
        "params": request.query,
        "json": request.body,
        "headers": key,
    }
