"""Connections to the broker. One that breaks is given up and its owner opens another; nothing is restored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial

import aio_pika
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError
from prometheus_client import Counter
from yarl import URL

from hub.event.v1 import event_pb2
from hub_errors import Unavailable
from hub_events.envelope import pack
from hub_events.labels import Label, label
from hub_events.topology import TOPOLOGY, Topology, declare
from hub_runtime import Backoff, cancelled, counter, get_logger, heed_cancellation

CONNECT_TIMEOUT_S = 5.0
PUBLISH_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
HEARTBEAT_S = 15
BROKER_FAULTS = (*CONNECTION_EXCEPTIONS, TimeoutError)

_UNLABELLED = Label()

log = get_logger("amqp")


@cache
def _published(exchange: str, outcome: str) -> Counter:
    """confirmed; returned: no queue would get it; refused by the broker; unknown: no answer in time."""
    return counter(
        "hub_events_published_total", "Messages sent to the broker, by its answer", ("exchange", "outcome")
    ).labels(exchange, outcome)


@dataclass(frozen=True)
class Link:
    """One connection with one channel. `lost` is set when either is closed or a consumer is cancelled."""

    channel: AbstractChannel
    topology: Topology
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    on_lost: list[Callable[[], None]] = field(default_factory=list)

    def lose(self, *_: object) -> None:
        if not self.lost.is_set():
            self.lost.set()
            for callback in self.on_lost:
                callback()

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        mandatory: bool = True,
        label: Label = _UNLABELLED,
    ) -> None:
        """Returns when the broker has confirmed; raises when nobody would get a mandatory message."""
        message = aio_pika.Message(
            body,
            headers=label.headers,
            message_id=label.message_id,
            timestamp=label.at,
            content_type="application/x-protobuf",
            type=event_pb2.EventBatch.DESCRIPTOR.full_name,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        if exchange:
            target = await self.channel.get_exchange(exchange, ensure=False)
        else:
            target = self.channel.default_exchange
        outcome = "unknown"
        try:
            await target.publish(message, routing_key, mandatory=mandatory, timeout=PUBLISH_TIMEOUT_S)
            outcome = "confirmed"
        except PublishError:
            outcome = "returned"
            raise
        except DeliveryError:
            outcome = "refused"
            raise
        finally:
            _published(exchange, outcome).inc()


class _Connection(aio_pika.Connection):
    """Counts as closed when it could not be opened, so that its finalizer never starts anything."""

    async def connect(self, timeout: float | None = None) -> None:
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


class Amqp:
    """Where the broker is. Whoever publishes or consumes holds a link of its own."""

    def __init__(self, url: str, password: str, *, topology: Topology = TOPOLOGY, name: str = "hub") -> None:
        self._url = URL(url).with_password(password) if password else URL(url)
        self._name = name
        self._states: dict[str, str] = {}
        self.topology = topology

    def state(self) -> str:
        """For readiness: ok, or which link is missing."""
        if not self._states:
            return "not connected"
        return next((f"{name}: {state}" for name, state in self._states.items() if state != "ok"), "ok")

    @asynccontextmanager
    async def link(self, purpose: str) -> AsyncIterator[Link]:
        """A new connection with everything declared."""
        self._states.setdefault(purpose, "not connected")
        connection = await aio_pika.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_S,
            heartbeat=HEARTBEAT_S,
            client_properties={"connection_name": f"{self._name} {purpose}"},
            connection_class=_Connection,
        )
        try:
            async with asyncio.timeout(3 * CONNECT_TIMEOUT_S):
                channel = connection.channel(publisher_confirms=True, on_return_raises=True)
                link = Link(channel, self.topology)
                connection.close_callbacks.add(link.lose)
                channel.close_callbacks.add(link.lose)
                await channel.initialize()
                (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(link.lose)
                await declare(channel, self.topology)
            self._states[purpose] = "ok"
            link.on_lost.append(partial(self._states.__setitem__, purpose, "lost"))
            yield link
        finally:
            self._states[purpose] = "not connected"
            with suppress(*BROKER_FAULTS):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await connection.close()

    async def keep(self, purpose: str, use: Callable[[Link], Awaitable[None]]) -> None:
        """For ever: opens a link, lets `use` have it until it ends or fails, and starts again."""
        backoff = Backoff(0.1, 5.0)
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            try:
                async with self.link(purpose) as link:
                    heed_cancellation()
                    await use(link)
            except asyncio.CancelledError as error:
                if cancelled():
                    raise
                log.warning("link_ended", purpose=purpose, error=repr(error))
            except Exception as error:  # noqa: BLE001 - a broker can fail in many ways, and comes back
                log.warning("link_ended", purpose=purpose, error=repr(error))
            heed_cancellation()
            if clock() - started > 2 * backoff.max_s:
                backoff.reset()
            await backoff.wait()


class Publisher:
    """Publishes without an outbox, confirmed, for what can be said again. `run` is its forever-job."""

    def __init__(self, amqp: Amqp, name: str) -> None:
        self._amqp = amqp
        self._name = name
        self._link: Link | None = None

    async def run(self) -> None:
        await self._amqp.keep(f"publish {self._name}", self._hold)

    async def _hold(self, link: Link) -> None:
        self._link = link
        try:
            await link.lost.wait()
        finally:
            self._link = None

    async def publish(self, exchange: str, routing_key: str, events: Sequence[event_pb2.Envelope]) -> None:
        """One message. Raises Unavailable when it is not certain that the broker has it."""
        link = self._link
        if link is None:
            raise Unavailable("The broker cannot be reached now.", code="broker_unavailable")
        body = pack(event.SerializeToString() for event in events)
        try:
            await link.publish(exchange, routing_key, body, label=label(events))
        except (*BROKER_FAULTS, asyncio.CancelledError) as error:
            heed_cancellation()
            raise Unavailable("The broker did not confirm.", code="broker_unavailable") from error
