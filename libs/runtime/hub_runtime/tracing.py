"""Spans that cost almost nothing unless the trace is sampled, which is decided at its root."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)
from opentelemetry.util.types import AttributeValue

MOST_LINKS = 64
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)
_ODD = tuple("13579bdfBDF")  # how the header of a sampled trace ends


class Tracing:
    """What a process set up; `close` sends what is left, within `timeout_s`."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider

    def close(self, timeout_s: float = 1.5) -> None:
        if self._provider is None:
            return
        # A collector that is gone must not keep the process: the exporter would try for half a minute.
        thread = threading.Thread(target=self._provider.shutdown, daemon=True)
        thread.start()
        thread.join(timeout_s)


def set_up_tracing(service: str, *, endpoint: str, ratio: float = 0.0, environment: str = "local") -> Tracing:
    """Spans are exported by OTLP over gRPC when there is an endpoint, and not even made without one."""
    if not endpoint:
        return Tracing(None)
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - slow

    resource = Resource.create({"service.name": service, "deployment.environment": environment})
    provider = TracerProvider(resource=resource, sampler=_Sampler(ratio), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=2)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    trace.set_tracer_provider(provider)
    return Tracing(provider)


def tracer() -> trace.Tracer:
    return trace.get_tracer("hub")


def current_traceparent() -> str:
    """The W3C header of the current span; empty outside of any."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags.sampled:02x}"


def parse_traceparent(traceparent: str) -> SpanContext | None:
    """None when it is not one."""
    parts = traceparent.split("-")
    if [len(part) for part in parts[:4]] != [2, 32, 16, 2] or parts[0] == "ff":
        return None
    try:
        trace_id, span_id, flags = int(parts[1], 16), int(parts[2], 16), int(parts[3], 16)
    except ValueError:
        return None
    context = SpanContext(
        trace_id, span_id, is_remote=True, trace_flags=_SAMPLED if flags & 1 else _UNSAMPLED
    )
    return context if context.is_valid else None


@contextmanager
def use_traceparent(traceparent: str) -> Iterator[None]:
    """What happens inside belongs to the trace the header names; without a good header nothing changes."""
    parent = parse_traceparent(traceparent)
    if parent is None:
        yield
        return
    token = otel_context.attach(trace.set_span_in_context(NonRecordingSpan(parent)))
    try:
        yield
    finally:
        otel_context.detach(token)


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[str] = (),
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Iterator[Span]:
    """A child of the current span when that is sampled. Else, when a linked trace is sampled, a trace of its
    own with links: the span of a batch. A server's span without a parent is a root and draws by the ratio.
    All others are nothing but a trace id for the logs."""
    parent = trace.get_current_span()
    context = parent.get_span_context()
    linked = _sampled(links)
    if context.is_valid and not context.trace_flags.sampled and not linked:
        yield parent
        return
    if context.is_valid and context.trace_flags.sampled:
        recorded = _recorded(name, kind, linked, attributes)
    elif linked or kind is SpanKind.SERVER:
        recorded = _recorded(name, kind, linked, attributes, root=True)
    else:
        recorded = _current(NonRecordingSpan(_new_context()))
    with recorded as made:
        yield made


def _sampled(links: Sequence[str]) -> list[Link]:
    found: list[Link] = []
    for traceparent in dict.fromkeys(links):
        context = parse_traceparent(traceparent) if traceparent[-1:] in _ODD else None
        if context is not None and context.trace_flags.sampled and len(found) < MOST_LINKS:
            found.append(Link(context))
    return found


def _new_context() -> SpanContext:
    trace_id, span_id = random.getrandbits(128) or 1, random.getrandbits(64) or 1
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_UNSAMPLED)


@contextmanager
def _current(current: Span) -> Iterator[Span]:
    token = otel_context.attach(trace.set_span_in_context(current))
    try:
        yield current
    finally:
        otel_context.detach(token)


@contextmanager
def _recorded(
    name: str,
    kind: SpanKind,
    links: Sequence[Link],
    attributes: Mapping[str, AttributeValue] | None,
    *,
    root: bool = False,
) -> Iterator[Span]:
    """Ends whatever happens; an error or a cancellation is its status, without the error's text."""
    context = Context() if root else None
    made = tracer().start_span(name, context=context, kind=kind, links=links, attributes=attributes)
    if not made.get_span_context().is_valid:  # nothing is exported here, but the logs want an id
        made = NonRecordingSpan(_new_context())
    with _current(made):
        try:
            yield made
        except BaseException as error:
            made.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            made.end()


class _Sampler(Sampler):
    """Follows the parent; without one a batch with links is recorded, the rest draws by the ratio."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,  # noqa: ARG002
        name: str,  # noqa: ARG002
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Mapping[str, AttributeValue] | None = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,  # noqa: ARG002
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            wanted = parent.trace_flags.sampled
        else:
            wanted = bool(links) or random.random() < self._ratio  # noqa: S311 - a sample, not a secret
        return SamplingResult(Decision.RECORD_AND_SAMPLE if wanted else Decision.DROP, attributes)

    def get_description(self) -> str:
        return f"hub({self._ratio})"
