"""Lines of text with a hash: they can be read again, and each damage is an error."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import JournalError
from oms.cluster.log.sealed_text import seal, unseal

LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), max_size=5)


@given(LINES)
def test_the_lines_after_the_name_of_the_format_are_read_again(lines: list[str]) -> None:
    assert unseal(seal(["a format", *lines]), "a format", "a place") == lines


@given(LINES, st.data())
def test_any_changed_byte_is_an_error(lines: list[str], data: st.DataObject) -> None:
    content = bytearray(seal(["a format", *lines]))
    content[data.draw(st.integers(0, len(content) - 2))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(JournalError, match="a place: its hash does not match its content"):
        unseal(bytes(content), "a format", "a place")


def test_another_format_is_an_error() -> None:
    with pytest.raises(JournalError, match="it has the format 'b', and this version of oms reads 'a'"):
        unseal(seal(["b", "x"]), "a", "a place")


def test_text_that_is_not_utf_8_is_an_error() -> None:
    content = b"\xff\nhash\t" + sha256(b"\xff").hexdigest().encode() + b"\n"
    with pytest.raises(JournalError, match="it is not valid"):
        unseal(content, "a", "a place")
