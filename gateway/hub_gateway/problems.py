"""Errors become problem+json (RFC 9457) here only. An unknown error shows an id, never its text."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from math import ceil
from typing import Any, Final

import msgspec

from hub_errors import (
    Conflict,
    Denied,
    Exhausted,
    HubError,
    Invalid,
    NotFound,
    Refused,
    Timeout,
    Unauthenticated,
    Unavailable,
)

Header = tuple[bytes, bytes]

# What services call by another name than those who sent it, in a header.
_HEADERS: Final = {"idempotency_key": "Idempotency-Key"}

CONTENT_TYPE: Header = (b"content-type", b"application/problem+json")


class HttpError(HubError):
    """A fault of the HTTP request itself, with the status that names it."""

    def __init__(
        self, status: HTTPStatus, message: str, *, code: str, headers: Sequence[Header] = ()
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.headers = tuple(headers)


class InDoubt(Unavailable):
    """Nobody can say now whether the order was accepted. With a key, an earlier request may have made the
    order under another id, so only the key can tell; without one, the id can."""

    def __init__(self, order_id: str, *, keyed: bool) -> None:
        how = (
            "Send the same request with the same Idempotency-Key again: the answer is that of the first."
            if keyed
            else "Read it by its id before sending another; it may take a minute to appear."
        )
        super().__init__(f"It is not known whether the order was accepted. {how}", code="in_doubt")
        self.order_id = None if keyed else order_id


STATUS: Final[Mapping[type[HubError], HTTPStatus]] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Denied: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Refused: HTTPStatus.UNPROCESSABLE_ENTITY,
    Exhausted: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Timeout: HTTPStatus.GATEWAY_TIMEOUT,
}


def status_of(error: HubError) -> int:
    if isinstance(error, HttpError):
        return int(error.status)
    found = (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return int(next(found, HTTPStatus.INTERNAL_SERVER_ERROR))


# As RFC 9110 names them: a Python before 3.13 has older names.
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}


def title_of(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


def problem(error: HubError, *, trace_id: str) -> bytes:
    """The document."""
    status = status_of(error)
    document: dict[str, Any] = {
        "type": f"urn:hub:problem:{error.code}",
        "title": title_of(status),
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    if error.field:
        document["field"] = _HEADERS.get(error.field, error.field)
    if isinstance(error, InDoubt) and error.order_id is not None:
        document["order_id"] = error.order_id
    document["trace_id"] = trace_id
    return msgspec.json.encode(document)


def headers(error: HubError) -> list[Header]:
    """What the status asks for beside the document."""
    found = [CONTENT_TYPE]
    if isinstance(error, HttpError):
        found.extend(error.headers)
    if isinstance(error, Unauthenticated):
        found.append((b"www-authenticate", b'Bearer realm="hub"'))
    if isinstance(error, Exhausted):
        found.append((b"retry-after", str(max(1, ceil(error.retry_after_s))).encode()))
    if isinstance(error, Unavailable):
        found.append((b"retry-after", b"1"))
    return found


def raw_response(error: HttpError) -> bytes:
    """A whole answer for a request that never got as far as the application; the connection ends with it."""
    body = problem(error, trace_id=secrets.token_hex(16))
    fields = [*headers(error), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    start = f"HTTP/1.1 {int(error.status)} {error.status.phrase}\r\n".encode()
    return start + b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n" + body


@contextmanager
def naming(names: Mapping[str, str]) -> Iterator[None]:
    """Where a path has other names for its members than the service behind it, errors name what was sent."""
    try:
        yield
    except HubError as error:
        error.field = names.get(error.field, error.field)
        raise


def unknown(error_id: str) -> HubError:
    """What the world sees of an error nobody expected."""
    return HubError(f"Something went wrong here. Mention {error_id} when you report it.", code="internal")
