"""What may be in a text, and when two names are the same."""

from __future__ import annotations

import pytest

from hub_errors import Invalid
from hub_texts import LONGEST_NAME, printable, read_name


def test_a_name_is_without_the_blanks_around_it() -> None:
    assert read_name(" \u00a0 Long term ").text == "Long term"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Long Term", "long term", True),
        ("STRASSE", "Straße", True),
        ("\ufb01ne", "fine", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("a b", "ab", False),
        ("cafe", "caf\u00e9", False),
    ],
)
def test_names_are_the_same_whatever_their_capitals_and_their_way_of_writing_a_letter(
    first: str, second: str, *, same: bool
) -> None:
    assert (read_name(first).key == read_name(second).key) is same


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_length"),
        ("  ", "invalid_length"),
        ("x" * (LONGEST_NAME + 1), "invalid_length"),
        ("a\nb", "invalid_characters"),
        ("a\u200bb", "invalid_characters"),
    ],
)
def test_what_is_no_name_says_why_and_where(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_name(text, field="title")
    assert (refused.value.code, refused.value.field) == (code, "title")
    assert "title" in refused.value.message


def test_a_text_may_be_as_long_and_as_short_as_is_said() -> None:
    assert printable("", field="x", longest=3) == ""
    assert printable("abc", field="x", longest=3) == "abc"
    for text, shortest in (("abcd", 0), ("", 1)):
        with pytest.raises(Invalid):
            printable(text, field="x", shortest=shortest, longest=3)
