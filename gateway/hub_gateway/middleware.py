"""The layers around every route, pure ASGI: trace, metrics and headers outside; limits and errors inside."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from http import HTTPStatus
from time import perf_counter
from typing import Final
from uuid import uuid4

from opentelemetry.trace import Span, SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub_errors import HubError
from hub_gateway import problems
from hub_gateway.exchange import BODY_LIMIT, ROUTE, STARTED, TIME_LIMIT, TRACE_ID, Response, too_large
from hub_gateway.problems import Header, HttpError
from hub_runtime.log import get_logger
from hub_runtime.metrics import counted, counter, histogram, observed
from hub_runtime.tracing import current_trace_id, span

log = get_logger("http")

SECURITY_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"cache-control", b"no-store"),
)
_SECURED: Final = frozenset(name for name, _ in SECURITY_HEADERS)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Edge:
    """The outermost layer: the trace begins here, and every answer carries the ids and the security headers
    (its own where it brings one).

    A trace of the caller's is not continued: whether a request is sampled is decided here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests = counter(
            "hub_gateway_http_requests_total", "HTTP requests answered.", ("route", "method", "status")
        )
        self._seconds = histogram(
            "hub_gateway_http_request_seconds", "Time to answer an HTTP request.", ("route", "method")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        started = perf_counter()
        with span(scope["method"], kind=SpanKind.SERVER) as root:
            trace_id = current_trace_id()
            scope[TRACE_ID] = trace_id
            request_id: Header = (b"x-request-id", _request_id(scope, trace_id))

            async def observed(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = scope[STARTED] = message["status"]
                    message["headers"] = [*_secured(message["headers"]), request_id]
                await send(message)

            try:
                await self._app(scope, receive, observed)
            finally:
                self._record(scope, root, status=status, seconds=perf_counter() - started)

    def _record(self, scope: Scope, root: Span, *, status: int, seconds: float) -> None:
        route = scope.get(ROUTE, "unknown")
        method = scope["method"] if scope["method"] in METHODS else "other"
        counted(self._requests, route, method, str(status)).inc()
        observed(self._seconds, route, method).observe(seconds)
        if root.is_recording():
            root.update_name(f"{method} {route}")
            root.set_attribute("http.response.status_code", status)


def _secured(headers: Sequence[Header]) -> Sequence[Header]:
    own = {name for name, _ in headers}
    if _SECURED.isdisjoint(own):
        return [*headers, *SECURITY_HEADERS]
    return [*headers, *(each for each in SECURITY_HEADERS if each[0] not in own)]


def _request_id(scope: Scope, trace_id: str) -> bytes:
    """The caller's own id where it is a sane one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return trace_id.encode()


class Guard:
    """Nothing is larger or takes longer than allowed, and every failure becomes a problem document."""

    def __init__(self, app: ASGIApp, *, time_limit_s: float) -> None:
        self._app = app
        self._time_limit_s = time_limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _refuse_declared_size(scope)
            async with asyncio.timeout(self._time_limit_s) as scope[TIME_LIMIT]:
                await self._app(scope, receive, send)
        except HubError as error:
            await _answer(scope, send, error)
        except TimeoutError:
            late = HttpError(
                HTTPStatus.GATEWAY_TIMEOUT, "The answer took too long.", code="deadline_exceeded"
            )
            await _answer(scope, send, late)
        except Exception as error:
            error_id = uuid4().hex[:12]
            log.error("request_failed", error_id=error_id, route=scope.get(ROUTE), exc_info=error)
            await _answer(scope, send, problems.unknown(error_id))


def _refuse_declared_size(scope: Scope) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length" and (len(value) > 9 or int(value) > BODY_LIMIT):
            raise too_large()


async def _answer(scope: Scope, send: Send, error: HubError) -> None:
    if STARTED in scope:
        return
    body = problems.problem(error, trace_id=scope.get(TRACE_ID, ""))
    response = Response(problems.status_of(error), body, problems.headers(error))
    await response.send(send, head=scope["method"] == "HEAD")
