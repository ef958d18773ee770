"""Where frames come from: quotes of the quote cache, and events of the fan-out exchanges."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from opentelemetry.trace import SpanKind

from hub.event.v1 import event_pb2
from hub_market_client import QuoteCache
from hub_quote_stream import mapping
from hub_quote_stream.frames import Frames
from hub_quote_stream.patch import frame
from hub_runtime.tracing import span, use_traceparent


async def publish_quotes(cache: QuoteCache, frames: Frames) -> None:
    """For ever."""
    async for quote in cache.updates():
        frames.publish(frame(quote))


def account_updates(frames: Frames) -> Callable[[Sequence[event_pb2.Envelope]], Awaitable[None]]:
    """The handler of the fan-out exchanges."""

    async def handle(envelopes: Sequence[event_pb2.Envelope]) -> None:
        for envelope in envelopes:
            if not frames.wanted(envelope.account_id):
                continue  # no socket of that account is open anywhere
            with use_traceparent(envelope.traceparent), span("quote_stream.update", kind=SpanKind.CONSUMER):
                for update in mapping.updates(envelope):
                    frames.update(update)

    return handle
