"""The OpenAPI document, checked by schemathesis with generated requests and sequences of requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from schemathesis.schemas import BaseSchema
from starlette.types import Receive, Scope, Send

from oms import MatchingEngine, OrderManagement, Side
from oms.api import ApiKey, Settings, answer_models, bulk_responses, create_app, response_models
from oms.api.engine import response_models as engine_models

KEY = "correct-horse-battery"
FEW_EXAMPLES = settings(
    max_examples=12,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def books() -> OrderManagement:
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    om.add_order(4, "JPM", Side.BUY, 10, 21)
    return om


def engine() -> MatchingEngine:
    engine = MatchingEngine()
    engine.submit("1", "JPM", Side.SELL, 20, 20)
    engine.submit(4, "JPM", Side.BUY, 10, 20, owner="Ann")
    return engine


class Renewable:
    """An application that can be replaced by a new one, so that Hypothesis starts without stored keys."""

    def __init__(
        self, settings: Settings, books: Callable[[], OrderManagement | MatchingEngine] = books
    ) -> None:
        self._settings = settings
        self._books = books
        self.renew()

    def renew(self) -> None:
        self._app = create_app(self._books(), self._settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def schema_of(app: Renewable, *statuses: str) -> BaseSchema:
    """Return the schema of an application. Valid requests may also have these statuses."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"Authorization": f"Bearer {KEY}"})
    schema.hook(filter_body)
    accepted = schema.config.checks.positive_data_acceptance
    accepted.expected_statuses = [
        *accepted.expected_statuses,
        "410",  # the events that a valid request asks for
        *statuses,
    ]
    return schema


def filter_body(_context: object, body: Any) -> bool:
    """Return False for bodies with values that the schema allows and the service rejects.

    A float such as 1.0 is an integer only in JSON Schema. The pattern of an id as text also allows 19 digits
    above 2^63-1.
    """
    if isinstance(body, dict | list):
        parts = body.values() if isinstance(body, dict) else body
        return all(filter_body(_context, part) for part in parts)
    if isinstance(body, float):
        return not body.is_integer()
    return not (isinstance(body, str) and re.fullmatch("[0-9]{19}", body) and int(body) > 2**63 - 1)


def make_key_unique(case: schemathesis.Case[Any]) -> None:
    """Make the key unique for each request. No schema can express this rule; test_idempotency.py tests it."""
    key = str(case.headers.get("Idempotency-Key", "")) if case.headers else ""
    if re.fullmatch("[!-~]{1,255}", key):
        request = repr((case.method, case.path_parameters, case.body))
        digest = sha256(request.encode()).hexdigest()[:32]
        case.headers["Idempotency-Key"] = key[: 255 - len(digest)] + digest


app = Renewable(Settings())
schema = schema_of(app)


@pytest.mark.slow
@schema.parametrize()
@FEW_EXAMPLES
def test_every_response_conforms_to_the_openapi_document(case: schemathesis.Case[Any]) -> None:
    make_key_unique(case)
    case.call_and_validate()


@schema_of(Renewable(Settings(api_key=KEY))).parametrize()
@settings(FEW_EXAMPLES, max_examples=3)
def test_every_response_conforms_to_the_openapi_document_if_a_key_is_required(
    case: schemathesis.Case[Any],
) -> None:
    make_key_unique(case)
    case.call_and_validate()


# The schema cannot say which terms of a submission exclude each other.
@pytest.mark.slow
@schema_of(Renewable(Settings(), engine), "422").parametrize()
@FEW_EXAMPLES
def test_every_response_of_an_engine_conforms_to_the_openapi_document(case: schemathesis.Case[Any]) -> None:
    make_key_unique(case)
    case.call_and_validate()


@schema_of(Renewable(Settings(keys=(ApiKey.of(KEY, name="ann", owner="Ann"),)), engine), "422").parametrize()
@settings(FEW_EXAMPLES, max_examples=3)
def test_every_response_to_an_owner_conforms_to_the_openapi_document(case: schemathesis.Case[Any]) -> None:
    make_key_unique(case)
    case.call_and_validate()


def test_the_documentation_page_loads_nothing_from_other_servers() -> None:
    client = TestClient(create_app(books(), Settings()))
    page, document = client.get("/docs"), client.get("/openapi.json").json()
    for path in document["paths"]:
        assert f"</b> {path}</h2>" in page.text
    assert re.findall("<script[^>]*>", page.text) == ["<script type=module src=page/docs.js>"]
    assert "//" not in page.text.replace("urn:", "")
    assert (
        "href=/" not in page.text
    )  # links must be relative, because the application may be mounted below a path
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("served", [books, engine])
def test_every_response_has_a_valid_example_and_the_right_media_type(
    served: Callable[[], OrderManagement | MatchingEngine],
) -> None:
    document = create_app(served(), Settings()).openapi()
    rooms = response_models, answer_models, engine_models, bulk_responses
    schemas = {name: getattr(room, name) for room in rooms for name in room.__all__}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                ((media_type, content),) = response["content"].items()
                if status < "400":
                    assert media_type == "application/json", path
                    name = content["schema"]["$ref"].rpartition("/")[2]
                    schemas[name].model_validate(content["example"])
                else:
                    assert media_type == "application/problem+json", path
                    for code, example in content["examples"].items():
                        assert response_models.Problem.model_validate(example["value"]).code == code


class RequestSequences(schema.as_state_machine()):  # type: ignore[misc]  # the base class is created at run time
    """Sequences of requests that follow the links of the document."""

    def setup(self) -> None:
        app.renew()
        super().setup()

    def before_call(self, case: schemathesis.Case[Any]) -> None:
        make_key_unique(case)


TestRequestSequences = RequestSequences.TestCase
TestRequestSequences.settings = settings(FEW_EXAMPLES, max_examples=8, stateful_step_count=6)
