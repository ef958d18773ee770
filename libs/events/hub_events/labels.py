"""What stands on a message of the broker, so that a tool or a person need not open it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.event.v1 import event_pb2


@dataclass(frozen=True, slots=True)
class Label:
    """`message_id` is the id of the first event; `at` is when it was put aside, on dead letters only."""

    message_id: str | None = None
    headers: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None


def label_of_many(event_id: str, count: int) -> Label:
    """Trace and attempt are in the envelopes: a message of many events has none of its own."""
    return Label(event_id, {"events": count})


def label_of(event: event_pb2.Envelope, *, at: datetime | None = None, **more: str) -> Label:
    """Of a message with one event."""
    headers: dict[str, Any] = {"events": 1, **more}
    if event.traceparent:
        headers["traceparent"] = event.traceparent
    if event.attempt:
        headers["attempt"] = event.attempt
    return Label(event.event_id, headers, at)


def label(events: Sequence[event_pb2.Envelope]) -> Label:
    """Of a message with these events, one at least."""
    return label_of(events[0]) if len(events) == 1 else label_of_many(events[0].event_id, len(events))
