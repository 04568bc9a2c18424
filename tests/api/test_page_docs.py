"""The page /docs describes each endpoint, and its forms send valid requests and show the responses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Locator, Page, expect

from oms import MatchingEngine, OrderManagement
from oms.api import Settings, create_app
from oms.api.page import documentation
from oms.api.page.request_examples import Schemas, hints_of
from support import engine_page, ladder_page
from support.api_server import Address, serving
from support.chromium import visiting
from support.engine_page import sign_in
from support.ladder_page import HUGE, KEY, serious_faults

pytestmark = pytest.mark.long

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address
worked_example = ladder_page.worked_example
engine = engine_page.engine
open_address = engine_page.open_address

SERVED = pytest.mark.parametrize("served", [OrderManagement, MatchingEngine], ids=["books", "engine"])


@pytest.fixture
def page(browser: Browser, address: Address) -> Iterator[Page]:
    with visiting(browser, address.http, "/docs") as page:
        yield page


def opened(page: Page, method: str, path: str) -> Locator:
    """Open the form of an endpoint and return it."""
    section = page.get_by_role("region", name=f"{method} {path}", exact=True)
    section.get_by_text("Try it").click()
    form = section.get_by_role("form")
    expect(form).to_be_visible()
    return form


def sent(form: Locator) -> dict[str, str]:
    """Send the request of a form, and return the parts of its response."""
    form.get_by_role("button", name="Send").click()
    return parts(form)


def parts(form: Locator) -> dict[str, str]:
    expect(form.locator(".response pre")).to_have_count(4)
    names = form.locator(".response h3").all_inner_texts()
    return dict(zip(names, form.locator(".response pre").all_inner_texts(), strict=True))


# ---------------------------------------------------------------------- the forms


def test_a_question_is_sent_with_its_example(page: Page, address: Address, om: OrderManagement) -> None:
    response = sent(opened(page, "GET", "/price"))
    assert response["Request"] == f"GET {address.http}/price?symbol=JPM&side=BUY&amount=22"
    assert response["Status"] == "200 OK"
    assert "content-type: application/json" in response["Headers"].splitlines()
    assert json.loads(response["Body"]) == {"symbol": "JPM", "side": "BUY", "amount": 22, "total_price": 442}
    assert response["Body"].startswith('{\n  "symbol": "JPM",\n')


def test_a_change_is_sent_with_its_body_and_headers(page: Page, om: OrderManagement) -> None:
    form = opened(page, "POST", "/orders")
    expect(form.get_by_text("This request changes the books of this service.")).to_be_visible()
    body = form.get_by_label("Body, as JSON")
    assert json.loads(body.input_value()) == {
        "order_id": 4,
        "symbol": "JPM",
        "side": "BUY",
        "amount": 10,
        "price": 21,
    }
    body.fill(f'{{"order_id": 9, "symbol": "JPM", "side": "SELL", "amount": "{HUGE}", "price": 19}}')
    form.get_by_label("Idempotency-Key").fill("mine-1")
    response = sent(form)
    assert response["Status"] == "201 Created"
    assert {"idempotency-key: mine-1", "location: /orders/9"} <= set(response["Headers"].splitlines())
    assert om.get_order(9).amount == HUGE
    form = opened(page, "DELETE", "/orders/{order_id}")
    form.get_by_label("order_id").fill("9")
    response = sent(form)
    assert response["Status"] == "200 OK"
    assert f'"amount": "{HUGE}"' in response["Body"]
    assert 9 not in om


def test_an_error_of_the_service_is_shown_like_any_response(page: Page) -> None:
    form = opened(page, "GET", "/orders/{order_id}")
    form.get_by_label("order_id").fill("a/b c?")
    response = sent(form)
    assert response["Request"].endswith("/orders/a%2Fb%20c%3F")
    assert response["Status"] in {"404 Not Found", "422 Unprocessable Entity", "422 Unprocessable Content"}
    form.get_by_label("order_id").fill("")
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".problem")).to_have_text("order_id must not be empty.")


def test_a_field_is_left_out_if_it_is_empty_and_a_list_is_sent_item_by_item(page: Page) -> None:
    form = opened(page, "GET", "/prices")
    expect(form.get_by_label("amounts")).to_have_value("22, 10")
    form.get_by_label("amounts").fill("1, 30,")
    form.get_by_label("decimals").select_option("true")
    response = sent(form)
    assert response["Request"].endswith("/prices?decimals=true&symbol=JPM&side=BUY&amounts=1&amounts=30")
    assert json.loads(response["Body"])["total_prices"] == [20, 610]


def test_a_form_says_why_nothing_was_sent(browser: Browser, address: Address) -> None:
    with visiting(browser, address.http, "/docs") as page:
        form = opened(page, "POST", "/orders")
        form.get_by_label("Idempotency-Key").fill("\N{SNOWMAN}")
        form.get_by_role("button", name="Send").click()
        expect(form.locator(".problem")).not_to_be_empty()
        page.route("**/count", lambda route: route.abort())
        form = opened(page, "GET", "/count")
        form.get_by_role("button", name="Send").click()
        expect(form.locator(".problem")).to_have_text("The server does not respond.")
        page.unroute("**/count")
        assert sent(form)["Body"] == '{\n  "count": 2\n}'


def test_a_request_uses_the_session_or_the_key_on_the_page(browser: Browser, om: OrderManagement) -> None:
    keys = Settings(api_key=KEY)
    with serving(create_app(om, keys)) as address, visiting(browser, address.http, "/#/JPM") as page:
        sign_in(page, KEY)
        page.get_by_role("link", name="API").click()
        assert sent(opened(page, "GET", "/count"))["Status"] == "200 OK"
        form = opened(page, "DELETE", "/orders/{order_id}")
        form.get_by_label("order_id").fill("1")
        assert sent(form)["Status"] == "200 OK"
        page.get_by_label("API key").fill("wrong")
        form.get_by_role("button", name="Send").click()
        expect(form.locator("[data-part=status] pre")).to_have_text("401 Unauthorized")
        page.get_by_label("API key").fill(KEY)
        form.get_by_role("button", name="Send").click()
        expect(form.locator("[data-part=status] pre")).to_have_text("404 Not Found")
        page.get_by_label("API key").press("Enter")  # does not leave the page
        expect(page.get_by_label("API key")).to_have_value(KEY)
        assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


# ---------------------------------------------------------------------- examples


@SERVED
def test_every_example_request_is_valid(served: type[OrderManagement | MatchingEngine]) -> None:
    app = create_app(served(), Settings())
    client, document = TestClient(app), app.openapi()
    schemas = Schemas(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            examples = {
                each["name"]: (each["in"], schemas.example_parameter(each, operation))
                for each in operation.get("parameters", ())
            }
            url, query = path, {}
            for name, (place, text) in examples.items():
                if place == "path":
                    url = url.replace(f"{{{name}}}", text)
                elif place == "query" and text:
                    query[name] = text.split(", ")
            response = client.request(method, url, params=query, json=schemas.example_body(operation))
            assert response.status_code not in {400, 415, 422}, f"{method} {path}: {response.text}"


@SERVED
def test_every_endpoint_has_a_section_and_a_form(served: type[OrderManagement | MatchingEngine]) -> None:
    app = create_app(served(), Settings())
    text, document = TestClient(app).get("/docs").text, app.openapi()
    operations = [(method, path) for path, each in document["paths"].items() for method in each]
    for method, path in operations:
        assert f'data-method={method.upper()} data-path="{path}"' in text
    assert text.count("<section ") == text.count("<form class=request") == len(operations)
    anchors = re.findall(r"<section id=(\S+)", text)
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall("href=#([^>]+)", text)) == set(anchors)


@SERVED
def test_the_page_and_the_document_are_made_once(
    served: type[OrderManagement | MatchingEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TestClient(create_app(served(), Settings()))
    first = {path: client.get(path) for path in ("/docs", "/openapi.json")}
    monkeypatch.setattr(documentation, "json", None)
    monkeypatch.setattr(documentation, "_html", None)
    for path, response in first.items():
        for again in (client.get(path), client.head(path)):
            assert (again.status_code, again.headers) == (200, response.headers)
        assert client.get(path).content == response.content
    assert first["/openapi.json"].headers["content-type"] == "application/json"


def test_the_document_names_the_root_path_of_each_request_as_the_server() -> None:
    app = create_app(OrderManagement(), Settings())
    for root_path, servers in (("", None), ("/oms", [{"url": "/oms"}]), ("/b/", [{"url": "/b"}]), ("", None)):
        document = TestClient(app, root_path=root_path).get("/openapi.json").json()
        assert document.pop("servers", None) == servers
        assert document == app.openapi()


def test_requests_at_the_same_time_see_the_whole_document() -> None:
    app = create_app(OrderManagement(), Settings())
    with ThreadPoolExecutor(4) as pool:
        documents = list(pool.map(lambda _: app.openapi(), range(4)))
    assert all(document is documents[0] for document in documents)


def test_the_outer_field_of_an_example_is_the_hint() -> None:
    content = {"application/json": {"example": {"fills": [{"amount": 1, "price": 2}], "amount": 3}}}
    operation: dict[str, Any] = {"responses": {"201": {"content": content}, "404": {"content": {}}}}
    assert hints_of(operation) == {"fills": [{"amount": 1, "price": 2}], "amount": 3, "price": 2}


@pytest.mark.parametrize(
    ("schema", "words", "example"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 9}, "an integer from 0 to 9", 0),
        (
            {"anyOf": [{"type": "integer", "minimum": 3}, {"type": "null"}]},
            "an integer of at least 3 or null",
            3,
        ),
        ({"type": "string", "pattern": "^[1-9][0-9]{0,18}$"}, "a string of digits", "text"),
        ({"type": "string", "pattern": "^[!-~]+$"}, "a string that matches ^[!-~]+$", "text"),
        ({"type": "boolean", "default": False}, "true or false, by default false", False),
        ({"const": "x"}, "x", "x"),
        ({"oneOf": [{"$ref": "#/components/schemas/Side"}]}, "BUY or SELL", "BUY"),
        ({"type": "array", "items": {"type": "number"}}, "a list, each a number", [1]),
        ({"type": "object"}, "an object", "text"),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]},
            "an object with a, b",
            {"a": 1},
        ),
        ({}, "any value", "text"),
        ({"type": "string", "description": "One\nline."}, "a string. One line", "text"),
    ],
)
def test_a_schema_has_words_and_an_example(schema: dict[str, Any], words: str, example: object) -> None:
    schemas = Schemas({"components": {"schemas": {"Side": {"enum": ["BUY", "SELL"]}}}})
    assert schemas.in_words(schema) == words
    operation = {"responses": {}, "requestBody": {"content": {"application/json": {"schema": schema}}}}
    assert schemas.example_body(operation) == example


def test_the_example_of_the_document_goes_before_all_others() -> None:
    content = {"schema": {"type": "object"}, "example": {"a": 1}}
    operation: dict[str, Any] = {"responses": {}, "requestBody": {"content": {"application/json": content}}}
    assert Schemas({}).example_body(operation) == {"a": 1}


INDENTED = """async (texts) => {
  const { indented } = await import("/page/indented.js");
  return texts.map(indented);
}"""
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(['"', "\\", ":", "[]", "{}"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def docs_page(browser: Browser, address: Address) -> Iterator[Page]:
    with visiting(browser, address.http, "/docs") as page:
        yield page


@given(st.lists(json_values, max_size=20), st.booleans())
@settings(max_examples=25)
def test_json_is_indented_without_any_change_of_its_values(
    docs_page: Page, values: list[Any], ascii_only: bool
) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    expected = [json.dumps(value, ensure_ascii=ascii_only, indent=2) for value in values]
    assert docs_page.evaluate(INDENTED, texts) == expected
    assert docs_page.evaluate(INDENTED, ["<html>", '{"a": 1', *expected]) == ["<html>", '{"a": 1', *expected]


# ---------------------------------------------------------------------- the page


def test_the_page_runs_only_its_own_script_and_connects_only_to_its_own_server(address: Address) -> None:
    response = TestClient(create_app(settings=Settings())).get("/docs")
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert re.search(r"<style|\son\w+=|\sstyle=", response.text) is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_the_page_fits_the_window_and_has_no_serious_accessibility_fault(
    browser: Browser, open_address: Address, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 844}
    with visiting(
        browser, open_address.http, "/docs", viewport=size, color_scheme=scheme, bypass_csp=True
    ) as page:
        assert page.locator("section").count() > 5
        sent(opened(page, "GET", "/events"))
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(
            "[...document.querySelectorAll('dt, dd, pre, h2, label')]"
            ".every((e) => e.scrollWidth <= e.clientWidth || getComputedStyle(e).display === 'inline')"
        )
        assert serious_faults(page) == []


def test_a_visitor_can_send_a_request_with_the_keyboard_alone(page: Page) -> None:
    page.get_by_role("link", name="GET /count").press("Enter")
    expect(page).to_have_url(re.compile("#get-count$"))
    page.keyboard.press("Tab")  # the responses
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    section = page.get_by_role("region", name="GET /count", exact=True)
    assert parts(section)["Status"] == "200 OK"
    expect(section.get_by_role("button", name="Send")).to_be_focused()
