"""Consumes queues in batches: what has arrived meanwhile is handled together and acknowledged afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aio_pika.abc import AbstractIncomingMessage
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from hub.event.v1 import event_pb2
from hub_events.amqp import Amqp, Link
from hub_events.envelope import unpack
from hub_events.failures import UnknownEvent, Verdict, bury_unread, put_aside, reason_of, verdict
from hub_events.topology import Family
from hub_runtime import SIZE_BUCKETS, Backoff, counter, crash_point, gauge, get_logger, histogram

MOST_EVENTS = 512
CONSUME_TIMEOUT_S = 5.0
LAG_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)

Handle = Callable[[Sequence[event_pb2.Envelope]], Awaitable[None]]
"""Handles a batch as a whole, or raises and has changed nothing. It may get an event more than once."""

log = get_logger("consumer")


@dataclass(frozen=True)
class Delivery:
    queue: str
    message: AbstractIncomingMessage


@dataclass(frozen=True)
class Arrived:
    queue: str
    event: event_pb2.Envelope


def _tag(delivery: Delivery) -> int:
    return delivery.message.delivery_tag or 0


class LinkLostError(ConnectionError):
    """What was delivered and not acknowledged will be delivered again."""


async def consume(
    amqp: Amqp,
    queues: Sequence[str],
    handle: Handle,
    *,
    prefetch: int = 64,
    linger_s: float = 0.01,
    family: str = "orders",
    most_events: int = MOST_EVENTS,
) -> None:
    """A forever-job. `prefetch` counts messages per queue; a batch ends at about `most_events`."""

    async def use(link: Link) -> None:
        inbox = Inbox(link, room=prefetch * len(queues))
        await inbox.open(queues, prefetch)
        worker = _Worker(link, amqp.topology.family(family), handle, inbox)
        while True:
            await worker.work(await inbox.take(linger_s, most_events))

    await amqp.keep(f"consume {queues[0]}", use)


class Inbox:
    """What the broker has delivered, bounded by the prefetch. `called` names a queue in the metrics that has
    no name of its own."""

    def __init__(self, link: Link, room: int, called: str = "") -> None:
        self._link = link
        self._called = called
        # A channel numbers what it delivers from 1.
        self._settled = 0
        self._highest = 0
        self._held: Counter[str] = Counter()
        self._unacked = gauge("hub_events_unacked", "Messages delivered, not yet acknowledged", ("queue",))
        self._arrived: asyncio.Queue[Delivery | None] = asyncio.Queue(room + 1)
        link.on_lost.append(self._wake)

    async def open(self, queues: Sequence[str], prefetch: int) -> None:
        await self._link.channel.set_qos(prefetch_count=prefetch, timeout=CONSUME_TIMEOUT_S)
        for name in queues:
            queue = await self._link.channel.get_queue(name, ensure=False)
            await queue.consume(partial(self._put, name), timeout=CONSUME_TIMEOUT_S)

    async def take(
        self, linger_s: float, most_events: int
    ) -> list[tuple[Delivery, list[event_pb2.Envelope]]]:
        """Waits for a delivery, lingers for company, and answers deliveries with their events."""
        taken = [self._read(await self._arrived.get())]
        if linger_s:
            await asyncio.sleep(linger_s)
        count = len(taken[0][1])
        while count < most_events and not self._arrived.empty():
            taken.append(self._read(self._arrived.get_nowait()))
            count += len(taken[-1][1])
        return taken

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """What was taken together, in one acknowledgement where it can be: that speaks for everything before
        it, of which nothing may still be to be taken."""
        last = max(deliveries, key=_tag)
        self._settled += len(deliveries)
        self._highest = max(self._highest, _tag(last))
        if self._settled == self._highest:
            await last.message.ack(multiple=True)
        else:
            for delivery in deliveries:
                await delivery.message.ack()
        for delivery in deliveries:
            self._count(delivery.queue, -1)

    def _read(self, delivery: Delivery | None) -> tuple[Delivery, list[event_pb2.Envelope]]:
        if delivery is None or self._link.lost.is_set():
            raise LinkLostError
        try:
            return delivery, unpack(delivery.message.body)
        except DecodeError:
            return delivery, []

    async def _put(self, queue: str, message: AbstractIncomingMessage) -> None:
        self._count(queue, 1)
        await self._arrived.put(Delivery(queue, message))

    def _count(self, queue: str, change: int) -> None:
        if not self._link.lost.is_set():
            self._held[queue] += change
            self._unacked.labels(self._called or queue).inc(change)

    def _wake(self) -> None:
        """What it had is the broker's again."""
        for queue, held in self._held.items():
            self._unacked.labels(self._called or queue).dec(held)
        self._held.clear()
        if self._arrived.empty():
            self._arrived.put_nowait(None)


class _Worker:
    def __init__(self, link: Link, family: Family, handle: Handle, inbox: Inbox) -> None:
        self._link = link
        self._family = family
        self._handle = handle
        self._inbox = inbox
        self._is_paused = False
        labels, name = ("family",), family.name
        self._in_flight = gauge("hub_events_in_flight", "Events being handled", labels).labels(name)
        self._paused = gauge(
            "hub_events_paused", "Consumers that wait for a dependency that is down", labels
        ).labels(name)
        self._lag = histogram(
            "hub_events_consumer_lag_seconds",
            "Age of a batch's oldest event when its handling begins, those of retry steps left out",
            labels,
            LAG_BUCKETS,
        ).labels(name)

    async def work(self, taken: Sequence[tuple[Delivery, list[event_pb2.Envelope]]]) -> None:
        """Handles, then acknowledges; if the link breaks before, everything comes again."""
        crash_point(f"consume.{self._family.name}.before_handle")
        self._observe_lag(taken)
        known: list[Arrived] = []
        for delivery, events in taken:
            if not events:
                await self._bury(delivery)
            for event in events:
                if event.WhichOneof("payload") is None:
                    unknown = UnknownEvent(f"this release does not know {event.type}")
                    await put_aside(self._link, self._family, delivery.queue, event, unknown)
                else:
                    known.append(Arrived(delivery.queue, event))
        self._in_flight.inc(len(known))
        try:
            if known:
                histogram("hub_events_batch_size", "Events handled together", (), SIZE_BUCKETS).observe(
                    len(known)
                )
                await self._settle(known)
            crash_point(f"consume.{self._family.name}.before_ack")
            await self._inbox.acknowledge([delivery for delivery, _ in taken])
            crash_point(f"consume.{self._family.name}.after_ack")
        finally:
            self._in_flight.dec(len(known))
            self._pausing(False)

    def _observe_lag(self, taken: Sequence[tuple[Delivery, list[event_pb2.Envelope]]]) -> None:
        """A message's first event is its oldest."""
        first = [_seconds(events[0].occurred_at) for _, events in taken if events and not events[0].attempt]
        if first:
            self._lag.observe(max(0.0, time.time() - min(first)))

    def _pausing(self, paused: bool) -> None:
        if paused is not self._is_paused:
            self._is_paused = paused
            self._paused.inc(1 if paused else -1)

    async def _settle(self, batch: Sequence[Arrived]) -> None:
        """Tries all at once, and what fails in halves, down to the single event at fault."""
        error = await self._attempt(batch)
        if error is None:
            consumed = counter("hub_events_consumed_total", "Events handled", ("queue", "type"))
            for labels, count in Counter((each.queue, each.event.type) for each in batch).items():
                consumed.labels(*labels).inc(count)
        elif len(batch) == 1:
            await put_aside(self._link, self._family, batch[0].queue, batch[0].event, error)
        else:
            middle = len(batch) // 2
            await self._settle(batch[:middle])
            await self._settle(batch[middle:])

    async def _attempt(self, batch: Sequence[Arrived]) -> Exception | None:
        """The error of the events themselves. A dependency that is down is waited for, batch in hand."""
        backoff = Backoff(0.1, 5.0)
        while not self._link.lost.is_set():
            try:
                await self._handle([each.event for each in batch])
            except Exception as error:  # noqa: BLE001 - here it is decided what becomes of it
                if verdict(error) is not Verdict.WAIT:
                    return error
                self._pausing(True)
                log.warning("consumer_paused", family=self._family.name, reason=reason_of(error))
                await self._pause(backoff.next_s())
            else:
                self._pausing(False)
                return None
        raise LinkLostError

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._link.lost.wait()
        except TimeoutError:
            pass

    async def _bury(self, delivery: Delivery) -> None:
        reason = "cannot be read as events"
        await bury_unread(self._link, self._family, delivery.queue, delivery.message.body, reason)
        log.error("message_unreadable", queue=delivery.queue)


def _seconds(moment: Timestamp) -> float:
    return float(moment.seconds + moment.nanos / 1e9)
