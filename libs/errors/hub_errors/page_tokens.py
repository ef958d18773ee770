"""Tokens of pages: a word for what is paged, and where the page before ended. They are no secret."""

from __future__ import annotations

from hub_errors.errors import Invalid


def page_token(paged: str, place: object) -> str:
    """For the page behind `place`; one word belongs to one list, so that no other list takes the token."""
    return f"{paged}-{place}"


def page_place(paged: str, token: str) -> str:
    """Where the page before ended, as a text; empty for the first page."""
    mark = page_token(paged, "")
    if not token:
        return ""
    if not token.startswith(mark) or token == mark:
        raise invalid_page_token()
    return token.removeprefix(mark)


def page_number(paged: str, token: str, *, most: int) -> int | None:
    """The same where places are numbers from 1 to `most`; None for the first page."""
    place = page_place(paged, token)
    if not place:
        return None
    if not (place.isascii() and place.isdigit() and len(place) <= len(str(most))):
        raise invalid_page_token()
    number = int(place)
    if not 1 <= number <= most or place != str(number):
        raise invalid_page_token()
    return number


def invalid_page_token() -> Invalid:
    sentence = "page_token is not of a page of this query."
    return Invalid(sentence, code="invalid_page_token", field="page_token")
