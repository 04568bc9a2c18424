"""Access to the service: keys, cookies, hosts, and origins."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.exceptions import InvalidStatus

from oms import InvalidArgumentError, MatchingEngine, OrderManagement
from oms.api import Access, ApiKey, Settings, create_app, key_ring
from oms.api.callers import Caller, caller_in
from oms.api.keys import as_entry, generate_key
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


@pytest.mark.parametrize("path", ["/symbols", "/orders", "/metrics", "/openapi.json", "/docs", "/nothing"])
def test_every_path_except_the_page_and_health_requires_the_key(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert problem(response)["code"] == "unauthorized"
    assert response.headers["www-authenticate"] == "Bearer"
    assert client.get(path, headers=BEARER).status_code != 401
    assert client.get("/health").status_code == 200
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "authorization",
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
def test_a_missing_malformed_or_wrong_key_is_rejected(client: TestClient, authorization: str) -> None:
    response = client.get("/symbols", headers=[("Authorization", authorization.encode("latin-1"))])  # type: ignore[arg-type]  # the client also accepts bytes
    assert problem(response)["code"] == "unauthorized"


@pytest.mark.parametrize("path", ["/symbols", "/session"])
def test_a_wrong_key_a_missing_key_and_an_expired_session_get_different_messages(
    client: TestClient, path: str
) -> None:
    method = "POST" if path == "/session" else "GET"

    def rejection(**headers: str) -> tuple[str, str]:
        response = client.request(method, path, headers={"Origin": OWN, **headers})
        assert response.status_code == 401
        return problem(response)["detail"], response.headers["www-authenticate"]

    missing = ("the request has no API key; send an Authorization: Bearer <key> header", "Bearer")
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
    ):
        assert rejection(**headers) == missing
    wrong = (
        "the API key is wrong; send the right key in an Authorization: Bearer <key> header",
        'Bearer error="invalid_token"',
    )
    for key in ("x", KEY[:-1], KEY + "x", "x" * 10_000):
        assert rejection(Authorization=f"Bearer {key}") == wrong
        assert rejection(Authorization=f"bearer  {key} ", Cookie="oms_session=x") == wrong
    assert (
        rejection(Cookie="oms_session=x")[0]
        == "the session has ended; send the API key to POST /session again"
    )


def test_a_request_is_compared_with_the_hashes_of_all_keys_in_constant_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [f"{KEY}-{number}" for number in range(5)]
    keys = tuple(ApiKey.of(text, name=f"bot{number}") for number, text in enumerate(texts))
    client = TestClient(create_app(settings=Settings(keys=keys)))
    compared: list[bytes] = []

    def compare(candidate: bytes, digest: bytes) -> bool:
        compared.append(digest)
        return hmac.compare_digest(candidate, digest)

    monkeypatch.setattr(key_ring, "hmac", SimpleNamespace(compare_digest=compare))
    for text in ("x", KEY, *texts, "x" * 10_000):
        compared.clear()
        client.get("/symbols", headers={"Authorization": f"Bearer {text}"})
        assert compared == [key.digest for key in keys]


def test_the_key_is_not_accepted_in_a_query_and_is_never_shown(client: TestClient) -> None:
    assert client.get(f"/symbols?api_key={KEY}").status_code == 401
    assert KEY not in repr(Settings(api_key=KEY))
    assert KEY not in client.get("/openapi.json", headers=BEARER).text


@pytest.mark.parametrize("key", ["", "short", "sixteen letters!", "sixteen-letters\xe9", "sixteen-letters\n"])
def test_a_key_that_is_too_short_or_not_visible_ascii_is_rejected(key: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        Settings(api_key=key)
    assert not key or key not in str(error.value)


def test_the_page_exchanges_the_key_for_a_cookie_that_no_script_can_read(client: TestClient) -> None:
    response = client.post("/session", headers={**BEARER, "Origin": OWN})
    assert response.status_code == 204
    cookie = response.headers["set-cookie"]
    assert KEY not in cookie
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert client.get("/symbols").status_code == 200
    assert client.get("/session").json() == {"open": True, "name": "operator", "access": "trading"}
    assert client.post("/orders", json=ORDER, headers={"Origin": OWN}).status_code == 201
    assert client.delete("/orders/1", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert client.delete("/session", headers={"Origin": OWN}).status_code == 204
    client.cookies.set("oms_session", cookie.partition(";")[0].partition("=")[2])
    assert client.get("/symbols").status_code == 401


def test_a_cookie_cannot_open_another_session(client: TestClient) -> None:
    client.post("/session", headers=BEARER)
    assert client.get("/symbols").status_code == 200
    assert problem(client.post("/session", headers={"Origin": OWN}))["code"] == "unauthorized"


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False)])
def test_the_cookie_is_secure_if_the_browser_uses_https(
    client: TestClient, scheme: str, secure: bool
) -> None:
    origin = OWN.replace("http", scheme)  # the connection from the proxy to the service is always http
    response = client.post("/session", headers={**BEARER, "Origin": origin})
    assert ("secure" in response.headers["set-cookie"].lower()) is secure


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}]
)
@pytest.mark.parametrize("checks_host", [True, False])
def test_another_site_cannot_use_the_cookie_for_a_change_or_a_stream(
    headers: dict[str, str], checks_host: bool
) -> None:
    client = TestClient(create_app(settings=Settings(api_key=KEY, checks_host=checks_host)), base_url=OWN)
    client.post("/session", headers=BEARER)
    assert problem(client.post("/orders", json=ORDER, headers=headers))["code"] == "origin_refused"
    assert client.get("/orders").json()["total"] == 0
    with (
        pytest.raises(WebSocketDenialResponse) as denial,
        client.websocket_connect(STREAM, headers=headers),
    ):
        pass
    assert json.loads(denial.value.content)["code"] == "origin_refused"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "10.0.0.7", "localhost:1", "LOCALHOST", "oms.example."],
)
def test_an_ip_address_and_an_allowed_name_are_accepted_as_host(client: TestClient, host: str) -> None:
    assert client.get("/symbols", headers={**BEARER, "Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost@evil.example", "2130706433.evil"],
)
def test_a_foreign_domain_name_is_rejected_as_host(client: TestClient, host: str) -> None:
    for path in ("/health", "/", "/symbols"):
        assert problem(client.get(path, headers={**BEARER, "Host": host}))["code"] == "host_refused"


def test_every_host_is_served_if_hosts_are_not_checked() -> None:
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
def test_another_origin_is_rejected_even_with_the_key(client: TestClient, origin: str) -> None:
    headers = {**BEARER, "Origin": origin}
    assert problem(client.post("/orders", json=ORDER, headers=headers))["code"] == "origin_refused"
    with (
        pytest.raises(WebSocketDenialResponse) as denial,
        client.websocket_connect(STREAM, headers=headers),
    ):
        pass
    assert denial.value.status_code == 403


def test_other_sites_can_request_the_files_of_the_page_but_no_data(client: TestClient) -> None:
    other_site = {"Origin": "http://evil.example"}
    for path in PATHS:
        response = client.get(path, headers=other_site)
        assert response.status_code == 200, path
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in response.headers
    for path in ("/health", "/symbols", "/openapi.json"):
        assert client.get(path, headers={**BEARER, **other_site}).status_code == 403


def test_only_an_allowed_origin_may_send_requests_and_read_responses() -> None:
    allowed = "https://desk.example"
    client = TestClient(
        create_app(settings=Settings(checks_host=True, cors_origins=(allowed,))), base_url=OWN
    )
    request_headers = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = client.options("/orders", headers={"Origin": allowed, **request_headers})
    assert preflight.headers["access-control-allow-origin"] == allowed
    assert client.post("/orders", json=ORDER, headers={"Origin": allowed}).status_code == 201
    other = client.options("/orders", headers={"Origin": "https://evil.example", **request_headers})
    assert "access-control-allow-origin" not in other.headers
    without_origins = TestClient(create_app(settings=Settings()), base_url=OWN)
    assert (
        without_origins.options("/orders", headers={"Origin": allowed, **request_headers}).status_code == 405
    )


def test_a_stream_requires_the_key_or_the_cookie() -> None:
    with serving(create_app(settings=Settings(api_key=KEY, checks_host=True))) as address:
        with pytest.raises(InvalidStatus) as rejection, stream(address):
            pass
        assert rejection.value.response.status_code == 401
        assert json.loads(rejection.value.response.body or b"")["code"] == "unauthorized"
        with stream(address, "", **BEARER) as connection:
            assert next_message(connection)["type"] == "snapshot"
        response = httpx.post(f"{address.http}/session", headers=BEARER)
        cookie = {"Cookie": response.headers["set-cookie"].partition(";")[0], "Origin": address.http}
        with stream(address, "", **cookie) as connection:
            assert next_message(connection)["type"] == "snapshot"


def test_health_and_the_page_need_no_key_in_a_mounted_application() -> None:
    other = FastAPI()
    other.mount("/book", create_app(settings=Settings(api_key=KEY)))
    client = TestClient(other)
    for path in ("health", "", "page/main.js"):
        assert client.get(f"/book/{path}").status_code == 200
    assert client.get("/book/symbols").status_code == 401
    assert client.get("/book/symbols", headers=BEARER).status_code == 200


# ---------------------------------------------------------------------- access

READER, TRADER = "reader-key-123456", "trader-key-123456"
BOTH = Settings(
    keys=(
        ApiKey.of(READER, name="reader", access=Access.READ_ONLY),
        ApiKey.of(TRADER, name="trader"),
    )
)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/orders", ORDER),
        ("PATCH", "/orders/1", {"amount": 1}),
        ("DELETE", "/orders/1", None),
        ("POST", "/trades", {"symbol": "JPM", "side": "BUY", "amount": 1}),
        ("DELETE", "/orders/7", None),
        ("POST", "/nothing", None),
        ("PUT", "/orders", None),
    ],
)
def test_a_read_only_key_can_change_nothing(method: str, path: str, body: object) -> None:
    om = OrderManagement()
    app = create_app(om, BOTH)
    reader, trader = (TestClient(app, headers=bearer(key)) for key in (READER, TRADER))
    trader.post("/orders", json=ORDER).raise_for_status()
    before = om.state_hash()
    rejection = problem(reader.request(method, path, json=body))
    assert (rejection["status"], rejection["code"]) == (403, "forbidden")
    assert "'reader' is read-only" in rejection["detail"]
    assert om.state_hash() == before
    assert trader.request(method, path, json=body).status_code != 403


def test_every_route_that_changes_a_book_rejects_a_read_only_key() -> None:
    for om in (OrderManagement(), MatchingEngine()):
        app = create_app(om, BOTH)
        client = TestClient(app, headers=bearer(READER))
        changes = [
            (method, path)
            for path, operations in app.openapi()["paths"].items()
            for method in map(str.upper, operations)
            if method != "GET" and (method, path) != ("POST", "/what-if")
        ]
        assert len(changes) >= 4
        for method, path in changes:
            response = client.request(method, path.replace("{order_id}", "1"), json={})
            assert problem(response)["code"] == "forbidden", (method, path)


def test_a_read_only_key_can_ask_open_a_stream_and_sign_in_to_the_page() -> None:
    app = create_app(OrderManagement(), BOTH)
    with TestClient(app, headers={"Origin": "http://testserver"}) as client:
        assert client.get("/symbols", headers=bearer(READER)).status_code == 200
        assert client.head("/symbols", headers=bearer(READER)).status_code == 200
        assert client.post("/what-if", headers=bearer(READER), json={}).status_code != 403
        with client.websocket_connect("/stream", headers=bearer(READER)) as connection:
            assert connection.receive_json()["type"] == "snapshot"
        assert client.post("/session", headers=bearer(READER)).status_code == 204
        assert client.get("/session").json() == {"open": True, "name": "reader", "access": "read-only"}
        assert client.post("/stream").status_code == 404  # the page asks why a stream was rejected
        assert problem(client.post("/orders", json=ORDER))["code"] == "forbidden"
        assert client.delete("/session").status_code == 204


def test_the_caller_is_in_the_scope_that_an_outer_middleware_sees() -> None:
    scopes: list[Scope] = []

    class Outer:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self._app(scope, receive, send)
            scopes.append(scope)

    app = create_app(OrderManagement(), BOTH)
    app.add_middleware(Outer)
    client = TestClient(app)
    for headers in (bearer(READER), bearer(TRADER), bearer("wrong"), {}):
        client.get("/symbols", headers=headers)
    assert [caller_in(scope) for scope in scopes] == [
        Caller("reader", None, Access.READ_ONLY),
        Caller("trader", None, Access.TRADING),
        None,
        None,
    ]


# ---------------------------------------------------------------------- secrets and logs


SEARCH = """
import gc, sys
from pathlib import Path
from fastapi.testclient import TestClient
from oms.api import ApiKey, Settings, create_app
from oms.api.keys import digest_of_key

def text(number):
    return Path(sys.argv[1], f"key{number}").read_text()

def new_app():
    more = (ApiKey.of(text(2), name="second"),)
    settings = Settings(api_key=text(1), keys=more, keys_file=Path(sys.argv[1], "keys.toml"))
    return settings, create_app(settings=settings)

def check_access(app):
    for number in (1, 2, 3):
        headers = {"Authorization": f"Bearer {text(number)}"}
        assert TestClient(app).get("/symbols", headers=headers).status_code == 200
        assert TestClient(app).post("/session", headers=headers).status_code == 204

settings, app = new_app()
check_access(app)
gc.collect()
digests = {key.digest for key in app.state.keys.keys}
assert len(digests) == 3
seen = 0
for holder in gc.get_objects():
    for each in gc.get_referents(holder):
        seen += 1
        content = each.decode("latin-1") if type(each) is bytes else each
        if type(content) is str and len(content) < 100:
            for word in content.split():
                if digest_of_key(word) in digests:
                    sys.exit(f"a key is in a {type(holder).__name__}")
print(seen)
"""


@pytest.mark.slow
def test_no_object_of_the_process_contains_the_text_of_a_key(tmp_path: Path) -> None:
    texts = [generate_key() for _ in range(3)]
    for number, text in enumerate(texts, 1):
        (tmp_path / f"key{number}").write_text(text)
    (tmp_path / "keys.toml").write_text(as_entry(ApiKey.of(texts[2], name="third")))
    command = [sys.executable, "-c", SEARCH, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout) > 100_000


def test_a_flood_of_wrong_keys_is_one_line_a_second_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(create_app(settings=Settings(api_key=KEY)))
    started = time.monotonic()
    for number in range(100):
        client.get("/symbols", headers=bearer(f"wrong-{number}"))
    lines = [record.getMessage() for record in caplog.records if "unauthorized" in record.getMessage()]
    assert 1 <= len(lines) <= 1 + 2 * (time.monotonic() - started)
