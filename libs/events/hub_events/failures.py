"""What to do with an event whose handling failed: wait, try later, or put it aside with the reason."""

from __future__ import annotations

from enum import Enum
from typing import Final

from hub.event.v1 import event_pb2
from hub_errors import Exhausted, HubError, Invalid, Timeout, Unavailable
from hub_events.amqp import Link
from hub_events.envelope import pack
from hub_events.labels import Label, label_of
from hub_events.topology import Family
from hub_runtime import counter, get_logger, utc_now, uuid7

REASON_LIMIT: Final = 500

log = get_logger("consumer")


class Poison(Exception):  # noqa: N818 - what it is called
    """Raised by a handler: this event can never be handled. The text is the reason."""


class UnknownEvent(Exception):  # noqa: N818 - what it is called
    """Raised by a handler: this event comes from a newer release; it waits, however long, for ours."""


class Verdict(Enum):
    WAIT = "wait"
    LATER = "later"
    NEWER = "newer"
    NEVER = "never"


def verdict(error: Exception) -> Verdict:
    """A dependency that is down is waited for; time may mend what is not understood; poison stays poison."""
    if isinstance(error, Unavailable | Timeout | Exhausted | OSError | TimeoutError):
        return Verdict.WAIT
    if isinstance(error, UnknownEvent):
        return Verdict.NEWER
    if isinstance(error, Poison | Invalid):
        return Verdict.NEVER
    return Verdict.LATER


def reason_of(error: Exception) -> str:
    text = (
        f"{error.code}: {error.message}"
        if isinstance(error, HubError)
        else f"{type(error).__name__}: {error}"
    )
    return text[:REASON_LIMIT]


async def put_aside(
    link: Link, family: Family, queue: str, event: event_pb2.Envelope, error: Exception
) -> None:
    """Confirmed by the broker before it returns, so that the event can be acknowledged where it came from."""
    decided, reason = verdict(error), reason_of(error)
    event.failure = reason
    if decided is Verdict.NEWER:
        await _retry(link, family, queue, event, len(family.retries) - 1)
        counter("hub_events_unknown_total", "Events of a newer release", ("queue",)).labels(queue).inc()
        log.error("event_unknown", type=event.type, event_id=event.event_id, reason=reason)
    elif decided is Verdict.NEVER or event.attempt >= len(family.retries):
        await bury(link, family, queue, event, reason)
        log.error("event_dead", type=event.type, event_id=event.event_id, reason=reason, exc_info=error)
    else:
        step = event.attempt
        event.attempt += 1
        await _retry(link, family, queue, event, step)
        log.warning("event_retried", type=event.type, event_id=event.event_id, reason=reason, exc_info=error)


async def bury(link: Link, family: Family, queue: str, event: event_pb2.Envelope, reason: str) -> None:
    """One event, alone."""
    label = label_of(event, at=utc_now(), reason=reason, queue=queue)
    await _bury(link, family, pack([event.SerializeToString()]), label)


async def bury_unread(link: Link, family: Family, queue: str, body: bytes, reason: str) -> None:
    """A message as it is."""
    label = Label(str(uuid7()), {"reason": reason, "queue": queue}, utc_now())
    await _bury(link, family, body, label)


async def _bury(link: Link, family: Family, body: bytes, label: Label) -> None:
    await link.publish("", family.dlq, body, label=label)
    counter("hub_events_dead_lettered_total", "Events put aside for good", ("queue",)).labels(
        label.headers["queue"]
    ).inc()


async def _retry(link: Link, family: Family, queue: str, event: event_pb2.Envelope, step: int) -> None:
    exchange = family.retries[step]
    await link.publish(exchange, queue, pack([event.SerializeToString()]), label=label_of(event))
    counter("hub_events_retried_total", "Events sent through a retry step", ("step",)).labels(exchange).inc()
