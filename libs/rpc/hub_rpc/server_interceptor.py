"""What every served call gets: who calls and whether it may, a deadline, a trace, metrics, and our errors.

A handler raises hub_errors; anything else becomes INTERNAL with an id that the log has, and no text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, aclosing
from functools import cache
from inspect import isasyncgenfunction
from types import TracebackType
from typing import Any, NamedTuple

import grpc
from grpc import aio
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Histogram

from hub_errors import Denied, HubError, Timeout, Unavailable
from hub_rpc.call_table import CallTable, may_call
from hub_rpc.context import serve_as
from hub_rpc.status import DETAILS_KEY, encode, status_of
from hub_runtime.ids import uuid7
from hub_runtime.log import get_logger
from hub_runtime.metrics import counter, histogram
from hub_runtime.tracing import is_sampled, span, use_traceparent

LEAST_S = 0.05  # less time than this is not worth starting with
_NO_DEADLINE_S = 10 * 365 * 86_400.0

log = get_logger("rpc")

Behaviour = Callable[[Any, Any], Any]
Context = aio.ServicerContext[Any, Any]


class ServerInterceptor(aio.ServerInterceptor):
    """`stop_streams` ends the streams, which would not end by themselves: their readers go elsewhere."""

    def __init__(self, table: CallTable) -> None:
        self._table = table
        self._handlers: dict[str, Any] = {}
        self._streams: set[asyncio.Task[Any]] = set()
        self._stopping = asyncio.Event()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        path = handler_call_details.method
        handler = self._handlers.get(path)
        if handler is None:
            plain = await continuation(handler_call_details)
            if plain is None:
                return None  # nobody serves it: UNIMPLEMENTED
            handler = self._handlers[path] = self._wrap(plain, path)
        return handler

    def stop_streams(self) -> None:
        self._stopping.set()
        for task in self._streams:
            task.cancel()

    def _wrap(self, plain: Any, path: str) -> Any:
        behaviour: Behaviour = (
            plain.unary_unary or plain.unary_stream or plain.stream_unary or plain.stream_stream
        )
        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[plain.request_streaming, plain.response_streaming]
        served = _Method(path, may_call(self._table, path))
        wrap = self._streamed if plain.response_streaming else _single
        return make(
            wrap(served, behaviour),
            request_deserializer=plain.request_deserializer,
            response_serializer=plain.response_serializer,
        )

    def _streamed(self, served: _Method, behaviour: Behaviour) -> Behaviour:
        """Writes what the handler yields, so that what it opened is closed in the task of the call."""

        async def handle(request: Any, context: Context) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - grpc.aio always runs handlers in tasks
            self._streams.add(task)
            try:
                async with _Serving(served, context):
                    if self._stopping.is_set():  # it was under way when the others were ended
                        raise _stopping()
                    try:
                        await _pump(behaviour, request, context)
                    except asyncio.CancelledError:
                        if not self._stopping.is_set() or context.cancelled():
                            raise
                        raise _stopping() from None
            finally:
                self._streams.discard(task)

        return handle


def _single(served: _Method, behaviour: Behaviour) -> Behaviour:
    async def handle(request: Any, context: Context) -> Any:
        async with _Serving(served, context):
            return await behaviour(request, context)

    return handle


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping.", code="stopping")


async def _pump(behaviour: Behaviour, request: Any, context: Context) -> None:
    if not isasyncgenfunction(behaviour):
        await behaviour(request, context)
        return
    async with aclosing(behaviour(request, context)) as messages:
        async for message in messages:
            await context.write(message)


class _Method:
    """What is known of a method before any call of it."""

    def __init__(self, path: str, callers: frozenset[str] | None) -> None:
        self.name = path.lstrip("/")
        self.callers = callers
        self._service, _, self._method = self.name.partition("/")

    def observe(self, code: grpc.StatusCode, seconds: float) -> None:
        metrics = _metrics(self._service, self._method, code.name)
        metrics.handled.inc()
        metrics.seconds.observe(seconds)


class _Serving:
    """One call being served."""

    def __init__(self, method: _Method, context: Context) -> None:
        self._method = method
        self._context = context
        self._trace = ExitStack()
        self._started = time.perf_counter()

    async def __aenter__(self) -> None:
        token = traceparent = ""
        for key, value in self._context.invocation_metadata() or ():
            if key == "authorization" and isinstance(value, str) and value[:7].lower() == "bearer ":
                token = value[7:]
            elif key == "traceparent" and isinstance(value, str):
                traceparent = value
        if traceparent:
            self._trace.enter_context(use_traceparent(traceparent))
        try:
            self._admit(token)
        except HubError as error:
            await self.__aexit__(type(error), error, None)
        if is_sampled(traceparent):
            self._trace.enter_context(self._span())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        code = grpc.StatusCode.OK
        try:
            if isinstance(error, aio.AbortError):
                code = grpc.StatusCode.UNKNOWN  # the handler chose a status of its own
            elif isinstance(error, Exception):
                known = self._known(error)
                code = status_of(known)
                await self._abort(known)
            elif error is not None:
                code = grpc.StatusCode.CANCELLED
        finally:
            self._method.observe(code, time.perf_counter() - self._started)
            self._trace.__exit__(kind, error, None)

    def _admit(self, token: str) -> None:
        names = list(self._context.auth_context().get("x509_common_name", ()))
        peer = names[0].decode() if names else ""
        callers = self._method.callers
        if callers is not None and peer not in callers:
            log.warning("caller_refused", method=self._method.name, caller=peer)
            raise Denied("The caller may not use this method.", code="caller_not_allowed")
        timeout_s: float | None = self._context.time_remaining()
        if timeout_s is not None and timeout_s > _NO_DEADLINE_S:
            timeout_s = None
        if timeout_s is not None and timeout_s < LEAST_S:
            raise Timeout("Too little time is left.", code="deadline_exceeded")
        serve_as(peer=peer, token=token, timeout_s=timeout_s)

    def _span(self) -> AbstractContextManager[Any]:
        return span(self._method.name, kind=SpanKind.SERVER, attributes={"rpc.system": "grpc"})

    def _known(self, error: Exception) -> HubError:
        if isinstance(error, HubError):
            return error
        if isinstance(error, TimeoutError):
            log.warning("handler_timed_out", method=self._method.name, exc_info=error)
            return Timeout("No answer in time.", code="deadline_exceeded")
        error_id = str(uuid7())
        counter("hub_rpc_server_unknown_errors_total", "Errors nobody foresaw", ("method",)).labels(
            self._method.name
        ).inc()
        log.error("handler_failed", method=self._method.name, error_id=error_id, exc_info=error)
        return HubError(f"Something went wrong on our side. Its id is {error_id}.", code="internal")

    async def _abort(self, error: HubError) -> None:
        status = encode(error)
        await self._context.abort(
            status_of(error), status.message, ((DETAILS_KEY, status.SerializeToString()),)
        )


class _Metrics(NamedTuple):
    handled: Counter
    seconds: Histogram


@cache
def _metrics(service: str, method: str, code: str) -> _Metrics:
    labels = ("service", "method", "code")
    return _Metrics(
        counter("hub_rpc_server_handled_total", "Calls served", labels).labels(service, method, code),
        histogram("hub_rpc_server_handling_seconds", "Time of served calls", labels[:2]).labels(
            service, method
        ),
    )
