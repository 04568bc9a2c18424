"""The service behind a reverse proxy: links include the root path, and the page explains wrong settings."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest
from playwright.sync_api import Browser, expect
from websockets.exceptions import InvalidStatus

from oms import OrderManagement
from oms.api import Settings, create_app, problems
from oms.api.log_limit import LogLimit
from oms.cli import run
from oms.client import Client
from support import ladder_page
from support.api_books import JPM, ORDER, books, problem
from support.api_server import Address, next_message, serving, stream
from support.chromium import visiting
from support.ladder_page import KEY, add, review, shows
from support.serve_process import oms_serve
from support.stripping_proxy import reverse_proxy

browser = ladder_page.browser
BEARER = {"Authorization": f"Bearer {KEY}"}


class Below(Address):
    """An address with a root path."""

    @property
    def http(self) -> str:
        return f"{super().http}/oms"

    @property
    def ws(self) -> str:
        return f"{super().ws}/oms"


@contextmanager
def behind(om: OrderManagement, host: str | None = None, **settings: str) -> Iterator[Below]:
    app = create_app(om, Settings(checks_host=True, **settings))  # type: ignore[arg-type]  # keys alone
    with serving(app, root_path="/oms") as server, reverse_proxy(server, "/oms", host) as address:
        yield Below(*address)


# ---------------------------------------------------------------------- addresses


def test_every_link_in_a_response_includes_the_root_path() -> None:
    with behind(books()) as address, httpx.Client(timeout=60) as http:
        added = http.post(f"{address.http}/orders", json={**ORDER, "order_id": 9})
        assert added.headers["location"] == "/oms/orders/9"
        order = http.get(httpx.URL(address.http).join(added.headers["location"]))
        assert order.json()["order_id"] == 9
        document = http.get(f"{address.http}/openapi.json").json()
        assert document["servers"] == [{"url": "/oms"}]
        links = re.findall(r"href=\"?([^\s\">]+)", http.get(f"{address.http}/docs").text)
        pages = {link: http.get(httpx.URL(f"{address.http}/docs").join(link)) for link in links}
        assert {page.status_code for page in pages.values()} == {200}
        assert [page.json() for link, page in pages.items() if link.endswith("openapi.json")] == [document]
        rejection = http.put(f"{address.http}/orders")
        assert (problem(rejection)["code"], rejection.headers["allow"]) == (
            "method_not_allowed",
            "GET, HEAD, POST",
        )
        with Client(address.http) as client:
            assert client.symbols() == ("JPM",)


def test_the_stream_works_below_the_root_path() -> None:
    om = books()
    with behind(om) as address, stream(address, "?symbol=JPM") as connection:
        assert len(next_message(connection)["orders"]) == 2
        om.remove_order(1)
        assert next_message(connection)["order"]["order_id"] == 1


def test_the_command_accepts_a_root_path_and_prints_it() -> None:
    with oms_serve("--demo", "--root-path", "/oms/") as (process, url):
        port = int(url.rpartition(":")[2])
        with reverse_proxy(Address("127.0.0.1", port), "/oms") as address:
            added = httpx.post(f"{address.http}/oms/orders", json={**ORDER, "order_id": 9})
            assert added.headers["location"] == "/oms/orders/9"
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[-1] == "root path: /oms/, which the proxy removes\n"


@pytest.mark.parametrize("path", ["oms", "//", "/a b", "/oms//x", "http://x/oms", "/../x", "/ä", "/x?y"])
def test_an_invalid_root_path_is_rejected(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--demo", "--port", "0", "--root-path", path]) == 2
    assert "--root-path must be a path such as /oms" in " ".join(capsys.readouterr().err.split())


def test_the_session_cookie_is_limited_to_the_root_path_and_is_removed_at_the_end() -> None:
    with behind(books(), api_key=KEY) as address, httpx.Client() as client:
        own = {"Origin": f"http://{address.host}:{address.port}"}
        response = client.post(f"{address.http}/session", headers={**BEARER, **own})
        assert "path=/oms;" in response.headers["set-cookie"].lower() + ";"
        assert client.get(f"{address.http}/symbols").status_code == 200
        assert client.delete(f"{address.http}/session", headers=own).status_code == 204
        assert dict(client.cookies) == {}


@pytest.mark.long
def test_the_page_is_live_and_trades_below_the_root_path(browser: Browser) -> None:
    with (
        behind(books(), api_key=KEY) as address,
        visiting(browser, f"http://{address.host}:{address.port}", "/oms/#/JPM") as page,
    ):
        page.get_by_label("API key").fill(KEY)
        page.get_by_label("API key").press("Enter")
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator("#rejection")).to_be_hidden()
        add(page, "SELL", "3", "19")
        shows(page, "SELL", ("19", "3"))
        review(page, "5").get_by_role("button", name="Buy for 100").click()
        shows(page, "BUY", ("20", "15"), ("21", "10"))


# ---------------------------------------------------------------------- a wrongly configured proxy


@pytest.mark.long
def test_the_page_explains_that_the_proxy_forwards_another_host(
    browser: Browser,
) -> None:
    app = create_app(books(), Settings(checks_host=True))
    with (
        serving(app, root_path="/oms") as server,
        reverse_proxy(server, "/oms", f"127.0.0.1:{server.port}") as proxy,
    ):
        origin = f"http://127.0.0.1:{proxy.port}"
        with visiting(browser, origin, "/oms/#/JPM") as page:
            rejection = page.locator("#rejection")
            expect(rejection).to_contain_text(
                f"the request comes from the site '{origin}', but the Host is '127.0.0.1:{server.port}'"
            )
            expect(rejection).to_contain_text("proxy_set_header Host $http_host")
            expect(page.locator("#state")).to_have_text("Not connected")
            page.get_by_role(
                "button", name="Reconnect now"
            ).click()  # the reason remains visible during the attempt
            expect(page.locator("#state")).to_have_text("Not connected")
            expect(rejection).to_be_visible()


@pytest.mark.long
def test_the_page_explains_that_the_proxy_forwards_no_websockets(browser: Browser) -> None:
    app = create_app(books(), Settings(checks_host=True))
    with (
        serving(app, root_path="/oms") as server,
        reverse_proxy(server, "/oms", sockets=False) as proxy,
        visiting(browser, f"http://127.0.0.1:{proxy.port}", "/oms/#/JPM") as page,
    ):
        rejection = page.locator("#rejection")
        expect(rejection).to_contain_text("The proxy in front of it must forward WebSockets.")


@pytest.mark.long
def test_the_page_shows_that_its_host_is_rejected_until_it_is_accepted_again(browser: Browser) -> None:
    app = create_app(books(), Settings(checks_host=True))
    with serving(app) as server, visiting(browser, server.http, "/#/JPM") as page:
        expect(page.locator("#state")).to_have_text("Live")
        rejection = httpx.get(f"{server.http}/symbols", headers={"Host": "upstream"})
        page.route("**/symbols", lambda route: route.fulfill(status=421, body=rejection.content))
        expect(page.locator("#rejection")).to_contain_text("the Host 'upstream' is neither an IP address")
        expect(page.locator("#stale")).to_have_text("This data is stale.")
        page.unroute("**/symbols")
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator("#rejection")).to_be_hidden()


# ---------------------------------------------------------------------- the log


def test_each_rejected_request_is_logged_once_with_its_reason_and_without_the_key(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "LogLimit", partial(LogLimit, seconds=0))
    caplog.set_level(logging.DEBUG)
    with behind(books(), api_key=KEY) as address:
        wrong = KEY[::-1]
        own = f"http://{address.host}:{address.port}"
        cases: list[tuple[str, str, dict[str, str], str]] = [
            ("GET", "/symbols?secret=1", {}, "401 unauthorized: the request has no API key"),
            (
                "HEAD",
                "/symbols",
                {"Authorization": f"Bearer {wrong}"},
                "401 unauthorized: the API key is wrong",
            ),
            (
                "POST",
                "/session",
                {"Cookie": "oms_session=secret", "Origin": own},
                "401 unauthorized: the session has ended",
            ),
            (
                "POST",
                "/trades",
                {**BEARER, "Origin": "http://evil.test"},
                "403 origin_refused: the request comes from the site",
            ),
            ("GET", "/", {"Host": "upstream"}, "421 host_refused: the Host 'upstream'"),
            ("GET", "/a%0ab", {}, "401 unauthorized"),
        ]
        for method, path, headers, reason in cases:
            caplog.clear()
            response = httpx.request(method, address.http + path, headers=headers)
            assert response.status_code == int(reason[:3])
            (line,) = messages(caplog)
            path_in_log = path.partition("?")[0].replace("%0a", "\\n")
            assert line.startswith(f"rejected {method} '/oms{path_in_log}' from 127.0.0.1: {reason}"), line
            assert not re.search(f"secret|{KEY}|{wrong}", line)
            assert "\n" not in line
        caplog.clear()
        with pytest.raises(InvalidStatus), stream(address):
            pass
        (line,) = messages(caplog)
        assert line.startswith(
            "rejected WebSocket '/oms/stream' from 127.0.0.1: 401 unauthorized: the request has"
        )
        assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


def test_a_rejected_request_to_open_a_session_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with behind(books(), api_key=KEY) as address, httpx.Client() as client:
        client.post(f"{address.http}/session", headers=BEARER)
        own = {"Origin": f"http://{address.host}:{address.port}"}
        assert (
            client.post(f"{address.http}/session", headers=own).status_code == 401
        )  # a cookie is not enough
    (line,) = messages(caplog)
    assert "401 unauthorized: " in line


def test_accepted_requests_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with behind(books(), api_key=KEY) as address:
        for path in ("/price", "/nothing"):
            httpx.get(address.http + path, params={**JPM, "amount": 1}, headers=BEARER)
    assert messages(caplog) == []


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages that the service has logged."""
    return [each.getMessage() for each in caplog.records if each.name == "oms.api"]
