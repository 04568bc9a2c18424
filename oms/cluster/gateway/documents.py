"""The OpenAPI document of a gateway: the service's document, with the parameters that choose a shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from oms.api.app import create_app
from oms.api.settings import Settings
from oms.cluster.gateway.choice import CHOOSER
from oms.cluster.gateway.routes import BOOKS, ENGINE, Rule
from oms.cluster.ownership.shards import Shards
from oms.management import OrderManagement
from oms.matching import MatchingEngine

__all__ = ["document_of"]

_CHOOSING = {Rule.SHARD, Rule.SHARD_OR_SYMBOL, Rule.SHARD_OR_ANY_SYMBOL, Rule.BODY_OR_SHARD}


def document_of(shards: Shards, settings: Settings, *, engine: bool) -> Callable[[], Mapping[str, Any]]:
    """Return a function that returns the document. The first call is slow, and all others are O(1)."""

    @cache
    def document() -> Mapping[str, Any]:
        content = create_app(MatchingEngine() if engine else OrderManagement(), settings).openapi()
        for (method, path), rule in (ENGINE if engine else BOOKS).items():
            if rule in _CHOOSING and path in content["paths"] and method.lower() in content["paths"][path]:
                operation: dict[str, Any] = content["paths"][path][method.lower()]
                added = _parameters(shards, rule)
                operation["parameters"] = [*operation.get("parameters", ()), *added]
        return content

    return document


def _parameters(shards: Shards, rule: Rule) -> list[dict[str, Any]]:
    only = rule is Rule.SHARD and len(shards) > 1
    schema: dict[str, Any] = {"type": "string", "enum": list(shards.names)}
    parameters = [_parameter(CHOOSER, schema, "The shard of the request.", required=only)]
    if rule is Rule.SHARD_OR_ANY_SYMBOL:
        text = "Instead of a shard: any symbol of this shard."
        parameters.append(_parameter("symbol", {"type": "string", "minLength": 1}, text, required=False))
    return parameters


def _parameter(name: str, schema: dict[str, Any], description: str, *, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "schema": schema,
        "description": description,
    }
