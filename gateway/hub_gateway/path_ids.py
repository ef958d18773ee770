"""Ids in a path. What no id can be is an id of nothing."""

from __future__ import annotations

from uuid import UUID

from hub_errors import Invalid, NotFound
from hub_gateway.exchange import Request


def order_id(request: Request) -> str:
    found = _uuid(request.parameter("order_id"))
    if found is None:
        raise NotFound("There is no such order.", code="order_not_found")
    return found


def account_id(request: Request) -> str:
    found = _uuid(request.parameter("account_id"))
    if found is None:
        raise NotFound("There is no such account.", code="account_not_found")
    return found


def watchlist_id(request: Request) -> str:
    found = _uuid(request.parameter("watchlist_id"))
    if found is None:
        raise NotFound("There is no such watchlist.", code="watchlist_not_found")
    return found


def view_id(request: Request) -> str:
    found = _uuid(request.parameter("view_id"))
    if found is None:
        raise NotFound("There is no such part.", code="view_not_found")
    return found


def named_view(text: str, *, field: str) -> str:
    """In a body."""
    found = _uuid(text)
    if found is None:
        raise Invalid(f"{field} must be a part's id.", code="invalid_value", field=field)
    return found


def _uuid(text: str) -> str | None:
    """In small letters and with its hyphens; None where it is written in another way."""
    text = text.lower()
    try:
        return text if str(UUID(text)) == text else None
    except ValueError:
        return None
