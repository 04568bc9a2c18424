"""The page shows every symbol as plain text, and every number with all its digits."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from oms import Order, OrderManagement, Side
from support import ladder_page
from support.api_server import Address
from support.ladder_page import HUGE, add, choose, review, shows

pytestmark = pytest.mark.long

browser = ladder_page.browser
om = ladder_page.om
address = ladder_page.address
worked_example = ladder_page.worked_example
page = ladder_page.page
ladder = ladder_page.ladder


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "'\"&amp;&#x3c;",
    "../a/b?c=d#e%20%",
    "__proto__",
    "constructor",
    "#/JPM",
    " ",
    "two\nlines",
    "\u202eMPJ",
    "\U0001f4c8\u0000",
    "trade-amount",
    "W" * 300,
]


def test_a_symbol_is_shown_as_text_even_if_it_looks_like_markup(page: Page, om: OrderManagement) -> None:
    om.add_orders(Order(100 + n, symbol, Side.SELL, 3, 9) for n, symbol in enumerate(HOSTILE))
    page.reload()
    expect(page.locator("#symbols a")).to_have_count(len(HOSTILE) + 1)
    for link, symbol in zip(page.locator("#symbols a").all(), om.symbols(), strict=True):
        assert link.text_content() == symbol
        if symbol == "JPM":
            continue
        link.click()
        shows(page, "SELL", ("9", "3"))
        assert page.locator("#symbol").text_content() == symbol
        dialog = review(page, "2", "SELL")
        assert dialog.locator(".symbol").text_content() == symbol
        dialog.get_by_role("button", name="Sell for 18").click()
        shows(page, "SELL", ("9", "1"))
    assert page.locator("img, script, iframe, object").count() == 2  # the icon and the page's own script


def test_large_numbers_are_shown_with_all_their_digits(page: Page, om: OrderManagement) -> None:
    om.add_order(HUGE, "JPM", Side.SELL, HUGE, HUGE - 1)
    om.add_order(HUGE - 1, "JPM", Side.SELL, HUGE - 2, HUGE - 1)
    shows(page, "SELL", (f"{HUGE - 1:,}", f"{2 * HUGE - 2:,}"))
    choose(page, "trade", "SELL")
    page.fill("#trade-amount", f"{HUGE + 5:,}")
    expect(page.locator("#quote dd").first).to_have_text(f"{(HUGE + 5) * (HUGE - 1):,}")
    expect(page.locator("#quote dd").nth(1)).to_have_text(f"{HUGE - 1:,}.0000")
    total = f"{HUGE * (HUGE - 1):,}"
    dialog = review(page, f"{HUGE:,}", "SELL")
    dialog.get_by_role("button", name=f"Sell for {total}").click()
    expect(page.locator("#trades tr").first).to_contain_text(total)
    expect(page.locator("#trade .outcome")).to_contain_text(f"Sold {HUGE:,} for {total}")
    page.get_by_role("button", name=f"Remove order {HUGE}").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    shows(page, "SELL")


def test_an_order_with_a_19_digit_id_can_be_added_amended_and_removed(
    page: Page, address: Address, om: OrderManagement
) -> None:
    order_id = 8389765612825190229
    add(page, "SELL", f"{HUGE:,}", "19", id=str(order_id))
    outcome = page.locator("#order .outcome")
    expect(outcome).to_have_text(f"Added order {order_id}: bid of {HUGE:,} at 19.")
    expect(page.locator("#orders th")).to_have_text(["1", "4", str(order_id)])
    expect(page.locator("#order-id")).to_have_value(str(order_id + 1))
    assert om.get_order(order_id).amount == HUGE
    amendment = {"amount": str(HUGE - 1), "price": str(HUGE - 2)}
    assert httpx.patch(f"{address.http}/orders/{order_id}", json=amendment).status_code == 200
    shows(page, "SELL", (f"{HUGE - 2:,}", f"{HUGE - 1:,}"))
    add(page, "SELL", "1", "19", id=str(order_id))
    expect(page.locator("#order-problem")).to_contain_text(f"Order id {order_id} has been used already.")
    page.get_by_role("button", name=f"Remove order {order_id}").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#orders-outcome")).to_have_text(
        f"Removed order {order_id} with its remaining amount of {HUGE - 1:,}."
    )
    shows(page, "SELL")
    assert order_id not in om


def test_a_symbol_that_looks_like_a_large_integer_is_shown_as_text(page: Page, om: OrderManagement) -> None:
    symbol = "9007199254740993"
    om.add_order(9, symbol, Side.SELL, 3, 2**60)
    page.goto(page.url.replace("JPM", symbol))
    expect(page.locator("#symbol")).to_have_text(symbol)
    shows(page, "SELL", (f"{2**60:,}", "3"))
    assert review(page, "2", "SELL").locator(".symbol").text_content() == symbol


large_texts = (
    st.integers(2**52, 2**70).map(str)
    | st.integers(-(2**70), -(2**52)).map(str)
    | st.lists(st.integers(2**54, 2**70).map(str), max_size=2)
)
names = st.sampled_from(["order_id", "amounts", "symbol", "value"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**53, 2**70)
    | st.floats(-(2**53), 2**53)  # larger floats look like integers when the browser returns them
    | st.text()
    | st.sampled_from(["#1", "=1", '"', "\\", '\\"', "1:", '"1":2', "-0"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.dictionaries(names, inner | large_texts, max_size=4)
    ),
    max_leaves=12,
)


def is_large(text: str) -> bool:
    """Return True for the digits of an integer that a body contains as a string."""
    return re.fullmatch("-?[1-9][0-9]{15,}", text, re.ASCII) is not None and abs(int(text)) > 2**53 - 1


def marked(value: Any, name: str = "") -> Any:
    """Return the value with every integer replaced by {"int": its digits}.

    The text of an integer above 2^53-1 is an integer only in a field that contains integers.
    """
    match value:
        case str() if name in {"order_id", "amounts"} and is_large(value):
            return {"int": value}
        case bool() | None | str():
            return value
        case int():
            return {"int": str(value)}
        case float():
            return value
        case list():
            return [marked(each, name) for each in value]
        case _:
            return {"pairs": [[name, marked(each, name)] for name, each in sorted(value.items())]}


READ_BOTH_WAYS = """async (texts) => {
  const { read, readByMarks } = await import("/page/exact.js");
  const order = (a, b) => { const [x, y] = [[...a[0]], [...b[0]]].map((s) => s.map((c) => c.codePointAt(0)));
    for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i] - y[i];
    return x.length - y.length; };
  const marked = (value) =>
    typeof value === "bigint" ? { int: String(value) }
    : Array.isArray(value) ? value.map(marked)
    : value && typeof value === "object"
      ? { pairs: Object.entries(value).map(([name, each]) => [name, marked(each)]).sort(order) }
      : value;
  return texts.map((text) => [marked(read(text)), marked(readByMarks(text))]);
}"""


@given(st.lists(values, max_size=20), st.booleans())
@settings(max_examples=25)
def test_json_is_read_exactly_even_in_browsers_that_hide_the_source_text(
    ladder: Page, originals: list[Any], ascii_only: bool
) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in originals]
    for value, (native, fallback) in zip(originals, ladder.evaluate(READ_BOTH_WAYS, texts), strict=True):
        assert native == marked(value)
        assert fallback == marked(value)


NUMBERS = """async (pairs) => {
  const { divided, grouped, parsed } = await import("/page/exact.js");
  return pairs.map(([dividend, divisor, places]) => [
    grouped(BigInt(dividend)), divided(BigInt(dividend), BigInt(divisor), places),
    String(parsed(grouped(BigInt(dividend)))), String(parsed(dividend)),
  ]);
}"""


@given(st.lists(st.tuples(st.integers(0, 2**130), st.integers(1, 2**130), st.integers(0, 6)), max_size=20))
@settings(max_examples=25)
def test_integers_are_grouped_and_quotients_are_rounded_exactly(
    ladder: Page, quotients: list[tuple[int, int, int]]
) -> None:
    arguments = [[str(dividend), str(divisor), places] for dividend, divisor, places in quotients]
    for (dividend, divisor, places), shown in zip(
        quotients, ladder.evaluate(NUMBERS, arguments), strict=True
    ):
        scaled = Fraction(dividend * 10**places, divisor) + Fraction(1, 2)
        whole, fraction = divmod(scaled.__floor__(), 10**places)
        quotient = f"{whole:,}.{fraction:0{places}}" if places else f"{whole:,}"
        assert shown == [f"{dividend:,}", quotient, str(dividend), str(dividend)]
