"""Who is let in, and who is not: keys, cookies, hosts, origins."""

from __future__ import annotations

import hmac
import json
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from websockets.exceptions import InvalidStatus

from oms import InvalidArgumentError
from oms.api import Settings, auth, create_app
from oms.api.page import PATHS
from support.api_books import ORDER, problem
from support.api_server import next_message, serving, stream

KEY = "correct horse battery".replace(" ", "-")
BEARER = {"Authorization": f"Bearer {KEY}"}
OWN = "http://127.0.0.1:8080"
STREAM = "ws://127.0.0.1:8080/stream"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(settings=Settings(api_key=KEY, checks_host=True, hosts=("localhost", "oms.example")))


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=OWN)


@pytest.mark.parametrize("path", ["/symbols", "/orders", "/ready", "/openapi.json", "/docs", "/nothing"])
def test_all_but_the_page_and_the_health_is_closed_without_the_key(client: TestClient, path: str) -> None:
    refused = client.get(path)
    assert problem(refused)["code"] == "unauthorized"
    assert refused.headers["www-authenticate"] == "Bearer"
    assert client.get(path, headers=BEARER).status_code != 401
    assert client.get("/health").status_code == 200
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY}x",
        f"Basic {KEY}",
        "Bearer \xe9\xff",
        f"Bearer {KEY.upper()}",
    ],
)
def test_a_wrong_key_is_refused_whatever_it_is(client: TestClient, given: str) -> None:
    refused = client.get("/symbols", headers=[("Authorization", given.encode("latin-1"))])  # type: ignore[arg-type]  # bytes are what it sends
    assert problem(refused)["code"] == "unauthorized"


@pytest.mark.parametrize("path", ["/symbols", "/session"])
def test_a_wrong_key_is_told_from_a_missing_one_and_from_a_session_that_has_ended(
    client: TestClient, path: str
) -> None:
    method = "POST" if path == "/session" else "GET"

    def refused(**headers: str) -> tuple[str, str]:
        answer = client.request(method, path, headers={"Origin": OWN, **headers})
        assert answer.status_code == 401
        return problem(answer)["detail"], answer.headers["www-authenticate"]

    missing = ("give the API key as Authorization: Bearer", "Bearer")
    for given in ({}, {"Authorization": "Bearer"}, {"Authorization": f"Basic {KEY}"}, {"Authorization": KEY}):
        assert refused(**given) == missing
    wrong = ("the API key is not valid", 'Bearer error="invalid_token"')
    for key in ("x", KEY[:-1], KEY + "x", "x" * 10_000):
        assert refused(Authorization=f"Bearer {key}") == wrong
        assert refused(Authorization=f"bearer  {key} ", Cookie="oms_session=x") == wrong
    assert refused(Cookie="oms_session=x")[0] == "the session has ended: give the API key again"


def test_every_key_that_is_given_is_compared_in_constant_time(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []

    def compare(given: bytes, key: bytes) -> bool:
        compared.append(given)
        return hmac.compare_digest(given, key)

    monkeypatch.setattr(auth, "hmac", SimpleNamespace(compare_digest=compare))
    for key in ("x", KEY[:-1], KEY):
        client.get("/symbols", headers={"Authorization": f"Bearer {key}"})
    assert compared == [b"x", KEY[:-1].encode(), KEY.encode()]


def test_the_key_is_not_taken_from_a_query_and_is_shown_nowhere(client: TestClient) -> None:
    assert client.get(f"/symbols?api_key={KEY}").status_code == 401
    assert KEY not in repr(Settings(api_key=KEY))
    assert KEY not in client.get("/openapi.json", headers=BEARER).text


@pytest.mark.parametrize("key", ["", "short", "sixteen letters!", "sixteen-letters\xe9", "sixteen-letters\n"])
def test_a_key_that_is_too_short_or_fits_no_header_is_refused(key: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        Settings(api_key=key)
    assert not key or key not in str(refused.value)


def test_the_page_trades_the_key_for_a_cookie_that_no_script_reads(client: TestClient) -> None:
    opened = client.post("/session", headers={**BEARER, "Origin": OWN})
    assert opened.status_code == 204
    cookie = opened.headers["set-cookie"]
    assert KEY not in cookie
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert client.get("/symbols").status_code == 200
    assert client.get("/session").json() == {"open": True}
    assert client.post("/orders", json=ORDER, headers={"Origin": OWN}).status_code == 201
    assert client.delete("/orders/1", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert client.delete("/session", headers={"Origin": OWN}).status_code == 204
    client.cookies.set("oms_session", cookie.partition(";")[0].partition("=")[2])
    assert client.get("/symbols").status_code == 401


def test_a_cookie_buys_no_other_cookie(client: TestClient) -> None:
    client.post("/session", headers=BEARER)
    assert client.get("/symbols").status_code == 200
    assert problem(client.post("/session", headers={"Origin": OWN}))["code"] == "unauthorized"


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False)])
def test_the_cookie_of_a_browser_that_came_by_https_stays_there(
    client: TestClient, scheme: str, secure: bool
) -> None:
    origin = OWN.replace("http", scheme)  # a proxy has taken the rest of it off
    opened = client.post("/session", headers={**BEARER, "Origin": origin})
    assert ("secure" in opened.headers["set-cookie"].lower()) is secure


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}]
)
@pytest.mark.parametrize("checks_host", [True, False])
def test_a_cookie_alone_changes_nothing_for_another_site(headers: dict[str, str], checks_host: bool) -> None:
    client = TestClient(create_app(settings=Settings(api_key=KEY, checks_host=checks_host)), base_url=OWN)
    client.post("/session", headers=BEARER)
    assert problem(client.post("/orders", json=ORDER, headers=headers))["code"] == "origin_refused"
    assert client.get("/orders").json()["total"] == 0
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect(STREAM, headers=headers),
    ):
        pass
    assert json.loads(denied.value.content)["code"] == "origin_refused"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "10.0.0.7", "localhost:1", "LOCALHOST", "oms.example."],
)
def test_an_address_or_a_listed_name_is_a_host(client: TestClient, host: str) -> None:
    assert client.get("/symbols", headers={**BEARER, "Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost@evil.example", "2130706433.evil"],
)
def test_a_name_that_somebody_else_made_point_here_is_refused(client: TestClient, host: str) -> None:
    for path in ("/health", "/", "/symbols"):
        assert problem(client.get(path, headers={**BEARER, "Host": host}))["code"] == "host_refused"


def test_without_a_check_of_hosts_any_is_served_as_in_another_application() -> None:
    client = TestClient(create_app(settings=Settings()), base_url="http://whatever.example")
    assert client.post("/orders", json=ORDER, headers={"Origin": "http://else.example"}).status_code == 201


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "https://localhost:8080",
        "http://[",
        "http://[::1",
    ],
)
def test_another_origin_is_refused_even_with_the_key(client: TestClient, origin: str) -> None:
    headers = {**BEARER, "Origin": origin}
    assert problem(client.post("/orders", json=ORDER, headers=headers))["code"] == "origin_refused"
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect(STREAM, headers=headers),
    ):
        pass
    assert denied.value.status_code == 403


def test_the_files_of_the_page_are_given_to_any_site_and_say_nothing(client: TestClient) -> None:
    elsewhere = {"Origin": "http://evil.example"}
    for path in PATHS:
        answer = client.get(path, headers=elsewhere)
        assert answer.status_code == 200, path
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers
    for path in ("/health", "/symbols", "/openapi.json"):
        assert client.get(path, headers={**BEARER, **elsewhere}).status_code == 403


def test_a_listed_origin_may_ask_and_read_and_no_other_is_told_that_it_may() -> None:
    listed = "https://desk.example"
    client = TestClient(create_app(settings=Settings(checks_host=True, cors_origins=(listed,))), base_url=OWN)
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = client.options("/orders", headers={"Origin": listed, **asked})
    assert preflight.headers["access-control-allow-origin"] == listed
    assert client.post("/orders", json=ORDER, headers={"Origin": listed}).status_code == 201
    other = client.options("/orders", headers={"Origin": "https://evil.example", **asked})
    assert "access-control-allow-origin" not in other.headers
    closed = TestClient(create_app(settings=Settings()), base_url=OWN)
    assert closed.options("/orders", headers={"Origin": listed, **asked}).status_code == 405


def test_a_stream_is_closed_without_the_key_and_open_with_it_or_the_cookie() -> None:
    with serving(create_app(settings=Settings(api_key=KEY, checks_host=True))) as address:
        with pytest.raises(InvalidStatus) as refused, stream(address):
            pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body or b"")["code"] == "unauthorized"
        with stream(address, "", **BEARER) as connection:
            assert next_message(connection)["type"] == "snapshot"
        opened = httpx.post(f"{address.http}/session", headers=BEARER)
        cookie = {"Cookie": opened.headers["set-cookie"].partition(";")[0], "Origin": address.http}
        with stream(address, "", **cookie) as connection:
            assert next_message(connection)["type"] == "snapshot"


def test_the_health_and_the_page_of_an_application_within_another_are_open_too() -> None:
    other = FastAPI()
    other.mount("/book", create_app(settings=Settings(api_key=KEY)))
    client = TestClient(other)
    for path in ("health", "", "page/main.js"):
        assert client.get(f"/book/{path}").status_code == 200
    assert client.get("/book/symbols").status_code == 401
    assert client.get("/book/symbols", headers=BEARER).status_code == 200
