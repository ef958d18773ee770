"""Spans: who is recorded, whose child it is, and that an error ends it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from hub_runtime import current_traceparent, parse_traceparent, span, use_traceparent
from hub_runtime.tracing import _Sampler

SAMPLED = f"00-{'a' * 32}-{'b' * 16}-01"
UNSAMPLED = f"00-{'c' * 32}-{'d' * 16}-00"


class Recorder:
    """What was recorded, with a ratio that the test sets."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.sampler = _Sampler(0.0)
        self.provider = TracerProvider(sampler=self.sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def names(self) -> list[str]:
        return [recorded.name for recorded in self.spans()]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """In place of a collector."""
    made = Recorder()
    monkeypatch.setattr("hub_runtime.tracing.tracer", lambda: made.provider.get_tracer("hub"))
    yield made
    made.provider.shutdown()


def test_a_child_of_a_sampled_trace_is_recorded_under_its_parent(recorder: Recorder) -> None:
    with use_traceparent(SAMPLED), span("book", attributes={"symbol": "AAPL"}):
        inside = current_traceparent()
    (book,) = recorder.spans()
    assert book.parent is not None
    assert f"{book.parent.span_id:016x}" == "b" * 16
    assert inside.startswith(f"00-{'a' * 32}-")
    assert inside.endswith("-01")
    assert dict(book.attributes or {}) == {"symbol": "AAPL"}


def test_an_unsampled_trace_is_not_recorded_and_keeps_its_id(recorder: Recorder) -> None:
    with use_traceparent(UNSAMPLED), span("book", kind=SpanKind.SERVER):
        assert current_traceparent() == UNSAMPLED
    assert recorder.spans() == []


def test_outside_of_any_trace_there_is_an_id_but_no_span(recorder: Recorder) -> None:
    recorder.sampler._ratio = 1.0
    assert current_traceparent() == ""
    with span("job"):
        made = current_traceparent()
        with span("inner"):
            assert current_traceparent() == made
    assert parse_traceparent(made) is not None
    assert made.endswith("-00")
    assert recorder.spans() == []


def test_a_servers_root_draws_by_the_ratio(recorder: Recorder) -> None:
    with span("GET /", kind=SpanKind.SERVER):
        assert current_traceparent().endswith("-00")
    recorder.sampler._ratio = 1.0
    with span("GET /api", kind=SpanKind.SERVER):
        assert current_traceparent().endswith("-01")
    assert recorder.names() == ["GET /api"]


def test_a_batch_is_recorded_when_one_of_its_items_is_sampled_and_links_to_those(recorder: Recorder) -> None:
    with span("batch", links=[UNSAMPLED, UNSAMPLED]):
        pass
    with span("batch", links=[UNSAMPLED, SAMPLED, SAMPLED, "", "nonsense"]):
        pass
    (batch,) = recorder.spans()
    assert batch.parent is None
    assert [f"{link.context.trace_id:032x}" for link in batch.links] == ["a" * 32]


def test_a_sampled_batch_inside_an_unsampled_trace_is_a_trace_of_its_own(recorder: Recorder) -> None:
    with use_traceparent(UNSAMPLED), span("batch", links=[SAMPLED]):
        assert "c" * 32 not in current_traceparent()
    assert recorder.names() == ["batch"]


def test_an_error_ends_the_span_with_its_kind_and_not_its_text(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="secret"), use_traceparent(SAMPLED), span("book"):
        raise ValueError("secret")
    (book,) = recorder.spans()
    assert (book.status.status_code, book.status.description) == (StatusCode.ERROR, "ValueError")
    assert not book.events


async def test_a_cancellation_ends_the_span(recorder: Recorder) -> None:
    async def job() -> None:
        with use_traceparent(SAMPLED), span("book"):
            await asyncio.Event().wait()

    task = asyncio.create_task(job())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    (book,) = recorder.spans()
    assert book.status.description == "CancelledError"


def test_afterwards_the_context_is_as_before(recorder: Recorder) -> None:
    with use_traceparent(SAMPLED):
        with span("book"):
            pass
        assert current_traceparent() == SAMPLED
    assert current_traceparent() == ""


def test_without_an_exporter_the_sampled_parent_is_passed_on() -> None:
    with use_traceparent(SAMPLED), span("book"):
        assert current_traceparent() == SAMPLED


@given(
    st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{2}(-x)?", fullmatch=True)
)
def test_a_header_is_understood_or_ignored(text: str) -> None:
    before = current_traceparent()
    with use_traceparent(text):
        inside: Any = current_traceparent()
        assert inside == before or inside.split("-")[1:3] == text.split("-")[1:3]
