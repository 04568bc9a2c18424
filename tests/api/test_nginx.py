"""The service behind nginx, with the configuration on the page about deployment."""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from oms import Order, OrderManagement, Side
from oms.api import Settings, create_app
from oms.client import Client
from support import ladder_page
from support.api_books import JPM, ORDER, books, problem
from support.api_server import next_message, serving
from support.chromium import visiting
from support.ladder_page import KEY, add, shows
from support.nginx import Nginx, nginx_before

browser = ladder_page.browser
NAME = "books.example.com"
BEARER = {"Authorization": f"Bearer {KEY}"}
SETTINGS = Settings(api_key=KEY, checks_host=True, hosts=("localhost", NAME))

pytestmark = pytest.mark.slow


@pytest.fixture
def om() -> OrderManagement:
    return books()


@pytest.fixture
def nginx(om: OrderManagement, tmp_path: Path) -> Iterator[Nginx]:
    with (
        serving(create_app(om, SETTINGS), root_path="/oms") as server,
        nginx_before(server, tmp_path) as nginx,
    ):
        yield nginx


@contextmanager
def client_of(nginx: Nginx, **headers: str) -> Generator[httpx.Client]:
    """Return a client that trusts nginx and sends the API key."""
    with httpx.Client(verify=nginx.trust, headers={**BEARER, **headers}, timeout=60) as client:
        yield client


def stream(nginx: Nginx, name: str = "localhost", **headers: str) -> ClientConnection:
    """Open a stream as a client does for which `name` is the address of nginx."""
    return connect(
        f"wss://{name}:{nginx.https}/oms/stream",
        sock=socket.create_connection(("127.0.0.1", nginx.https)),
        ssl=nginx.trust,
        additional_headers={**BEARER, **headers},
        proxy=None,
        max_size=None,
    )


def test_requests_reach_the_service_and_links_include_the_path(nginx: Nginx, om: OrderManagement) -> None:
    with client_of(nginx) as client:
        price = client.get(f"{nginx.url}/price", params={**JPM, "amount": 22})
        assert price.json()["total_price"] == 442
        added = client.post(f"{nginx.url}/orders", json={**ORDER, "order_id": 9})
        assert (added.status_code, added.headers["location"]) == (201, "/oms/orders/9")
        assert client.get(httpx.URL(nginx.url).join(added.headers["location"])).json()["order_id"] == 9
        assert client.delete(f"{nginx.url}/orders/9").status_code == 200
        assert 9 not in om
        assert client.get(f"{nginx.url}/symbols", headers={"Authorization": ""}).status_code == 401


def test_the_python_client_works_through_nginx(nginx: Nginx) -> None:
    with Client(nginx.url, api_key=KEY, transport=httpx.HTTPTransport(verify=nginx.trust)) as client:
        client.add_order(9, "IBM", Side.SELL, 5, 7)
        assert client.symbols() == ("IBM", "JPM")


def test_plain_http_and_the_path_without_a_slash_are_redirected(nginx: Nginx) -> None:
    plain = httpx.get(f"http://127.0.0.1:{nginx.http}/oms/price?a=b", headers={"Host": NAME})
    assert (plain.status_code, plain.headers["location"]) == (308, f"https://{NAME}/oms/price?a=b")
    with client_of(nginx) as client:
        assert client.get(nginx.url).headers["location"].endswith("/oms/")


def test_a_stream_gets_each_change_at_once(nginx: Nginx, om: OrderManagement) -> None:
    with stream(nginx) as connection:
        assert next_message(connection)["type"] == "snapshot"
        for order_id in (1, 4):
            om.remove_order(order_id)
            assert next_message(connection)["order"]["order_id"] == order_id


def test_the_service_sees_the_host_that_the_client_used(nginx: Nginx) -> None:
    with client_of(nginx) as client:
        own = {"Host": NAME, "Origin": f"https://{NAME}"}
        assert client.post(f"{nginx.url}/orders", json={**ORDER, "order_id": 9}, headers=own).is_success
        rejected = client.get(f"{nginx.url}/symbols", headers={"Host": "evil.test"})
        assert (rejected.status_code, problem(rejected)["code"]) == (421, "host_refused")
        foreign = client.get(f"{nginx.url}/symbols", headers={**own, "Origin": "https://evil.test"})
        assert (foreign.status_code, problem(foreign)["code"]) == (403, "origin_refused")
    with stream(nginx, NAME, Origin=f"https://{NAME}:{nginx.https}") as connection:
        assert next_message(connection)["type"] == "snapshot"
    with pytest.raises(InvalidStatus, match="403"), stream(nginx, NAME, Origin="https://evil.test"):
        pass


def test_the_session_cookie_is_secure_and_limited_to_the_path(nginx: Nginx) -> None:
    own = {"Host": NAME, "Origin": f"https://{NAME}"}
    with client_of(nginx) as client:
        cookie = client.post(f"{nginx.url}/session", headers=own).headers["set-cookie"].lower()
    assert "; secure" in cookie
    assert "path=/oms;" in f"{cookie};"


def test_a_body_that_is_too_large_for_the_service_gets_its_problem(nginx: Nginx) -> None:
    with client_of(nginx, **{"Content-Type": "application/json"}) as client:
        large = client.post(f"{nginx.url}/trades", content=b" " * 70_000 + b"{}")
        assert (large.status_code, problem(large)["code"]) == (413, "body_too_large")
        huge = client.post(f"{nginx.url}/trades", content=b" " * 6 * 2**20)
        assert (huge.status_code, huge.headers["content-type"]) == (413, "text/html")


def test_a_large_response_is_not_stored_on_disk(nginx: Nginx, om: OrderManagement) -> None:
    om.add_orders(Order(n, "JPM", Side.BUY, 10, 100) for n in range(1_000, 200_000))
    with stream(nginx) as connection:
        connection.recv(timeout=60)
    with client_of(nginx) as client:
        assert len(client.get(f"{nginx.url}/orders?limit=1000").json()["orders"]) == 1_000
    assert [path for path in (nginx.folder / "proxy").rglob("*") if path.is_file()] == []
    assert "buffered to a temporary file" not in (nginx.folder / "error.log").read_text()


def test_requests_above_the_rate_get_a_429(tmp_path: Path) -> None:
    app = create_app(books(), SETTINGS)
    slow = {"rate=100r/s": "rate=1r/m"}  # so that the test does not depend on the time that a request takes
    with serving(app) as server, nginx_before(server, tmp_path, slow) as nginx, client_of(nginx) as client:
        statuses = [client.get(f"{nginx.url}/health").status_code for _ in range(220)]
        assert statuses == [200] * 201 + [429] * 19


def test_the_metrics_are_not_public(nginx: Nginx) -> None:
    with client_of(nginx) as client:
        assert client.get(f"{nginx.url}/metrics").status_code == 404


def test_requests_work_again_after_the_service_has_restarted(tmp_path: Path) -> None:
    app = create_app(books(), SETTINGS)
    with serving(app) as server:
        pass
    with nginx_before(server, tmp_path) as nginx, client_of(nginx) as client:
        for _ in range(2):
            assert client.get(f"{nginx.url}/count").status_code == 502
            with serving(app, server.port):
                assert [client.get(f"{nginx.url}/count").status_code for _ in range(20)] == [200] * 20


def test_the_page_is_live_behind_nginx(nginx: Nginx, browser: Browser) -> None:
    origin = f"https://localhost:{nginx.https}"
    with visiting(browser, origin, "/oms/#/JPM", ignore_https_errors=True) as page:
        page.get_by_label("API key").fill(KEY)
        page.get_by_label("API key").press("Enter")
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        expect(page.locator("#state")).to_have_text("Live")
        add(page, "SELL", "3", "19")
        shows(page, "SELL", ("19", "3"))
