"""What can be done at a path: the handler, and the words that the OpenAPI document is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from hub_gateway import codes
from hub_gateway.codes import Problems
from hub_gateway.exchange import ROUTE, Handler, Request, Response
from hub_gateway.problems import Header, HttpError


class Access(Enum):
    """Who may do it."""

    EVERYBODY = "everybody"
    VISITOR = "counted by address"
    USER = "user"
    ADMIN = "admin"
    STAFF = "admin or support"


KNOWN: Final = frozenset({Access.USER, Access.ADMIN, Access.STAFF})
PRIVILEGED: Final = frozenset({Access.ADMIN, Access.STAFF})


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A part of the path, a query parameter or a header, and the JSON schema of its text."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False
    example: object = None


PAGE_SIZE: Final = Parameter(
    name="page_size",
    description="Rows on a page.",
    schema={"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
)
PAGE_TOKEN: Final = Parameter(
    name="page_token",
    description="next_page_token of the page before, with the same other parameters.",
    schema={"type": "string", "maxLength": 512, "pattern": "^[A-Za-z0-9_-]*$"},
)
PAGES: Final = (PAGE_SIZE, PAGE_TOKEN)
MONTH: Final = r"^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])$"
SYMBOL: Final = {"type": "string", "pattern": "^[A-Z0-9][A-Z0-9.\\-]{0,15}$"}
MOMENT: Final = {
    "type": "string",
    "pattern": "^(19|20|21)[0-9]{2}-",
    "anyOf": [{"format": "date-time"}, {"format": "date"}],
}
PATH: Final[Mapping[str, Parameter]] = {
    each.name: each
    for each in (
        Parameter(
            name="symbol",
            description="Names an instrument.",
            schema=SYMBOL,
            required=True,
            example="AAPL",
        ),
        Parameter(
            name="order_id",
            description="The order's id.",
            schema={"type": "string", "format": "uuid"},
            required=True,
            example="01a20e32-4587-7d1c-a3b0-6c2f9e7d5a41",
        ),
        Parameter(
            name="watchlist_id",
            description="The watchlist's id.",
            schema={"type": "string", "format": "uuid"},
            required=True,
            example="01a20e32-4a10-7b3c-8d52-91f0c7e6b214",
        ),
        Parameter(
            name="view_id",
            description="The part's id.",
            schema={"type": "string", "format": "uuid"},
            required=True,
            example="01a20e32-4b22-7f10-9a41-0c3e5d7b9f12",
        ),
        Parameter(
            name="month",
            description="A calendar month in New York.",
            schema={"type": "string", "pattern": MONTH},
            required=True,
            example="2026-11",
        ),
        Parameter(
            name="account_id",
            description="The account's id.",
            schema={"type": "string", "format": "uuid"},
            required=True,
            example="01a20e32-4061-7c52-9d0f-2f6a0f4f3b11",
        ),
        Parameter(
            name="calendar",
            description="A trading calendar.",
            schema={"type": "string", "pattern": "^[A-Z0-9][A-Z0-9.]{0,11}$"},
            required=True,
            example="XNYS",
        ),
        Parameter(
            name="asset",
            description="A file of the explorer.",
            required=True,
            example="start.js",
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of a path. `answers` are the documents by status, `problems` what this one can refuse beside
    what every operation of its access and shape can."""

    handler: Handler
    summary: str
    tag: str
    answers: Mapping[int, Any]
    description: str = ""
    access: Access = Access.USER
    body: Any = None
    body_optional: bool = False
    examples: Mapping[str, Any] = field(default_factory=dict)
    query: Sequence[Parameter] = ()
    headers: Sequence[Parameter] = ()
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    problems: Problems = field(default_factory=dict)
    media_type: str = "application/json"
    asks_peers: bool = True
    deprecated: bool = False

    def all_problems(self, path: str) -> Problems:
        """By status, its own first, then the common ones."""
        parts = [codes.PLACES] if "{" in path else []
        if self.body is not None:
            parts.append(codes.BODY)
        if PAGE_TOKEN in self.query:
            parts.append(codes.PAGES)
        if self.access is Access.VISITOR:
            parts.append(codes.VISITOR)
        if self.access in KNOWN:
            parts.append(codes.USER)
        if self.access in PRIVILEGED:
            parts.append(codes.ADMIN)
        if self.asks_peers:
            parts.append(codes.PEER)
        return codes.together(self.problems, *parts, codes.EVERY)


class Resource:
    """A path and its methods. HEAD is answered like GET without the body, OPTIONS with what is allowed."""

    def __init__(self, path: str, **operations: Operation) -> None:
        self.path = path
        self.operations: Mapping[str, Operation] = operations
        names = [*operations, "OPTIONS", *(["HEAD"] if "GET" in operations else [])]
        self._allow: Header = (b"allow", ", ".join(sorted(names)).encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self.path
        method = scope["method"]
        operation = self.operations.get("GET" if method == "HEAD" else method)
        if operation is not None:
            response = await operation.handler(Request(scope, receive))
        elif method == "OPTIONS":
            response = Response(HTTPStatus.NO_CONTENT, headers=[self._allow])
        else:
            raise HttpError(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{method} is not possible here.",
                code="method_not_allowed",
                headers=[self._allow],
            )
        await response.send(send, head=method == "HEAD")
