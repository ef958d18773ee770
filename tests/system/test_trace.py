"""One order's trace goes through HTTP, gRPC and RabbitMQ."""

from __future__ import annotations

from hub_local.stack import Stack
from tests.system.traces import Span, Traces
from tests.system.user import NewUser


def of_trace(spans: list[Span], trace_id: str) -> dict[str, Span]:
    return {f"{span.service}/{span.name}": span for span in spans if span.trace_id == trace_id}


async def test_a_sampled_order_has_its_spans_with_parents_and_links(
    stack: Stack, new_user: NewUser, traces: Traces
) -> None:
    user = await new_user()
    order = await user.buy("AAPL", "1")
    await user.final(order["order_id"])
    await user.position("AAPL", "1")
    expected = {"gateway/POST /api/v1/orders", "order/order.submit", "order/order.execute"}
    expected |= {"position/position.book", "quote-stream/quote_stream.update"}

    def complete(spans: list[Span]) -> bool:
        return any(expected <= set(of_trace(spans, span.trace_id)) for span in spans)

    spans = await traces.wait_for(complete)
    trace_id = next(s.trace_id for s in spans if expected <= set(of_trace(spans, s.trace_id)))
    trace = of_trace(spans, trace_id)
    root = trace["gateway/POST /api/v1/orders"]
    assert root.parent_id == ""
    ids = {span.span_id for span in spans if span.trace_id == trace_id}
    for name in expected - {"gateway/POST /api/v1/orders"}:
        assert trace[name].parent_id in ids, name
    batches = [span for span in spans if trace_id in span.links]
    assert {"gateway", "order"} <= {span.service for span in batches}
