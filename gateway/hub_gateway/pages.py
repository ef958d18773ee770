"""The query parameters that several paths share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final, TypeVar

from hub_errors import Invalid
from hub_texts import printable

T = TypeVar("T")

MOST_ROWS: Final = 100
USUAL_ROWS: Final = 50
YEARS: Final = range(1900, 2200)


def page(query: Mapping[str, str]) -> tuple[int, str]:
    """page_size and page_token."""
    size = query.get("page_size", str(USUAL_ROWS))
    if not (size.isascii() and size.isdigit() and len(size) <= 3 and 1 <= int(size) <= MOST_ROWS):
        sentence = f"page_size must be a number from 1 to {MOST_ROWS}."
        raise Invalid(sentence, code="invalid_value", field="page_size")
    return int(size), printable(query.get("page_token", ""), field="page_token", longest=512)


def flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false")
    if value not in {"true", "false"}:
        raise Invalid(f"{name} must be true or false.", code="invalid_value", field=name)
    return value == "true"


def choice(query: Mapping[str, str], name: str, choices: Mapping[str, T], usual: T) -> T:
    """What one of a few words stands for; `usual` where the parameter is not there."""
    if name not in query:
        return usual
    if query[name] not in choices:
        raise Invalid(f"{name} must be one of {', '.join(choices)}.", code="invalid_value", field=name)
    return choices[query[name]]


def iso_day(text: str, *, field: str) -> date:
    """YYYY-MM-DD and no other way to write a day: else ValueError. In a year that means something."""
    found = date.fromisoformat(text)
    if found.isoformat() != text:
        raise ValueError("not a day")
    if found.year not in YEARS:
        sentence = f"{field} must lie in the years {YEARS[0]} to {YEARS[-1]}."
        raise Invalid(sentence, code="invalid_value", field=field)
    return found


def moment(text: str, *, field: str) -> datetime:
    """A day is its first moment; a time without a zone is UTC."""
    try:
        iso_day(text[: len("2026-11-24")], field=field)
        found = datetime.fromisoformat(text)
    except ValueError:
        sentence = f"{field} must be a day or a time such as 2026-11-24T14:30:00Z."
        raise Invalid(sentence, code="invalid_value", field=field) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def between(query: Mapping[str, str], first: str, last: str) -> tuple[datetime | None, datetime | None]:
    """Two moments, either of which may be left out; the first is not after the last."""
    start, end = (moment(query[name], field=name) if name in query else None for name in (first, last))
    if start is not None and end is not None and end < start:
        raise Invalid(f"{last} is before {first}.", code="inverted_range", field=last)
    return start, end
