"""Spans that cost almost nothing unless the trace is sampled, which is decided at its root."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    NoOpTracer,
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
_ODD = frozenset("13579bdfBDF")  # how the header of a sampled trace ends
_OURS: Final = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]")
# The header of what goes on, and no more: a context of the SDK costs more than most of what it is for.
_here: ContextVar[str] = ContextVar("hub_traceparent", default="")
_tracer: trace.Tracer | None = None


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
    global _tracer  # noqa: PLW0603 - as the SDK's own provider is
    if not endpoint:
        _tracer = NoOpTracer()
        return Tracing(None)
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - slow

    resource = Resource.create({"service.name": service, "deployment.environment": environment})
    provider = TracerProvider(resource=resource, sampler=_Sampler(ratio), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=2)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    trace.set_tracer_provider(provider)
    _tracer = provider.get_tracer("hub")
    return Tracing(provider)


def tracer() -> trace.Tracer:
    return _tracer or trace.get_tracer("hub")


def current_traceparent() -> str:
    """The W3C header of the current span; empty outside of any."""
    return _here.get()


def current_trace_id() -> str:
    """32 hexadecimal digits; empty outside of any span."""
    return _here.get()[3:35]


def is_sampled(traceparent: str) -> bool:
    """Whether a header of ours, or none, is one of a trace that is recorded."""
    return traceparent[-1:] in _ODD


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


def use_traceparent(traceparent: str) -> AbstractContextManager[object]:
    """What happens inside belongs to the trace the header names; without a good header nothing changes."""
    if not _OURS.fullmatch(traceparent):
        parent = parse_traceparent(traceparent)
        if parent is None:
            return _NOTHING
        traceparent = _header(parent)
    return _Unrecorded(traceparent)


def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[str] = (),
    attributes: Mapping[str, AttributeValue] | None = None,
) -> AbstractContextManager[Span]:
    """A child of the current span when that is sampled. Else, when a linked trace is sampled, a trace of its
    own with links: the span of a batch. A server's span without a parent is a root and draws by the ratio.
    All others are nothing but a trace id for the logs."""
    here = _here.get()
    linked = _sampled(links) if links else ()
    if here and is_sampled(here):
        return _Recorded(name, kind, linked, attributes, parent=here)
    if linked or (not here and kind is SpanKind.SERVER and _draws()):
        return _Recorded(name, kind, linked, attributes)
    return _NOTHING if here else _Unrecorded(_new_header())


def _sampled(links: Sequence[str]) -> list[Link]:
    found: list[Link] = []
    for traceparent in dict.fromkeys(links):
        context = parse_traceparent(traceparent) if is_sampled(traceparent) else None
        if context is not None and context.trace_flags.sampled and len(found) < MOST_LINKS:
            found.append(Link(context))
    return found


def _draws() -> bool:
    """Whether a root is recorded. Asked beforehand: a span that is dropped costs nearly a whole one."""
    made = tracer()
    sampler = getattr(made, "sampler", None)
    return sampler.draw() if isinstance(sampler, _Sampler) else not isinstance(made, NoOpTracer)


def _header(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags.sampled:02x}"


def _new_header() -> str:
    return f"00-{random.getrandbits(128) or 1:032x}-{random.getrandbits(64) or 1:016x}-00"


class _Nothing(AbstractContextManager[Span]):
    """Changes nothing, so that one serves all."""

    def __enter__(self) -> Span:
        return INVALID_SPAN

    def __exit__(self, *exc: object) -> None:
        return


_NOTHING: Final = _Nothing()


class _Unrecorded(AbstractContextManager[Span]):
    """Nothing but the current header."""

    __slots__ = ("_before", "_traceparent")

    def __init__(self, traceparent: str) -> None:
        self._traceparent = traceparent

    def __enter__(self) -> Span:
        self._before = _here.set(self._traceparent)
        return INVALID_SPAN

    def __exit__(self, *exc: object) -> None:
        _here.reset(self._before)


class _Recorded(AbstractContextManager[Span]):
    """Ends whatever happens; an error or a cancellation is its status, without the error's text."""

    def __init__(
        self,
        name: str,
        kind: SpanKind,
        links: Sequence[Link],
        attributes: Mapping[str, AttributeValue] | None,
        *,
        parent: str = "",
    ) -> None:
        self._span = tracer().start_span(
            name, context=parent_context(parent), kind=kind, links=links, attributes=attributes
        )

    def __enter__(self) -> Span:
        context = self._span.get_span_context()
        # Where nothing is exported the logs want an id all the same.
        self._before = _here.set(_header(context) if context.is_valid else _new_header())
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is not None:
            self._span.set_status(Status(StatusCode.ERROR, kind.__name__))
        self._span.end()
        _here.reset(self._before)


def parent_context(traceparent: str) -> Context:
    """What the SDK takes for the parent of a span; an empty header stands for none."""
    parent = parse_traceparent(traceparent) if traceparent else None
    return Context() if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), Context())


class _Sampler(Sampler):
    """Follows the parent; of what has none only that is started which is to be recorded."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio

    def draw(self) -> bool:
        return random.random() < self._ratio  # noqa: S311 - a sample, not a secret

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,  # noqa: ARG002
        name: str,  # noqa: ARG002
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Mapping[str, AttributeValue] | None = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002
        trace_state: TraceState | None = None,  # noqa: ARG002
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        wanted = parent.trace_flags.sampled if parent.is_valid else True
        return SamplingResult(Decision.RECORD_AND_SAMPLE if wanted else Decision.DROP, attributes)

    def get_description(self) -> str:
        return f"hub({self._ratio})"
