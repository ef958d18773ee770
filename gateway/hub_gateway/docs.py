"""The OpenAPI document at /openapi.json, and an explorer of it at /docs. All is read once, at the start."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

import msgspec

from hub_errors import NotFound
from hub_gateway.exchange import Request, Response
from hub_gateway.openapi import document
from hub_gateway.operation import Access, Operation, Resource
from hub_gateway.problems import Header
from hub_gateway.stream_messages import schema

OURS: Final = Path(__file__).parent / "explorer"
# Swagger UI comes as the files of this distribution, which is not imported.
SWAGGER_UI: Final = "flask-swagger-ui"
ASSETS: Final[Mapping[str, str]] = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
    "start.js": "text/javascript; charset=utf-8",
}
# Beside the explorer: the messages of the stream, a client of it in JavaScript, and a page that uses that.
STREAM: Final[Mapping[str, str]] = {
    "stream.html": "text/html; charset=utf-8",
    "stream-page.js": "text/javascript; charset=utf-8",
    "stream-client.js": "text/javascript; charset=utf-8",
    "stream.schema.json": "application/schema+json",
}
# Swagger UI draws with inline styles and with images inside its style sheet; scripts are ours only.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FOR_A_DAY: Final[Header] = (b"cache-control", b"public, max-age=86400")
CHECKED_EACH_TIME: Final[Header] = (b"cache-control", b"no-cache")


class Page:
    """Something that does not change while the process lives."""

    def __init__(self, body: bytes, media_type: str, *headers: Header) -> None:
        self._body = body
        self._etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        self._headers = [(b"etag", self._etag.encode()), *headers]
        self._media_type: Header = (b"content-type", media_type.encode())

    def answer(self, request: Request) -> Response:
        request.query()
        if request.header("if-none-match") == self._etag:
            return Response(304, headers=self._headers)
        return Response(200, self._body, [self._media_type, *self._headers])


class Docs:
    """Knows the document once it was told (`describe`): these resources are part of it too."""

    def __init__(self) -> None:
        self._page = Page(
            (OURS / "index.html").read_bytes(),
            "text/html; charset=utf-8",
            CHECKED_EACH_TIME,
            (b"content-security-policy", POLICY.encode()),
        )
        self._assets = {
            name: Page(_asset(name).read_bytes(), media, FOR_A_DAY) for name, media in ASSETS.items()
        }
        self._assets |= {name: _stream_page(name, media) for name, media in STREAM.items()}
        self._document = Page(b"{}", "application/json")

    def describe(self, resources: Sequence[Resource]) -> None:
        text = msgspec.json.encode(document(resources))
        self._document = Page(text, "application/json", CHECKED_EACH_TIME)

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/openapi.json", GET=_public(self.document, "This document", dict[str, Any])),
            Resource("/docs", GET=_public(self.page, "An explorer of it for browsers", str, "text/html")),
            Resource("/docs/{asset}", GET=_public(self.asset, "The explorer's files", bytes, "*/*")),
        ]

    async def document(self, request: Request) -> Response:
        return self._document.answer(request)

    async def page(self, request: Request) -> Response:
        return self._page.answer(request)

    async def asset(self, request: Request) -> Response:
        found = self._assets.get(request.parameter("asset"))
        if found is None:
            raise NotFound("There is nothing at this path.", code="unknown_path")
        return found.answer(request)


def _public(handler: Any, summary: str, kind: Any, media_type: str = "application/json") -> Operation:
    return Operation(
        handler=handler,
        summary=summary,
        tag="platform",
        access=Access.EVERYBODY,
        asks_peers=False,
        media_type=media_type,
        answers={200: kind, 304: None},
        answer_headers={"ETag": "Send it as If-None-Match, to be told with 304 that nothing has changed."},
    )


def _stream_page(name: str, media: str) -> Page:
    body = msgspec.json.encode(schema()) if name == "stream.schema.json" else (OURS / name).read_bytes()
    # Only a page has a policy of its own.
    own = ((b"content-security-policy", POLICY.encode()),) if media.startswith("text/html") else ()
    return Page(body, media, CHECKED_EACH_TIME, *own)


def _asset(name: str) -> Path:
    own = OURS / name
    return (
        own
        if own.exists()
        else Path(str(distribution(SWAGGER_UI).locate_file("flask_swagger_ui/dist"))) / name
    )
