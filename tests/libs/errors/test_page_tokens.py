"""Tokens of pages."""

from __future__ import annotations

import pytest

from hub_errors import Invalid
from hub_errors.page_tokens import page_number, page_place, page_token


def test_a_token_reads_as_the_place_it_was_made_of() -> None:
    assert page_place("month", page_token("month", "2026-11")) == "2026-11"
    assert page_number("posting", page_token("posting", 42), most=42) == 42


def test_the_first_page_has_none() -> None:
    assert page_place("month", "") == ""
    assert page_number("posting", "", most=9) is None


@pytest.mark.parametrize(
    "token", ["2026-11", "month", "month-", "months-2026-11", "posting-1", "Month-1", " "]
)
def test_a_token_of_another_list_is_refused(token: str) -> None:
    with pytest.raises(Invalid) as refused:
        page_place("month", token)
    assert (refused.value.code, refused.value.field) == ("invalid_page_token", "page_token")


@pytest.mark.parametrize(
    "place", ["0", "43", "9" * 5000, "01", "-1", "+1", "1.0", "1 ", "\u0664", "\xb2", "x"]
)
def test_a_number_that_is_none_of_the_list_is_refused(place: str) -> None:
    with pytest.raises(Invalid) as refused:
        page_number("posting", f"posting-{place}", most=42)
    assert (refused.value.code, refused.value.field) == ("invalid_page_token", "page_token")
