"""The connection of the page: the key, lost messages, and a restart of the server."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, WebSocketRoute, expect

from oms import MatchingEngine, Order, OrderManagement, Side
from oms.api import Access, ApiKey, Settings, create_app
from support import ladder_page
from support.api_server import Address, serving
from support.chromium import visiting
from support.ladder_page import KEY, add, review, serious_faults, shows

pytestmark = pytest.mark.long

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address
worked_example = ladder_page.worked_example


def test_the_page_detects_a_lost_message_by_its_number_and_recovers(
    browser: Browser, address: Address, om: OrderManagement
) -> None:
    lost: list[str | bytes] = []

    def lose_one(route: WebSocketRoute) -> None:
        def forward(message: str | bytes) -> None:
            if not lost and "OrderRemoved" in str(message):
                lost.append(message)
            else:
                route.send(message)

        route.connect_to_server().on_message(forward)

    with visiting(browser, address.http) as page:
        page.route_web_socket("**/stream*", lose_one)
        page.goto(f"{address.http}/?#/JPM")
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        om.remove_order(1)
        om.amend_order(4, amount=9)
        shows(page, "BUY", ("21", "9"))
        expect(page.locator("#state")).to_have_text("Live")
    assert lost


def test_the_ladder_contains_all_parts_of_a_snapshot(
    browser: Browser, address: Address, om: OrderManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms.api.stream.PART_LENGTH", 3)
    om.add_orders(Order(number, "PARTS", Side.BUY, 5, number) for number in range(11, 18))
    om.add_orders(Order(number, "PARTS", Side.SELL, 5, number - 20) for number in range(21, 30))
    om.place_trade("PARTS", Side.SELL, 7)
    with visiting(browser, address.http, "/#/PARTS") as page:
        shows(page, "BUY", *[(str(price), "5") for price in range(11, 18)])
        shows(page, "SELL", ("8", "3"), *[(str(price), "5") for price in range(7, 0, -1)])
        expect(page.locator("#trades tr")).to_have_count(1)
        expect(page.locator("#state")).to_have_text("Live")
        om.remove_order(17)
        shows(page, "BUY", *[(str(price), "5") for price in range(11, 17)])


def test_the_ladder_is_complete_again_after_a_restart_of_the_server(browser: Browser) -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", Side.BUY, 20, 20), Order(4, "JPM", Side.BUY, 10, 21)])
    with ExitStack() as visit:
        with serving(create_app(om, Settings())) as address:
            page = visit.enter_context(visiting(browser, address.http, "/#/JPM"))
            shows(page, "BUY", ("20", "20"), ("21", "10"))
        expect(page.locator("#state")).to_have_text("Reconnecting")
        expect(page.locator("#stale")).to_have_text("This data is stale.")
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        om.place_trade("JPM", Side.BUY, 25)
        om.add_order(5, "JPM", Side.SELL, 6, 19)
        with serving(create_app(om, Settings()), address.port):
            expect(page.locator("#state")).to_have_text("Live")
            shows(page, "BUY", ("21", "5"))
            shows(page, "SELL", ("19", "6"))
            expect(page.locator("#stale")).to_be_empty()
            visit.close()


def test_a_page_that_has_not_reached_the_books_does_not_say_that_there_are_no_symbols(
    browser: Browser, address: Address
) -> None:
    with visiting(browser, address.http) as page:
        page.route("**/symbols*", lambda route: route.fulfill(status=503))
        page.route_web_socket("**/stream*", lambda route: route.close())
        page.reload()
        expect(page.locator("#state")).to_have_text(re.compile("Connecting|Reconnecting"))
        expect(page.locator("#no-symbols")).to_be_hidden()
        expect(page.locator("#no-orders-at-all")).to_be_hidden()


def test_a_page_without_symbols_says_so(browser: Browser) -> None:
    with (
        serving(create_app(OrderManagement(), Settings())) as address,
        visiting(browser, address.http) as page,
    ):
        expect(page.locator("#no-symbols")).to_be_visible()


def test_only_the_right_key_unlocks_the_page(browser: Browser) -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    app = create_app(om, Settings(api_key=KEY, checks_host=True))
    with serving(app) as address, visiting(browser, address.http, "/#/JPM") as page:
        field = page.get_by_label("API key")
        expect(field).to_be_focused()
        expect(page.locator("#content")).to_be_hidden()
        for wrong in ("nonsense-of-some-length", "schlüssel", ""):
            field.fill(wrong)
            field.press("Enter")
            expect(page.locator("#key-problem")).to_have_text("The API key is missing or wrong.")
        field.fill(KEY)
        field.press("Enter")
        shows(page, "BUY", ("20", "20"))
        expect(page.locator("#state")).to_have_text("Live")
        assert page.evaluate("document.cookie + localStorage.length + sessionStorage.length") == "00"
        add(page, "SELL", "3", "19")
        shows(page, "SELL", ("19", "3"))
        review(page, "5").get_by_role("button", name="Buy for 100").click()
        shows(page, "BUY", ("20", "15"))
        page.reload()
        page.get_by_role("button", name="Sign out").click()
        expect(field).to_be_focused()
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
        expect(page.locator("#levels-BUY tr, #orders tr, #trades tr")).to_have_count(0)
        assert page.context.cookies() == []
        field.fill(KEY)
        field.press("Enter")
        shows(page, "BUY", ("20", "15"))
        page.context.clear_cookies()
        page.fill("#trade-amount", "1")
        expect(field).to_be_visible()


@pytest.mark.parametrize("served", [OrderManagement, MatchingEngine])
def test_with_a_read_only_key_the_page_says_so_and_shows_the_books_without_forms(
    browser: Browser, served: type[OrderManagement | MatchingEngine]
) -> None:
    om = served()
    if isinstance(om, MatchingEngine):
        om.submit(1, "JPM", Side.SELL, 20, 20)
    else:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
    keys = (ApiKey.of(KEY, name="desk", access=Access.READ_ONLY), ApiKey.of(f"{KEY}-2", name="bot"))
    app = create_app(om, Settings(keys=keys, checks_host=True))
    note = "The API key desk is read-only. With it, you can look at the books but change nothing."
    with serving(app) as address, visiting(browser, address.http, "/#/JPM") as page:
        field, changing = page.get_by_label("API key"), page.locator("form:not(#key) button, .list button")
        field.fill(KEY)
        field.press("Enter")
        shows(page, "BUY", ("20", "20"))
        expect(page.locator("#read-only")).to_have_text(note)
        expect(page.locator("#orders button")).to_have_count(2)
        expect(changing.filter(visible=True)).to_have_count(0)
        assert serious_faults(page) == []
        page.get_by_role("button", name="Sign out").click()
        field.fill(f"{KEY}-2")
        field.press("Enter")
        shows(page, "BUY", ("20", "20"))
        expect(page.locator("#read-only")).to_be_hidden()
        expect(page.locator("#orders button").first).to_be_visible()
        expect(page.locator("form:not(#key) button").first).to_be_visible()
