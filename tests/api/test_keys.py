"""API keys, and the text of a file of keys."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import InvalidArgumentError
from oms.api import Access, ApiKey
from oms.api.keys import MOST_KEYS, as_entry, check_keys, digest_of_key, generate_key, parse_keys

KEY = "correct-horse-battery"
HASH = hashlib.sha256(KEY.encode()).hexdigest()
ENTRY = f'[[keys]]\nname = "bot1"\nsha256 = "{HASH}"\naccess = "trading"\n'

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
owners = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
keys = st.builds(
    ApiKey,
    name=names,
    digest=st.binary(min_size=32, max_size=32),
    access=st.sampled_from(Access),
    owner=owners,
)


@given(
    st.lists(keys, min_size=1, max_size=6, unique_by=(lambda key: key.name, lambda key: key.digest)),
    st.sampled_from(["", "\n", "# a comment\n"]),
)
def test_a_file_of_entries_contains_the_keys_that_were_written(written: list[ApiKey], between: str) -> None:
    assert parse_keys(between.join(map(as_entry, written))) == tuple(written)


@given(st.text() | st.text(st.sampled_from('[]{}="keysha256acno1\n ')))
def test_any_other_text_is_rejected_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_keys(text)


@given(st.data())
def test_a_damaged_file_never_makes_another_key_valid(data: st.DataObject) -> None:
    text = ENTRY + "\n" + as_entry(ApiKey.of(KEY * 2, name="bot2", access=Access.READ_ONLY))
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    try:
        parsed = parse_keys(text[:begin] + text[end:])
    except ValueError:
        return
    # A cut from the first hash to the same digit of the second one joins them, to a hash that has no key.
    hashes = HASH, digest_of_key(KEY * 2).hex()
    allowed = {first[:digits] + hashes[1][digits:] for first in hashes for digits in range(len(HASH) + 1)}
    assert {key.digest.hex() for key in parsed} <= allowed


def test_a_key_has_only_the_hash_of_its_text() -> None:
    key = ApiKey.of(KEY, name="bot1")
    assert key == ApiKey(name="bot1", digest=bytes.fromhex(HASH), access=Access.TRADING, owner=None)
    assert HASH not in repr(key)
    assert KEY not in repr(key)


def test_the_hashes_in_the_docs_are_those_of_the_keys_above_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "keys.md").read_text()
    texts = re.findall(r"^The API key, .*: (oms_\S+)$", page, re.MULTILINE)
    (entries,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert [key.digest for key in parse_keys(entries)] == [digest_of_key(text) for text in texts]


def test_generated_keys_are_valid_different_and_long() -> None:
    generated = {generate_key() for _ in range(100)}
    assert len(generated) == 100
    assert {len(text) for text in generated} == {47}
    check_keys(ApiKey.of(text, name=f"bot{number}") for number, text in enumerate(generated))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "name must be 1 to 64 letters"),
        ({"name": "bot 1"}, "name must be 1 to 64 letters"),
        ({"name": "-bot"}, "beginning with a letter or a digit"),
        ({"name": "b" * 65}, "name must be 1 to 64 letters"),
        ({"name": 1}, "name must be 1 to 64 letters"),
        ({"access": "trading"}, "access must be Access.TRADING or Access.READ_ONLY, not 'trading'"),
        ({"owner": ""}, "owner must be a non-empty str"),
        ({"owner": "\ud800"}, "owner must be a non-empty str"),
        ({"digest": b"short"}, "digest must be 32 bytes, not '<hidden>' (str); use ApiKey.of"),
        ({"digest": HASH}, "digest must be 32 bytes"),
    ],
)
def test_an_invalid_field_of_a_key_is_named(fields: dict[str, Any], message: str) -> None:
    valid: dict[str, Any] = {"name": "bot1", "digest": bytes(32)}
    with pytest.raises(InvalidArgumentError) as caught:
        ApiKey(**{**valid, **fields})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (KEY[:15], "15 characters' (str)"),
        (f"{KEY} ", "22 characters' (str); remove all spaces and line breaks"),
        (f"{KEY}\xe9", "22 characters' (str); remove all other characters"),
    ],
)
def test_the_message_says_what_is_wrong_with_a_key(text: str, end: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        ApiKey.of(text, name="bot1")
    assert str(caught.value).endswith(f"not '{end}")


@pytest.mark.parametrize("text", ["", "short", "fifteen-letters", KEY + " ", KEY + "\xe9", KEY + "\n"])
def test_a_text_that_is_too_short_or_not_visible_ascii_is_rejected_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 16 visible ASCII characters") as caught:
        ApiKey.of(text, name="bot1")
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it must contain a [[keys]] table for each key"),
        ("keys = []", "it must contain a [[keys]] table for each key"),
        ("keys = 1", "it must contain a [[keys]] table for each key"),
        ("keys = [1]", "key 1 is not a table"),
        (f"other = 1\n{ENTRY}", "and nothing else"),
        (
            f"{ENTRY}secret = 1\n",
            "key 1 must have the fields name, sha256, and access, and may have an owner",
        ),
        (ENTRY.replace('access = "trading"\n', ""), "key 1 must have the fields name, sha256, and access"),
        (ENTRY.replace("trading", "admin"), "the access of key 1 must be 'read-only' or 'trading'"),
        (ENTRY.replace('"trading"', "[]"), "the access of key 1 must be"),
        (ENTRY.replace(HASH, KEY), "the sha256 of key 1 must be 64 hexadecimal digits"),
        (ENTRY.replace(f'"{HASH}"', "1"), "the sha256 of key 1 must be 64 hexadecimal digits"),
        (ENTRY.replace("bot1", "bot 1"), "the name of key 1 must be 1 to 64 letters"),
        (ENTRY.replace('"bot1"', "1"), "the name of key 1 must be 1 to 64 letters"),
        (f'{ENTRY}owner = ""\n', "the owner of key 1 must be a non-empty str"),
        (ENTRY + ENTRY.replace("bot1", "bot2"), "'bot1' and 'bot2' are the same key"),
        (
            ENTRY + ENTRY.replace(HASH, "0" * 64).replace("trading", "read-only"),
            "two keys named 'bot1' differ in their access or owner",
        ),
        ("a = " + "[" * 100_000, "it is nested too deeply"),
        ("keys = ", "Invalid value"),
    ],
)
def test_the_reason_names_the_entry_and_shows_no_unknown_text(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse_keys(text)
    assert reason in str(caught.value)
    assert KEY not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_two_keys_of_one_name_are_valid_together_so_that_a_key_can_be_replaced() -> None:
    former, new = (ApiKey.of(f"{KEY}-{number}", name="bot1", owner="Ann") for number in range(2))
    check_keys([former, new])
    with pytest.raises(ValueError, match="two keys named 'bot1' differ in their access or owner"):
        check_keys([former, ApiKey.of(KEY, name="bot1")])


def test_the_number_of_keys_is_bounded_because_a_request_is_compared_with_all() -> None:
    many = [ApiKey(name=f"bot{number}", digest=number.to_bytes(32)) for number in range(MOST_KEYS + 1)]
    check_keys(many[:-1])
    with pytest.raises(ValueError, match="there are more than 1000 keys"):
        check_keys(many)
