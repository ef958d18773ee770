"""The service as gateways meet it: over mTLS, fed by the quote cache and by the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from hub.event.v1 import event_pb2
from hub.market_data.v1 import market_data_pb2
from hub.order.v1 import order_pb2
from hub.quote_stream.v1 import quote_stream_pb2
from hub.quote_stream.v1.quote_stream_pb2_grpc import (
    QuoteStreamServiceStub,
    add_QuoteStreamServiceServicer_to_server,
)
from hub_errors import Denied, Unavailable
from hub_events import Amqp, Link, envelope, fanout, pack
from hub_market_client import QuoteCache
from hub_quote_stream.__main__ import CALL_TABLE, EXCHANGES
from hub_quote_stream.frames import Frames
from hub_quote_stream.rpc import QuoteStreamRpc
from hub_quote_stream.worker import account_updates, publish_quotes
from hub_rpc import Server, connect, reading
from hub_runtime import Address
from tests.support.servers import Login
from tests.support.tls import Tls

Responses = AsyncIterator[quote_stream_pb2.StreamFramesResponse]


@dataclass
class Service:
    frames: Frames
    cache: QuoteCache
    target: str
    tls: Tls

    @asynccontextmanager
    async def reading(self, caller: str = "gateway") -> AsyncIterator[Responses]:
        async with connect(self.target, self.tls.files(caller), "quote-stream") as channel:
            stub = QuoteStreamServiceStub(channel)
            async with reading(stub.StreamFrames(quote_stream_pb2.StreamFramesRequest())) as responses:
                yield responses


@pytest.fixture
async def service(tls: Tls) -> AsyncIterator[Service]:
    frames, cache = Frames(most_updates=100), QuoteCache()
    registration = partial(add_QuoteStreamServiceServicer_to_server, QuoteStreamRpc(frames))
    address = Address("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        publishing = group.create_task(publish_quotes(cache, frames))
        files = tls.files("quote-stream")
        async with Server(address, files, CALL_TABLE, [registration], drain_s=0) as server:
            yield Service(frames, cache, f"127.0.0.1:{server.port}", tls)
        publishing.cancel()


async def until(responses: Responses, found: Callable[[quote_stream_pb2.StreamFramesResponse], bool]) -> None:
    async with asyncio.timeout(15):
        async for response in responses:
            if found(response):
                return
    raise AssertionError("the stream ended")


def quotes(seq: int) -> market_data_pb2.StreamQuotesResponse:
    message = market_data_pb2.StreamQuotesResponse()
    for symbol in ("AAPL", "MSFT"):
        message.quotes.add(symbol=symbol, epoch=1, seq=seq, bid="10.5", ask="10.6")
    return message


async def test_quotes_of_the_cache_become_frames(service: Service) -> None:
    service.cache.apply(quotes(1))
    seen: dict[str, int] = {}

    def both(seq: int, response: quote_stream_pb2.StreamFramesResponse) -> bool:
        seen.update({frame.symbol: frame.seq for frame in response.frames})
        return seen == {"AAPL": seq, "MSFT": seq}

    async with service.reading() as responses:
        await until(responses, partial(both, 1))
        service.cache.apply(quotes(2))
        await until(responses, partial(both, 2))


async def test_only_a_gateway_may_read(service: Service) -> None:
    async with service.reading(caller="portfolio") as responses:
        with pytest.raises(Denied):
            await anext(responses)


@asynccontextmanager
async def listening(service: Service, amqp: Amqp, connected: Callable[[], None]) -> AsyncIterator[Link]:
    """The fan-out consumers, and a link to publish by, once both are bound."""
    bound = asyncio.Semaphore(0)

    def on_connected() -> None:
        connected()
        bound.release()

    async with asyncio.TaskGroup() as group, amqp.link("test") as link:
        handle = account_updates(service.frames)
        tasks = [group.create_task(fanout(amqp, name, handle, connected=on_connected)) for name in EXCHANGES]
        async with asyncio.timeout(30):
            for _ in EXCHANGES:
                await bound.acquire()
        try:
            yield link
        finally:
            for task in tasks:
                task.cancel()


def accepted(account_id: str) -> event_pb2.Envelope:
    order = order_pb2.Order(order_id="o-1", account_id=account_id, version=1)
    return envelope("order.accepted", "o-1", account_id, event_pb2.OrderAccepted(order=order))


async def test_an_event_of_the_broker_becomes_an_update(service: Service, amqp_vhost: Login) -> None:
    amqp = Amqp(amqp_vhost.url, amqp_vhost.password)
    async with listening(service, amqp, lambda: None) as link, service.reading() as responses:
        await anext(responses)
        await link.publish("orders.status", "", pack([accepted("a-1").SerializeToString()]), mandatory=False)

        def arrived(response: quote_stream_pb2.StreamFramesResponse) -> bool:
            return [each.account_id for each in response.updates] == ["a-1"]

        await until(responses, arrived)


async def test_streams_end_when_updates_may_have_been_missed(service: Service) -> None:
    async with service.reading() as responses:
        await anext(responses)
        service.frames.end_streams(Unavailable("Updates may have been missed.", code="updates_missed"))
        with pytest.raises(Unavailable) as ended:
            await anext(responses)
    assert ended.value.code == "updates_missed"
