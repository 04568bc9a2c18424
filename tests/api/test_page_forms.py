"""The forms of the page show every problem, and make no change twice, even if responses are lost."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from oms import Order, OrderManagement, Side
from support import ladder_page
from support.ladder_page import add, choose, review, shows

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address
worked_example = ladder_page.worked_example
page = ladder_page.page


def test_nothing_is_traded_if_the_price_has_moved(page: Page, om: OrderManagement) -> None:
    dialog = review(page, "22")
    om.remove_order(1)
    om.add_order(3, "JPM", Side.BUY, 50, 22)
    dialog.get_by_role("button", name="Buy for 442").click()
    expect(dialog.get_by_role("alert")).to_have_text(
        "The total has changed from 442 to 474. Nothing was traded."
    )
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator("#quote dd").first).to_have_text("474")
    assert om.available_amount("JPM", Side.BUY) == 60


def test_a_form_shows_its_problems_in_words(page: Page) -> None:
    add(page, "BUY", "1", "1", id="4")
    problem = page.locator("#order-problem")
    expect(problem).to_have_text("Order id 4 has been used already. Choose another one.")
    expect(page.locator("#order-id")).to_be_focused()
    add(page, "BUY", "0", "1", id="5")
    expect(problem).to_have_text("Amount must be an int in 1..9223372036854775807.")
    expect(page.locator("#order-amount")).to_have_attribute("aria-invalid", "true")
    add(page, "BUY", "1.5", "1", id="5")
    expect(problem).to_have_text("Amount must be a whole number, such as 1,200.")
    page.fill("#trade-amount", "31")
    expect(page.locator("#quote-problem")).to_have_text("Only 30 of 31 are available in the asks.")
    choose(page, "trade", "SELL")
    expect(page.locator("#quote-problem")).to_have_text("There are no bids.")
    page.get_by_role("button", name="Review the trade").click()
    expect(page.locator("#trade-problem")).to_have_text("There are no bids.")
    expect(page.locator("#quote-problem")).to_be_empty()


def test_a_problem_of_a_trade_is_shown_once_and_disappears_when_it_is_solved(
    page: Page, om: OrderManagement
) -> None:
    note, problem = page.locator("#quote-problem"), page.locator("#trade-problem")
    page.fill("#trade-amount", "31")
    expect(note).to_have_text("Only 30 of 31 are available in the asks.")
    page.get_by_role("button", name="Review the trade").click()
    expect(problem).to_have_text("Only 30 of 31 are available in the asks.")
    expect(note).to_be_empty()
    page.locator("#order-amount").focus()
    om.remove_order(4)
    expect(problem).to_have_text("Only 20 of 31 are available in the asks.")
    expect(note).to_be_empty()
    expect(page.locator("#order-amount")).to_be_focused()
    om.add_order(3, "JPM", Side.BUY, 50, 22)
    expect(page.locator("#quote dd").first).to_have_text("642")
    expect(problem).to_be_empty()
    page.fill("#trade-amount", "71")
    expect(note).to_have_text("Only 70 of 71 are available in the asks.")
    expect(problem).to_be_empty()


def test_the_page_does_not_suggest_the_id_of_a_resting_order_of_another_symbol(
    page: Page, om: OrderManagement
) -> None:
    om.add_order(7_061, "IBM", Side.SELL, 3, 90)
    om.add_order(7_060, "JPM", Side.BUY, 1, 50)
    suggestion = page.locator("#order-id")
    expect(suggestion).to_have_value("7062")
    om.add_order(7_062, "IBM", Side.SELL, 3, 90)  # the stream of JPM does not show it
    page.locator("#order-amount").focus()
    expect(suggestion).to_have_value("7063")
    om.add_order(7_065, "JPM", Side.BUY, 1, 50)
    expect(suggestion).to_have_value("7066")


def test_the_page_replaces_a_used_suggestion_with_a_free_id(page: Page, om: OrderManagement) -> None:
    om.add_order(6_000, "JPM", Side.BUY, 1, 50)
    equal_order = {"order_id": 6_001, "symbol": "JPM", "side": "SELL", "amount": 3, "price": 19}
    origin = page.evaluate("location.origin")
    httpx.post(f"{origin}/orders", json=equal_order)
    httpx.delete(f"{origin}/orders/6001")
    om.add_orders(Order(order_id, "IBM", Side.SELL, 1, 1) for order_id in (6_002, 6_004, 6_005))
    page.reload()
    expect(page.locator("#order-id")).to_have_value("6001")
    add(page, "SELL", "3", "19")
    shows(page, "SELL", ("19", "3"))
    assert [order.order_id for order in om.orders("JPM", Side.SELL)] == [6_008]


def test_the_page_does_not_mistake_an_equal_order_of_another_client_for_its_own(
    page: Page, om: OrderManagement
) -> None:
    om.add_order(8_000, "JPM", Side.BUY, 1, 50)
    equal_order = {"order_id": 8_001, "symbol": "JPM", "side": "SELL", "amount": 3, "price": 19}
    origin = page.evaluate("location.origin")
    httpx.post(f"{origin}/orders", json=equal_order)
    httpx.delete(f"{origin}/orders/8001")
    page.reload()
    expect(page.locator("#order-id")).to_have_value("8001")
    page.route("**/orders", lambda route: route.abort(), times=1)
    add(page, "SELL", "3", "19")
    shows(page, "SELL", ("19", "3"))
    assert [order.order_id for order in om.orders("JPM", Side.SELL)] == [8_002]


def test_a_double_click_adds_one_order(page: Page, om: OrderManagement) -> None:
    shows(page, "BUY", ("20", "20"), ("21", "10"))
    choose(page, "order", "SELL")
    page.fill("#order-amount", "3")
    page.fill("#order-price", "19")
    page.get_by_role("button", name="Add the order").dblclick()
    shows(page, "SELL", ("19", "3"))
    expect(page.locator("#order-amount")).to_have_value("")
    page.get_by_role("button", name="Add the order").click()
    expect(page.locator("#order-problem")).to_contain_text("Amount must be")
    assert om.available_amount("JPM", Side.SELL) == 3


def test_a_trade_whose_response_is_lost_is_retried_and_made_once(page: Page, om: OrderManagement) -> None:
    keys = []

    def lose_the_first_response(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/trades", lose_the_first_response)
    review(page, "22").get_by_role("button", name="Buy for 442").click()
    expect(page.locator("#trade .outcome")).to_contain_text("Bought 22 for 442")
    shows(page, "BUY", ("21", "8"))
    assert om.available_amount("JPM", Side.BUY) == 8
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_removal_whose_response_is_lost_is_retried_without_an_error(
    page: Page, om: OrderManagement
) -> None:
    lost: list[str] = []

    def lose_the_first_response(route: Route) -> None:
        if route.request.method == "DELETE" and not lost:
            lost.append(route.fetch().text())
            route.abort()
        else:
            route.continue_()

    page.route("**/orders/*", lose_the_first_response)
    page.get_by_role("button", name="Remove order 4").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#orders-outcome")).to_have_text("Removed order 4 with its remaining amount of 10.")
    assert lost
    assert 4 not in om


def test_a_trade_without_any_response_can_be_retried_and_is_made_once(
    page: Page, om: OrderManagement
) -> None:
    def lose_every_response(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/trades", lose_every_response)
    dialog = review(page, "22")
    dialog.get_by_role("button", name="Buy for 442").click()
    expect(dialog.get_by_role("alert")).to_contain_text(
        "You can try again, because the server makes the change only once."
    )
    page.unroute("**/trades")
    dialog.get_by_role("button", name="Try again").click()
    expect(page.locator("#trade .outcome")).to_contain_text("Bought 22 for 442")
    assert om.available_amount("JPM", Side.BUY) == 8


@pytest.mark.slow
def test_an_order_whose_responses_are_lost_is_not_added_again_with_another_id(
    page: Page, om: OrderManagement
) -> None:
    def lose_every_response(route: Route) -> None:
        route.fetch()
        route.abort()

    om.add_order(5_000, "JPM", Side.BUY, 1, 50)
    expect(page.locator("#order-id")).to_have_value("5001")
    page.route("**/orders", lose_every_response)
    add(page, "SELL", "3", "19")
    expect(page.locator("#order-problem")).to_contain_text("The server does not respond.")
    shows(page, "SELL", ("19", "3"))
    page.unroute("**/orders")
    page.get_by_role("button", name="Add the order").click()
    expect(page.locator("#order .outcome")).to_contain_text(
        "had already been added, so nothing was added now."
    )
    assert om.available_amount("JPM", Side.SELL) == 3
