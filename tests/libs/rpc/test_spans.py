"""Spans of calls: a pair per sampled call, ended whatever happens, and none for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from hub_errors import HubError, NotFound
from hub_runtime import current_traceparent, use_traceparent
from tests.libs.rpc.echo import Echo, talking
from tests.support.jobs import eventually
from tests.support.tls import Tls

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED, UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331-00"


class Recorder:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    async def wait_for(self, kind: SpanKind) -> ReadableSpan:
        await eventually(lambda: any(each.kind is kind for each in self.spans()))
        return next(each for each in self.spans() if each.kind is kind)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    made = Recorder()
    monkeypatch.setattr(trace, "get_tracer", made.provider.get_tracer)  # a provider can be set only once
    yield made
    made.provider.shutdown()


async def tell_trace(_: bytes) -> bytes:
    return current_traceparent().encode()


async def test_an_unsampled_call_has_no_span_but_the_trace_at_both_ends(tls: Tls, recorder: Recorder) -> None:
    async with talking(tls, Echo(tell_trace)) as client:
        with use_traceparent(UNSAMPLED):
            assert (await client.one(b"")).decode() == UNSAMPLED
            assert (await anext(aiter(client.out(b"")))).decode() == UNSAMPLED
    assert recorder.spans() == []


async def test_a_sampled_call_has_a_span_at_each_end_in_one_trace(tls: Tls, recorder: Recorder) -> None:
    async with talking(tls, Echo(tell_trace)) as client:
        with use_traceparent(SAMPLED):
            inside = (await client.one(b"")).decode()
    server, client_span = await recorder.wait_for(SpanKind.SERVER), await recorder.wait_for(SpanKind.CLIENT)
    assert inside.split("-")[1] == TRACE
    assert server.name == client_span.name == "test.Echo/One"
    assert server.context.trace_id == client_span.context.trace_id == int(TRACE, 16)
    assert server.parent is not None
    assert server.parent.span_id == client_span.context.span_id
    assert inside.split("-")[2] == f"{server.context.span_id:016x}"
    assert len(recorder.spans()) == 2


@pytest.mark.parametrize("error", [NotFound("No.", code="no"), ValueError("secret")])
async def test_an_error_marks_both_spans_without_its_text(
    tls: Tls, recorder: Recorder, error: Exception
) -> None:
    async def fail(_: bytes) -> bytes:
        raise error

    async with talking(tls, Echo(fail)) as client:
        with use_traceparent(SAMPLED), pytest.raises(HubError):
            await client.one(b"")
        for kind in (SpanKind.SERVER, SpanKind.CLIENT):
            span = await recorder.wait_for(kind)
            assert span.status.status_code is StatusCode.ERROR
            assert "secret" not in span.to_json()


async def test_a_cancelled_call_ends_its_spans_with_an_error(tls: Tls, recorder: Recorder) -> None:
    arrived = asyncio.Event()

    async def hang(_: bytes) -> bytes:
        arrived.set()
        await asyncio.Event().wait()
        return b""

    async with talking(tls, Echo(hang)) as client:
        with use_traceparent(SAMPLED):
            call = asyncio.ensure_future(client.one(b""))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        for kind in (SpanKind.SERVER, SpanKind.CLIENT):
            assert (await recorder.wait_for(kind)).status.status_code is StatusCode.ERROR


async def test_a_stream_that_is_left_or_never_read_ends_its_span(tls: Tls, recorder: Recorder) -> None:
    async with talking(tls, Echo()) as client:
        with use_traceparent(SAMPLED):
            never_read, left = client.out(b""), client.out(b"")
        async for _ in left:
            break
        left.cancel()
        await client.channel.channel_ready()
        never_read.cancel()
        await eventually(lambda: [span.kind for span in recorder.spans()].count(SpanKind.CLIENT) == 2)


async def test_a_stream_that_is_read_out_has_a_good_span(tls: Tls, recorder: Recorder) -> None:
    async with talking(tls, Echo()) as client:
        with use_traceparent(SAMPLED):
            assert len([message async for message in client.out(b"")]) == 3
    assert (await recorder.wait_for(SpanKind.CLIENT)).status.status_code is StatusCode.UNSET
    assert (await recorder.wait_for(SpanKind.SERVER)).status.status_code is StatusCode.UNSET
