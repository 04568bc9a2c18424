"""The endpoints of a gateway: each of them forwards a request to the right shards.

Each shard is a separate service: it validates requests, makes changes, and has its own sequence numbers and
trade ids. The gateway decides only which shard a request concerns. A cluster of one shard needs no decision,
so its gateway forwards each request without looking for symbols and order ids in the request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from fastapi import Request, Response
from pydantic import ValidationError

from oms.api.problems import ProblemError, problem_response
from oms.api.query_models import EngineOrdersQuery, OrdersQuery
from oms.api.response_models import json_response
from oms.api.route import check_query
from oms.api.settings import Settings
from oms.cluster.gateway.choice import CHOOSER, chosen_shard, names_shard, shard_of_symbol
from oms.cluster.gateway.concerns import BOOKS_READERS, ENGINE_READERS
from oms.cluster.gateway.credentials import Credentials
from oms.cluster.gateway.gateway_metrics import GatewayMetrics
from oms.cluster.gateway.incoming import Incoming
from oms.cluster.gateway.merged import Merged, NotMergedError
from oms.cluster.gateway.placement import Placement
from oms.cluster.gateway.problems import shard_unavailable
from oms.cluster.gateway.readiness import Readiness
from oms.cluster.gateway.routes import Rule
from oms.cluster.gateway.workers import NoResponseError, Reply, Workers
from oms.cluster.ownership.shards import Shards
from oms.contract import MOST_DIGITS, REPLAYED_HEADER, SHARD_HEADER, id_from_path
from oms.submission import OrderId

__all__ = ["Front"]

_NAMING_A_SHARD = {
    Rule.SHARD,
    Rule.SHARD_OR_SYMBOL,
    Rule.SHARD_OR_ANY_SYMBOL,
    Rule.BODY_OR_SHARD,
    Rule.METRICS,
}
_SHARD = SHARD_HEADER.lower().encode()
_OWN_HEADERS = {b"date", _SHARD}  # the server and the gateway add their own
_REPLAYED = REPLAYED_HEADER.lower().encode()


class Front:
    """The functions that respond to requests, one for each rule (see routes.py)."""

    def __init__(
        self,
        shards: Shards,
        placement: Placement,
        workers: Workers,
        settings: Settings,
        credentials: Credentials,
        metrics: GatewayMetrics,
        *,
        engine: bool,
    ) -> None:
        self._shards = shards
        self._placement = placement
        self._workers = workers
        self._settings = settings
        self._credentials = credentials
        self._metrics = metrics
        self._engine = engine
        self._readiness = Readiness(shards, workers, credentials)
        self._readers = ENGINE_READERS if engine else BOOKS_READERS
        self._rules: Final[Mapping[Rule, Callable[[Incoming], Awaitable[Response]]]] = {
            Rule.SYMBOL: self._by_symbol,
            Rule.ORDER: self._by_order,
            Rule.BODY: self._by_body,
            Rule.BODY_OR_SHARD: self._by_body_or_shard,
            Rule.SHARD: partial(self._chosen, by_symbol=False),
            Rule.SHARD_OR_SYMBOL: self._chosen,
            Rule.SHARD_OR_ANY_SYMBOL: partial(self._chosen, drops_symbol=True),
            Rule.METRICS: self._shard_or_own_metrics,
            Rule.ORDERS: self._orders,
            Rule.SYMBOLS: self._symbols,
            Rule.INSTRUMENTS: self._instruments,
            Rule.COUNT: self._count,
        }

    def endpoint(self, rule: Rule) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler of requests that match this rule."""
        if rule is Rule.READY:
            return self._readiness.ready
        needs_no_decision = len(self._shards) == 1 and rule not in _NAMING_A_SHARD
        respond = self._any if needs_no_decision else self._rules[rule]

        async def endpoint(request: Request) -> Response:
            incoming = Incoming(request, self._settings, self._credentials)
            try:
                return await respond(incoming)
            except ProblemError as error:
                return problem_response(error)
            except NotMergedError as error:
                return _response(error.reply, incoming)
            except NoResponseError as error:
                problem = shard_unavailable(error, incoming.key, may_change=incoming.may_change)
                return problem_response(problem)

        return endpoint

    async def health(self, request: Request) -> Response:
        """Return 200 if the gateway is alive, even without workers."""
        del request
        return json_response({"alive": True})

    # ------------------------------------------------------------------ one shard

    async def _any(self, incoming: Incoming) -> Response:
        return await self._forward(None, incoming)

    async def _by_symbol(self, incoming: Incoming) -> Response:
        return await self._forward(shard_of_symbol(self._shards, incoming.query), incoming)

    async def _by_order(self, incoming: Incoming) -> Response:
        text: str = incoming.request.path_params["order_id"]
        order_id = id_from_path(text) if self._engine else _book_id(text)
        shard = None if order_id is None else await self._placement.of_order(order_id)
        return await self._forward(shard, incoming)

    async def _by_body(self, incoming: Incoming) -> Response:
        concerns = await incoming.concerns(self._readers[incoming.path])
        shard = await self._placement.of(concerns, claims=incoming.may_change)
        return await self._forward(shard, incoming)

    async def _by_body_or_shard(self, incoming: Incoming) -> Response:
        concerns = await incoming.concerns(self._readers[incoming.path], CHOOSER)
        if not concerns.symbols:
            return await self._chosen(incoming, by_symbol=False)
        check_query(incoming.query, {})  # the symbol has only one shard
        return await self._forward(await self._placement.of(concerns, claims=False), incoming)

    async def _chosen(
        self, incoming: Incoming, *, by_symbol: bool = True, drops_symbol: bool = False
    ) -> Response:
        method, path, query = incoming.method, incoming.path, incoming.query
        shard = chosen_shard(self._shards, method, path, query, by_symbol=by_symbol)
        return await self._forward(shard, incoming, CHOOSER, *(["symbol"] if drops_symbol else []))

    async def _shard_or_own_metrics(self, incoming: Incoming) -> Response:
        if names_shard(incoming.query):
            return await self._chosen(incoming, drops_symbol=True)
        check_query(incoming.query, {})
        return self._metrics.metrics(incoming.request)

    async def _forward(self, shard: str | None, incoming: Incoming, *dropped: str) -> Response:
        """Forward a request to a shard, by default to any shard that has a worker.

        `dropped` contains the names of query parameters that are only for the gateway.
        """
        if shard is None:
            with_worker = (name for name in self._shards.names if self._workers.address(name) is not None)
            shard = next(with_worker, self._shards.names[0])
        # The order ids of new orders identify the request, so it needs no idempotency key.
        needs_key = self._engine or (incoming.method, incoming.path) != ("POST", "/orders")
        outgoing = await incoming.outgoing(*dropped, adds_key=needs_key)
        send = self._workers.read if incoming.may_be_late else self._workers.send
        return _response(await send(shard, outgoing), incoming)

    # ------------------------------------------------------------------ all shards

    async def _orders(self, incoming: Incoming) -> Response:
        query = self._page_query(incoming)
        if query is None or query.symbol is not None:
            return await self._by_symbol(incoming)
        request = await incoming.outgoing()
        merged = self._merged()
        return _merged_response(merged, await merged.orders(request, query.after, query.limit))

    def _merged(self) -> Merged:
        return Merged(self._shards, self._workers, engine=self._engine)

    def _page_query(self, incoming: Incoming) -> OrdersQuery | EngineOrdersQuery | None:
        """Parse the query. Return None if it is invalid; a worker then rejects the request."""
        kind = EngineOrdersQuery if self._engine else OrdersQuery
        try:
            check_query(incoming.query, dict.fromkeys(kind.model_fields, False))
            return kind.model_validate(dict(incoming.request.query_params))
        except (ProblemError, ValidationError):
            return None

    async def _symbols(self, incoming: Incoming) -> Response:
        merged = self._merged()
        return _merged_response(merged, await merged.symbols(await incoming.outgoing()))

    async def _instruments(self, incoming: Incoming) -> Response:
        if incoming.query:
            return await self._by_symbol(incoming)
        merged = self._merged()
        return _merged_response(merged, await merged.instruments(await incoming.outgoing()))

    async def _count(self, incoming: Incoming) -> Response:
        merged = self._merged()
        return _merged_response(merged, await merged.count(await incoming.outgoing()))


def _merged_response(merged: Merged, content: Mapping[str, object]) -> Response:
    return json_response(content, headers=merged.headers)


def _book_id(text: str) -> OrderId | None:
    """Parse the order id in a path. Return None if it is invalid; a worker then rejects the request."""
    is_id = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    return int(text) if is_id else None


def _response(reply: Reply, incoming: Incoming) -> Response:
    """Return a worker's response to the client, with the name of the shard."""
    headers: list[tuple[bytes, bytes]] = []
    for name, value in reply.headers:
        if name not in _OWN_HEADERS and not (name == _REPLAYED and not incoming.has_own_key):
            headers.append((name, incoming.root_path.encode() + value if name == b"location" else value))
    headers.append((_SHARD, reply.shard.encode()))
    response = Response(reply.body, reply.status)
    response.raw_headers = headers  # exactly these; a response to HEAD keeps its Content-Length
    return response
