"""Which pages of other origins may read our answers. Nothing is said to origins that are not listed."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub_gateway.problems import Header

METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS: Final = b"authorization, content-type, idempotency-key, x-request-id"
EXPOSED: Final = b"content-disposition, idempotency-replayed, location, retry-after, x-request-id"
VARY: Final[Header] = (b"vary", b"origin")
A_DAY: Final = b"86400"


class Cors:
    """Around everything else, so that errors can be read too. No cookies: the token is a header."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._origins:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin: bytes = headers.get(b"origin", b"")
        if origin not in self._origins:
            await self._app(scope, receive, _adding(send, [VARY]))
        elif scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _preflight(send, origin)
        else:
            await self._app(scope, receive, _adding(send, _allowed(origin)))


def _allowed(origin: bytes) -> list[Header]:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED),
        (b"cross-origin-resource-policy", b"cross-origin"),
        VARY,
    ]


def _adding(send: Send, added: list[Header]) -> Send:
    replaced = {name for name, _ in added} - {b"vary"}

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [header for header in message["headers"] if header[0] not in replaced]
            message["headers"] = [*kept, *added]
        await send(message)

    return sending


async def _preflight(send: Send, origin: bytes) -> None:
    headers: list[Header] = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", REQUEST_HEADERS),
        (b"access-control-max-age", A_DAY),
        VARY,
    ]
    await send({"type": "http.response.start", "status": int(HTTPStatus.NO_CONTENT), "headers": headers})
    await send({"type": "http.response.body", "body": b""})
