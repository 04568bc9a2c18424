"""The page at every width: no number is cut off, and nothing overflows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page, expect

from oms import Instrument, Order, OrderManagement, Side
from support import ladder_page
from support.api_server import Address
from support.chromium import visiting
from support.ladder_page import HUGE, add, review

pytestmark = pytest.mark.long

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address

WIDTHS = [360, 390, 768, 1280]
widths = pytest.mark.parametrize("width", WIDTHS)

# Returns every number on the page that is not on one line, or not completely inside its panel.
CUT = r"""(longest) => {
  const cut = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const parent = text.parentElement;
    if (!parent.checkVisibility() || parent.closest(".unseen, noscript, thead")) continue;
    const panel = (parent.closest("dialog, .panel, section") ?? document.body).getBoundingClientRect();
    for (const number of text.data.matchAll(/\d[\d,]*(\.\d+)?/g)) {
      if (number[0].length > longest) continue;
      const range = document.createRange();
      range.setStart(text, number.index);
      range.setEnd(text, number.index + number[0].length);
      const boxes = [...range.getClientRects()].filter((box) => box.width);
      const whole = boxes.length === 1 && boxes[0].left >= panel.left && boxes[0].right <= panel.right;
      if (boxes.length && !whole) cut.push(`${number[0]} in ${parent.outerHTML}`);
    }
  }
  return cut;
}"""
# Returns the text of every table cell whose content is wider than the cell.
OVERLAPS = r"""() => [...document.querySelectorAll("tr")].flatMap((row) => {
  const cells = [...row.cells].filter((cell) => cell.checkVisibility());
  return cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent);
})"""


def check_layout(page: Page, width: int, longest: int = 60) -> None:
    assert page.evaluate(CUT, longest) == []
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def fill_with(om: OrderManagement, number: int) -> None:
    """Add resting orders with amounts and prices of about this number on both sides."""
    om.remove_orders()
    om.add_orders(Order(number - n, "JPM", Side.BUY, number - n, number - n) for n in range(3))
    om.add_orders(Order(number - 9 - n, "JPM", Side.SELL, number - n, number - 9 - n) for n in range(14))


@widths
@pytest.mark.parametrize("number", [9_876_543, 9_999_999_999_999, HUGE], ids=["7", "13", "19 digits"])
def test_no_number_is_cut_off_and_nothing_overflows(
    browser: Browser, address: Address, om: OrderManagement, number: int, width: int
) -> None:
    fill_with(om, number)
    size = {"width": width, "height": 844}
    with visiting(browser, address.http, "/#/JPM", viewport=size) as page:
        expect(page.locator("#levels-BUY .amount").last).to_have_text(f"{number:,}")
        for side in (Side.BUY, Side.SELL):
            om.place_trade("JPM", side, number - 5)
        page.fill("#trade-amount", f"{number:,}")
        expect(page.locator("#quote dd")).to_have_count(4)
        expect(page.locator("#trades tr").first).to_be_visible()
        check_layout(page, width, longest=33)
        page.fill("#trade-amount", str(9 * number))
        page.get_by_role("button", name="Review the trade").click()
        expect(page.locator("#trade-problem")).to_contain_text("Only")
        add(page, "BUY", "1", "1", id="3")
        expect(page.locator("#order .outcome")).not_to_be_empty()
        check_layout(page, width, longest=33)
        page.get_by_role("button", name="Remove order").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        check_layout(page, width, longest=33)


@widths
@pytest.mark.parametrize(
    "instrument",
    [Instrument("0.01", "0.001", currency="USD"), Instrument("0.00000001", "0.00000001", currency="W" * 99)],
    ids=["few decimals", "many decimals"],
)
def test_no_decimal_number_is_cut_off_and_nothing_overflows(
    browser: Browser, address: Address, om: OrderManagement, instrument: Instrument, width: int
) -> None:
    om.remove_orders()
    om.set_instrument("XYZ", instrument)
    om.add_orders(Order(HUGE - n, "XYZ", Side.BUY, HUGE - n, HUGE - n) for n in range(3))
    om.add_orders(Order(HUGE - 9 - n, "XYZ", Side.SELL, HUGE - n, HUGE - 9 - n) for n in range(14))
    size = {"width": width, "height": 844}
    with visiting(browser, address.http, "/#/XYZ", viewport=size) as page:
        expect(page.locator("#levels-BUY .amount").last).to_have_text(instrument.show_amount(HUGE))
        for side in (Side.BUY, Side.SELL):
            om.place_trade("XYZ", side, HUGE - 5)
        page.fill("#trade-amount", instrument.show_amount(HUGE))
        expect(page.locator("#quote dd")).to_have_count(4)
        expect(page.locator("#trades tr").first).to_be_visible()
        check_layout(page, width, longest=33)
        page.fill("#order-price", "0.000000005")
        page.get_by_role("button", name="Add the order").click()
        expect(page.locator("#order-problem")).not_to_be_empty()
        page.get_by_role("button", name="Review the trade").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        check_layout(page, width, longest=33)


def test_a_number_too_long_for_one_line_breaks_only_after_a_comma(
    browser: Browser, address: Address, om: OrderManagement
) -> None:
    fill_with(om, HUGE)
    with visiting(browser, address.http, "/#/JPM", viewport={"width": 390, "height": 844}) as page:
        page.fill("#trade-amount", str(2 * HUGE))
        total = page.locator("#quote dd").first
        expect(total).to_have_text(f"{om.calculate_price('JPM', Side.BUY, 2 * HUGE):,}")
        texts, lines = page.evaluate("""() => {
          const cell = document.querySelector("#quote dd");
          const texts = [...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
          return [texts.map((text) => text.data), texts.map((text) => {
            const range = document.createRange();
            range.selectNodeContents(text);
            return range.getClientRects().length;
          })];
        }""")
        assert all(text.endswith(",") for text, _ in pairwise(texts))
        assert set(lines) == {1}


@widths
def test_the_two_sides_are_next_to_each_other_if_their_numbers_fit(
    browser: Browser, address: Address, om: OrderManagement, width: int
) -> None:
    for number, fits in ((9_876_543, True), (HUGE, False)):
        fill_with(om, number)
        with visiting(browser, address.http, "/#/JPM", viewport={"width": width, "height": 844}) as page:
            expect(page.locator("#levels-BUY .amount").last).to_have_text(f"{number:,}")
            bids, asks = (
                page.locator(f".ladder[data-side={side}]").bounding_box() for side in ("SELL", "BUY")
            )
            assert bids is not None
            assert asks is not None
            assert (bids["y"] == asks["y"]) is fits
            assert (bids["x"] < asks["x"]) is fits


def test_the_chosen_symbol_is_visible_in_a_long_list_of_symbols(
    browser: Browser, address: Address, om: OrderManagement
) -> None:
    om.remove_orders()
    om.add_orders(Order(n, f"SYM{n:02}/USD", Side.BUY, 1, 1) for n in range(40))
    for symbol in ("SYM39/USD", "SYM20/USD"):
        path = f"/#/{symbol.replace('/', '%2F')}"
        with visiting(browser, address.http, path, viewport={"width": 390, "height": 844}) as page:
            expect(page.locator("#symbols li")).to_have_count(40)
            expect(page.get_by_role("link", name=symbol)).to_be_in_viewport(ratio=0.9)


def test_the_two_books_are_called_asks_and_bids(
    browser: Browser, address: Address, om: OrderManagement
) -> None:
    om.remove_orders()
    om.add_orders([Order(1, "JPM", Side.BUY, 20, 20), Order(2, "JPM", Side.SELL, 15, 18)])
    with visiting(browser, address.http, "/#/JPM") as page:
        expect(page.locator("#best-BUY")).to_have_text("20")
        assert page.locator(".spread dt").all_inner_texts() == ["Best bid", "Spread", "Best ask"]
        assert page.locator(".ladder caption b").all_inner_texts() == ["Bids", "Asks"]
        assert page.locator("#orders .side").all_inner_texts() == ["asks", "bids"]
        assert page.locator("#order .switch label").all_inner_texts() == ["Ask (BUY)", "Bid (SELL)"]
        page.get_by_role("button", name="Remove order 2").click()
        expect(page.locator("#confirm-facts dd").nth(1)).to_have_text("SELL (bid)")
        page.get_by_role("button", name="Cancel").click()
        om.remove_orders()
        om.add_order(3, "JPM", Side.BUY, 20, 20)
        expect(page.locator("#empty-SELL")).to_have_text("There are no bids.")
        page.locator("#levels-BUY .choose").click()
        expect(page.locator("#orders-title")).to_have_text("Asks at 20")
        review(page, "1")
