"""One HTTP request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from hub_errors import Invalid
from hub_gateway.problems import Header, HttpError

CLOSE: Final[Header] = (b"connection", b"close")
JSON: Final[Header] = (b"content-type", b"application/json")
BODY_LIMIT: Final = 65_536
BODY_TIME_S: Final = 5.0

# What the scope carries for the layers around: the path pattern, and the trace.
ROUTE: Final = "hub_gateway.route"
TRACE_ID: Final = "hub_gateway.trace_id"
STARTED: Final = "hub_gateway.started"
TIME_LIMIT: Final = "hub_gateway.time_limit"


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Sequence[Header] = ()

    async def send(self, send: Send, *, head: bool = False) -> None:
        length = (b"content-length", str(len(self.body)).encode())
        sized = () if self.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED} else (length,)
        await send({"type": "http.response.start", "status": self.status, "headers": [*self.headers, *sized]})
        await send({"type": "http.response.body", "body": b"" if head else self.body})


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed(Response):
    """An answer that is sent part by part. One that fails on the way ends without its last chunk, so that the
    client can tell it is not whole."""

    parts: AsyncIterator[bytes]

    async def send(self, send: Send, *, head: bool = False) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": [*self.headers]})
        if not head:
            async for part in self.parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def answer(document: object, *, status: int = 200, headers: Sequence[Header] = ()) -> Response:
    return Response(status, msgspec.json.encode(document), (JSON, *headers))


class Request:
    """What handlers read. The body is read once, up to the limit."""

    __slots__ = ("_headers", "_receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self._headers: dict[bytes, bytes] = dict(scope["headers"])

    @property
    def client(self) -> str:
        """The caller's address."""
        return self.scope["client"][0] if self.scope.get("client") else "unknown"

    def parameter(self, name: str) -> str:
        """A part of the path."""
        return str(self.scope["path_params"][name])

    def header(self, name: str) -> str | None:
        """A header that may be there once."""
        found = self._headers.get(name.encode())
        if found is None:
            return None
        sent: Sequence[Header] = self.scope["headers"]
        if len(self._headers) < len(sent) and sum(key == name.encode() for key, _ in sent) > 1:
            raise Invalid(f"The header {name} is there more than once.", code="repeated_header", field=name)
        return found.decode("latin-1")

    def query(self, *names: str, lists: Collection[str] = ()) -> dict[str, str]:
        """The query, which may hold these names, each once; those of `lists` more often, their values then
        have commas between."""
        if not self.scope["query_string"]:
            return {}
        try:
            pairs = parse_qsl(
                self.scope["query_string"].decode("ascii"),
                keep_blank_values=True,
                max_num_fields=50,
                errors="strict",
            )
        except ValueError as error:
            raise Invalid("The query cannot be read.", code="malformed_query") from error
        found: dict[str, str] = {}
        for name, value in pairs:
            if name not in names and name not in lists:
                raise Invalid(f"There is no query parameter {name[:50]!r}.", code="unknown_parameter")
            if name in found and name in lists:
                value = f"{found[name]},{value}"  # noqa: PLW2901
            elif name in found:
                raise Invalid(f"{name} is there more than once.", code="repeated_parameter", field=name)
            found[name] = value
        return found

    async def json(self) -> bytes:
        """The body of a request that must bring JSON, and no query."""
        self.query()
        if not _is_plain_json(self.header("content-type") or "", self.header("content-encoding")):
            raise HttpError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON in UTF-8, not compressed, and Content-Type must say application/json.",
                code="unsupported_media_type",
            )
        try:
            async with asyncio.timeout(BODY_TIME_S):
                return await self._body()
        except TimeoutError as error:
            late = "The body did not arrive in time."
            raise HttpError(HTTPStatus.REQUEST_TIMEOUT, late, code="body_timeout", headers=[CLOSE]) from error

    async def optional_json(self) -> bytes:
        """The same, or nothing where there is no body."""
        if (self.header("content-length") or "0").strip("0") or self.header("transfer-encoding"):
            return await self.json()
        self.query()
        return b""

    async def abandoned(self) -> bool:
        """Whether the client is gone: nobody would read the rest of an answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
                return True
        return False

    def allow_more_time(self, seconds: float) -> None:
        """An answer of many parts has its time for each of them."""
        limit: asyncio.Timeout = self.scope[TIME_LIMIT]
        limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _body(self) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Invalid("The body did not arrive.", code="incomplete_body")
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > BODY_LIMIT:
                raise too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def too_large() -> HttpError:
    message = f"The body must not be larger than {BODY_LIMIT} bytes."
    return HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, code="body_too_large", headers=[CLOSE])


def _is_plain_json(content_type: str, content_encoding: str | None) -> bool:
    media, _, parameters = content_type.lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    plain = content_encoding in (None, "identity")
    return plain and media.strip() == "application/json" and charset in ("", "charset=utf-8")


Handler = Callable[[Request], Awaitable[Response]]
