"""What every call of a channel gets: a deadline, the trace, the user's token, the breaker, our errors.

One class per arity: grpc.aio registers an interceptor for one arity only.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from functools import cache
from typing import Any, NamedTuple

import grpc
from grpc import aio
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Counter, Histogram

from hub_errors import HubError, Timeout
from hub_rpc.breaker import Breaker
from hub_rpc.context import outgoing_token, remaining_s
from hub_rpc.status import decode
from hub_runtime.metrics import counter, histogram
from hub_runtime.tracing import current_traceparent, is_sampled, parent_context, span, tracer

SHAVE_S = 0.02  # so that the inner failure is the one that is reported
LONGEST_S = 3600.0  # a huge timeout overflows inside grpc

Continuation = Callable[[Any, Any], Awaitable[Any]]


class Outgoing:
    """The common part of a channel's interceptors."""

    def __init__(self, *, peer: str, breaker: Breaker, timeout_s: float) -> None:
        self.peer = peer
        self.breaker = breaker
        self.timeout_s = timeout_s

    def dress(self, details: aio.ClientCallDetails, default_s: float | None) -> aio.ClientCallDetails:
        metadata = aio.Metadata(*(details.metadata or ()))
        if traceparent := current_traceparent():
            metadata.add("traceparent", traceparent)
        if token := outgoing_token():
            metadata.add("authorization", f"Bearer {token}")
        timeout_s = _budget(details.timeout if details.timeout is not None else default_s)
        return aio.ClientCallDetails(
            details.method, timeout_s, metadata, details.credentials, details.wait_for_ready
        )

    def observe(self, method: str, code: grpc.StatusCode, seconds: float) -> None:
        metrics = _metrics(self.peer, method, code.name)
        metrics.handled.inc()
        metrics.seconds.observe(seconds)


def interceptors(outgoing: Outgoing) -> Sequence[aio.ClientInterceptor]:
    return [UnaryUnary(outgoing), UnaryStream(outgoing), StreamUnary(outgoing), StreamStream(outgoing)]


class UnaryUnary(aio.UnaryUnaryClientInterceptor):
    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    async def intercept_unary_unary(
        self, continuation: Continuation, client_call_details: aio.ClientCallDetails, request: Any
    ) -> Any:
        if is_sampled(current_traceparent()):
            attributes = {"rpc.system": "grpc", "peer.service": self._outgoing.peer}
            with span(method_name(client_call_details.method), kind=SpanKind.CLIENT, attributes=attributes):
                return await self._send(continuation, client_call_details, request)
        return await self._send(continuation, client_call_details, request)

    async def _send(self, continuation: Continuation, details: aio.ClientCallDetails, request: Any) -> Any:
        outgoing = self._outgoing
        dressed = outgoing.dress(details, outgoing.timeout_s)
        started, code = time.perf_counter(), grpc.StatusCode.CANCELLED

        async def send() -> Any:
            return await (await continuation(dressed, request))

        try:
            answer = await outgoing.breaker.call(send)
            code = grpc.StatusCode.OK
            return answer
        except aio.AioRpcError as error:
            code = error.code()
            raise decode(error) from error
        except HubError:
            code = grpc.StatusCode.UNAVAILABLE
            raise
        finally:
            outgoing.observe(method_name(details.method), code, time.perf_counter() - started)


class UnaryStream(aio.UnaryStreamClientInterceptor):
    """Streams live long and reconnect with a back-off of their own: no default deadline, no breaker."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    async def intercept_unary_stream(
        self, continuation: Continuation, client_call_details: aio.ClientCallDetails, request: Any
    ) -> AsyncIterator[Any]:
        return await _stream(self._outgoing, continuation, client_call_details, request)


class StreamStream(aio.StreamStreamClientInterceptor):
    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    async def intercept_stream_stream(
        self, continuation: Continuation, client_call_details: aio.ClientCallDetails, request_iterator: Any
    ) -> AsyncIterator[Any]:
        return await _stream(self._outgoing, continuation, client_call_details, request_iterator)


class StreamUnary(aio.StreamUnaryClientInterceptor):
    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    async def intercept_stream_unary(
        self, continuation: Continuation, client_call_details: aio.ClientCallDetails, request_iterator: Any
    ) -> Any:
        outgoing = self._outgoing
        dressed = outgoing.dress(client_call_details, outgoing.timeout_s)
        return _Answer(await continuation(dressed, request_iterator))


class _Answer:
    """The call itself, because its requests are written through it; only its error is ours."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            return (yield from self._call.__await__())
        except aio.AioRpcError as error:
            raise decode(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


async def _stream(
    outgoing: Outgoing, continuation: Continuation, details: aio.ClientCallDetails, request: Any
) -> AsyncIterator[Any]:
    watched = _WatchedStream(outgoing.peer, method_name(details.method))
    call = await continuation(outgoing.dress(details, None), request)
    call.add_done_callback(watched.call_done)
    return watched.messages(call)


class _WatchedStream:
    """Counts and traces one stream to its end, however it ends: read out, broken, left or never read."""

    def __init__(self, peer: str, method: str) -> None:
        self._peer = peer
        self._method = method
        self._read = self._ended = False
        here = current_traceparent()
        self._span = (
            tracer().start_span(method, context=parent_context(here), kind=SpanKind.CLIENT)
            if is_sampled(here)
            else None
        )

    async def messages(self, call: Any) -> AsyncIterator[Any]:
        self._read = True
        code = grpc.StatusCode.CANCELLED
        try:
            async for message in call:
                yield message
            code = grpc.StatusCode.OK
        except aio.AioRpcError as error:
            code = error.code()
            raise decode(error) from error
        finally:
            call.cancel()
            self._end(code)

    def call_done(self, call: Any) -> None:
        """Whoever reads on will learn how it ended; this is for who does not."""
        if call.cancelled() or not self._read:
            self._end(grpc.StatusCode.CANCELLED)

    def _end(self, code: grpc.StatusCode) -> None:
        if self._ended:
            return
        self._ended = True
        counter("hub_rpc_client_streams_total", "Streams that ended", ("peer", "method", "code")).labels(
            self._peer, self._method, code.name
        ).inc()
        if self._span is not None:
            if code != grpc.StatusCode.OK:
                self._span.set_status(Status(StatusCode.ERROR, code.name))
            self._span.end()


def _budget(timeout_s: float | None) -> float | None:
    """The call's own timeout, or what is left of the deadline of whoever waits for us, less a little."""
    left_s = remaining_s()
    if left_s is not None:
        timeout_s = left_s - SHAVE_S if timeout_s is None else min(timeout_s, left_s - SHAVE_S)
    if timeout_s is None:
        return None
    if timeout_s <= 0:
        raise Timeout("No answer in time.", code="deadline_exceeded")
    return min(timeout_s, LONGEST_S)


@cache
def method_name(path: str | bytes) -> str:
    """hub.order.v1.OrderService/GetOrder. There are as many as the protos have."""
    return (path.decode() if isinstance(path, bytes) else path).lstrip("/")


class _Metrics(NamedTuple):
    handled: Counter
    seconds: Histogram


@cache
def _metrics(peer: str, method: str, code: str) -> _Metrics:
    labels = ("peer", "method", "code")
    return _Metrics(
        counter("hub_rpc_client_handled_total", "Calls made", labels).labels(peer, method, code),
        histogram("hub_rpc_client_handling_seconds", "Time of calls", labels[:2]).labels(peer, method),
    )
