"""Every order id of an engine has one form in a body and one in a path, from which it can be read again."""

from __future__ import annotations

import json
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from oms.contract import LARGEST_JSON_INTEGER, id_as_json, id_as_path, id_from_json, id_from_path

BORDER = LARGEST_JSON_INTEGER
TRICKY = [
    "7",
    "-7",
    "007",
    "0",
    '"',
    '""',
    '"7"',
    '"""',
    ".",
    "..",
    "a/../b",
    "/",
    "%2F",
    "a\n",
    "\n",
    " ",
    "é",
]
TRICKY += [
    "1152921504606846976",
    '"1152921504606846976"',
    str(BORDER),
    str(BORDER + 1),
    "-" + str(BORDER + 1),
]
ints = st.integers(-(2**256) + 1, 2**256 - 1) | st.sampled_from([0, BORDER, BORDER + 1, -BORDER, -BORDER - 1])
digits = st.from_regex(r"\A\"?-?[0-9]{1,90}\"?\Z")
ids = ints | st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | digits | st.sampled_from(TRICKY)


@given(ids)
@example("1" * 79)
def test_an_id_can_be_read_from_a_body_and_from_a_path(order_id: int | str) -> None:
    written = json.loads(json.dumps(id_as_json(order_id)))
    assert type(written) is str or abs(written) <= BORDER
    for again in (id_from_json(written), id_from_path(unquote(id_as_path(order_id)))):
        assert (type(again), again) == (type(order_id), order_id)


@given(ids, ids)
def test_two_ids_never_have_the_same_form(one: int | str, other: int | str) -> None:
    is_same = (type(one), one) == (type(other), other)
    assert (repr(id_as_json(one)) == repr(id_as_json(other))) is is_same
    assert (id_as_path(one) == id_as_path(other)) is is_same


@given(ids)
def test_an_id_in_a_path_is_one_segment_that_no_client_or_proxy_removes(order_id: int | str) -> None:
    text = id_as_path(order_id)
    assert text.isascii()
    assert not set("/?#\\ ") & set(text)
    assert unquote(text) not in (".", "..")


def test_short_digits_in_a_body_are_a_string_and_in_a_path_an_int() -> None:
    assert (id_from_json("12"), id_from_path("12")) == ("12", 12)
    assert (id_as_json("12"), id_as_path("12")) == ("12", "%2212%22")
