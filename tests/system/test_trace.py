"""One order's trace goes through HTTP, gRPC and RabbitMQ."""

from __future__ import annotations

import json
from typing import Any

from hub_local.stack import Stack
from tests.system.test_stream import dial, hear, subscribe
from tests.system.traces import Span, Traces
from tests.system.user import NewUser


def by_trace(spans: list[Span]) -> dict[str, dict[str, Span]]:
    """Each trace's spans by service and name. One pass: other tests may have left tens of thousands."""
    found: dict[str, dict[str, Span]] = {}
    for span in spans:
        found.setdefault(span.trace_id, {})[f"{span.service}/{span.name}"] = span
    return found


async def test_a_sampled_order_has_its_spans_with_parents_and_links(
    stack: Stack, new_user: NewUser, traces: Traces
) -> None:
    user = await new_user()
    async with dial(stack, user) as screen:  # quote-stream makes something of an order where somebody looks
        await subscribe(screen, orders=True)
        await hear(screen, lambda message: message["type"] == "orders_snapshot")
        order = await user.buy("AAPL", "1")
        await user.final(order["order_id"])
        await hear(screen, lambda message: message["type"] == "position_update")
    expected = {"gateway/POST /api/v1/orders", "order/order.submit", "order/order.execute"}
    expected |= {"position/position.book", "quote-stream/quote_stream.update"}

    def complete(spans: list[Span]) -> bool:
        return any(expected <= trace.keys() for trace in by_trace(spans).values())

    spans = await traces.wait_for(complete)
    trace_id, trace = next(
        (trace_id, trace) for trace_id, trace in by_trace(spans).items() if expected <= trace.keys()
    )
    root = trace["gateway/POST /api/v1/orders"]
    assert root.parent_id == ""
    ids = {span.span_id for span in spans if span.trace_id == trace_id}
    for name in expected - {"gateway/POST /api/v1/orders"}:
        assert trace[name].parent_id in ids, name
    batches = [span for span in spans if trace_id in span.links]
    assert {"gateway", "order"} <= {span.service for span in batches}


def log_lines(stack: Stack, service: str, order_id: str) -> list[dict[str, Any]]:
    lines = stack.layout.log(service).read_text().splitlines()
    return [json.loads(line) for line in lines if order_id in line]


async def test_the_logs_of_every_service_know_an_order_by_one_trace_id(
    stack: Stack, new_user: NewUser
) -> None:
    user = await new_user()
    order = await user.buy("MSFT", "1")
    await user.position("MSFT", "1")
    traces = {}
    for service in ("gateway", "order", "position"):
        traces[service] = {line["trace_id"] for line in log_lines(stack, service, order["order_id"])}
    assert len(traces["gateway"]) == 1
    assert traces["gateway"] == traces["order"] == traces["position"]
