"""Page tokens: where a page ended, and of which query. With another query they are refused."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Final

from hub_errors import Invalid
from hub_errors.page_tokens import invalid_page_token

_LONGEST: Final = 500


def page_token(query: Sequence[str], after: str) -> str:
    """For the page behind `after`."""
    packed = json.dumps([_mark(query), after]).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_page_token(query: Sequence[str], token: str) -> str:
    """The `after` of a token of the same query; empty for the first page. Raises Invalid."""
    if not token:
        return ""
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        mark, after = json.loads(packed) if len(token) <= _LONGEST else (None, None)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        mark, after = None, None
    if mark != _mark(query) or not isinstance(after, str):
        raise invalid_page_token()
    return after


def page_size(asked: int, *, usual: int, most: int) -> int:
    if not 0 <= asked <= most:
        raise Invalid(f"page_size is at most {most}.", code="invalid_page_size", field="page_size")
    return asked or usual


def _mark(query: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(query)).encode()).hexdigest()[:12]
