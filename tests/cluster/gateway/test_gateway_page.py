"""The page of a gateway over three shards, in a real browser, shows and changes the books of each shard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from oms import MatchingEngine, OrderManagement, Side
from oms.api import Settings
from support.chromium import chromium, visiting
from support.clusters import NAMES, SYMBOLS
from support.engine_api import ANN, KEYS, OPERATOR
from support.engine_page import confirm, sign_in, submit
from support.ladder_page import DESK, KEY, PHONE, add, review, serious_faults, shows
from support.served_clusters import ServedCluster

pytestmark = pytest.mark.long

widths = pytest.mark.parametrize("viewport", [DESK, {**PHONE, "width": 390}], ids=["desk", "phone"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def books(settings: Settings | None = None) -> Iterator[ServedCluster]:
    """Serve an order of 20 at 20 and one of 10 at 21 in each shard."""
    with ExitStack() as stack:
        cluster = ServedCluster(stack, settings=settings)
        for number, name in enumerate(NAMES):
            om: OrderManagement = cluster.books[name]
            for order_id, amount, price in ((10 * number, 20, 20), (10 * number + 1, 10, 21)):
                om.add_order(order_id, SYMBOLS[name], Side.BUY, amount, price)
                cluster.directory.shards[order_id] = name
        yield cluster


@contextmanager
def engines(settings: Settings | None = None) -> Iterator[ServedCluster]:
    with ExitStack() as stack:
        cluster = ServedCluster(stack, engine=True, settings=settings)
        for name in NAMES:
            engine: MatchingEngine = cluster.books[name]
            engine.submit(f"maker-{name}", SYMBOLS[name], Side.SELL, 20, 101, owner="Bob")
            engine.submit(f"taker-{name}", SYMBOLS[name], Side.BUY, 5, 101, owner="Ann")
            for kind in ("maker", "taker"):
                cluster.directory.shards[f"{kind}-{name}"] = name
        yield cluster


def choose(page: Page, symbol: str) -> None:
    """Choose a symbol in the list, and wait until its book is live."""
    page.locator("#symbols").get_by_text(symbol, exact=True).click()
    expect(page.locator("#symbol")).to_have_text(symbol)
    expect(page.locator("#book")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#state")).to_have_text("Live")


@widths
def test_a_visitor_sees_and_trades_the_symbols_of_all_shards(
    browser: Browser, viewport: dict[str, int]
) -> None:
    with books() as cluster, visiting(browser, cluster.gateway.http, viewport=viewport) as page:
        expect(page.locator("#symbols a")).to_have_text(sorted(SYMBOLS.values()))
        for shard, symbol in SYMBOLS.items():
            om: OrderManagement = cluster.books[shard]
            choose(page, symbol)
            shows(page, "BUY", ("20", "20"), ("21", "10"))
            add(page, "SELL", "7", "19")
            expect(page.locator("#order .outcome")).to_contain_text("bid of 7 at 19.")
            shows(page, "SELL", ("19", "7"))
            expect(page.locator("#spread")).to_have_text("1")
            review(page, "22").get_by_role("button", name="Buy for 442").click()
            shows(page, "BUY", ("21", "8"))
            expect(page.locator("#trades tr")).to_have_count(1)
            om.add_order(1_000, symbol, Side.SELL, 1, 18)  # the stream shows the changes of others
            shows(page, "SELL", ("19", "7"), ("18", "1"))
            page.get_by_role("button", name="Only own").click()
            expect(page.locator("#orders tr")).to_have_count(1)
            page.locator("#orders tr").get_by_role("button", name="Remove").click()
            confirm(page, "Remove")
            shows(page, "SELL", ("18", "1"))
            page.get_by_role("button", name="Only own").click()
        assert {len(cluster.books[name]) for name in NAMES} == {2}
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_an_order_of_a_symbol_in_another_shard_can_be_added_from_any_symbol(browser: Browser) -> None:
    with books() as cluster, visiting(browser, cluster.gateway.http, "/#/JPM") as page:
        shows(page, "BUY", ("20", "20"), ("21", "10"))
        page.fill("#order-symbol", "IBM")
        add(page, "BUY", "3", "19")
        expect(page.locator("#symbol")).to_have_text("IBM")
        shows(page, "BUY", ("19", "3"), ("20", "20"), ("21", "10"))
        assert len(cluster.books["s3"]) == 3


def test_one_session_is_valid_for_the_symbols_of_all_shards(browser: Browser) -> None:
    with (
        books(Settings(api_key=KEY, checks_host=True)) as cluster,
        visiting(browser, cluster.gateway.http, "/#/JPM") as page,
    ):
        sign_in(page, KEY)
        assert page.evaluate("document.cookie + localStorage.length + sessionStorage.length") == "00"
        for symbol in SYMBOLS.values():
            choose(page, symbol)
            shows(page, "BUY", ("20", "20"), ("21", "10"))
            add(page, "SELL", "3", "19")
            shows(page, "SELL", ("19", "3"))
        page.reload()
        shows(page, "SELL", ("19", "3"))
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API key")).to_be_focused()
        assert page.context.cookies() == []


@widths
def test_the_page_of_engines_shows_the_orders_and_fills_of_each_shard(
    browser: Browser, viewport: dict[str, int]
) -> None:
    with engines() as cluster, visiting(browser, cluster.gateway.http, viewport=viewport) as page:
        for symbol in SYMBOLS.values():
            choose(page, symbol)
            shows(page, "BUY", ("101", "15"))
            expect(page.locator("#fills tr")).to_have_count(2)  # they come from GET /trades
            submit(page, "BUY", amount="4", price="101")
            shows(page, "BUY", ("101", "11"))
            expect(page.locator("#fills tr")).to_have_count(4)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_an_owner_signs_in_once_and_sees_only_their_own_orders_in_each_shard(browser: Browser) -> None:
    with engines(KEYS) as cluster, visiting(browser, cluster.gateway.http, "/#/JPM") as page:
        sign_in(page, ANN)
        for symbol in SYMBOLS.values():
            choose(page, symbol)
            expect(page.locator("#owner")).to_have_text("Orders of Ann")
            expect(page.locator("#fills tr")).to_have_count(1)
            submit(page, "BUY", amount="4", price="99")
            expect(page.locator("#orders tr")).to_have_count(1)


def test_the_documentation_offers_the_shards_and_its_requests_use_the_session(browser: Browser) -> None:
    with (
        engines(KEYS) as cluster,
        visiting(browser, cluster.gateway.http, "/", bypass_csp=True) as page,
    ):
        sign_in(page, OPERATOR)
        page.goto(f"{cluster.gateway.http}/docs")
        section = page.locator("#post-expirations")
        section.get_by_text("Try it").click()
        section.get_by_label("shard").select_option("s2")
        section.get_by_role("button", name="Send").click()
        expect(section.locator("[data-part=status] pre")).to_have_text("200 OK")
        assert serious_faults(page) == []
