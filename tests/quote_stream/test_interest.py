"""Updates are made for accounts that a gateway has named, and for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub.quote_stream.v1 import quote_stream_pb2
from hub.quote_stream.v1.quote_stream_pb2_grpc import QuoteStreamServiceStub
from hub_events import envelope
from hub_quote_stream import mapping
from hub_quote_stream.frames import Frames
from hub_quote_stream.patch import frame
from hub_quote_stream.worker import account_updates
from hub_rpc import connect, reading
from tests.quote_stream.quotes import quote
from tests.quote_stream.test_service import Service, accepted, service

__all__ = ["service"]

Request = quote_stream_pb2.FollowFramesRequest


def update(account_id: str) -> quote_stream_pb2.AccountUpdate:
    return quote_stream_pb2.AccountUpdate(account_id=account_id, event_id=account_id, kind="order")


async def test_a_stream_gets_the_updates_of_what_it_watches_and_one_that_says_nothing_gets_all() -> None:
    frames = Frames(most_updates=10)
    with frames.stream(set()) as choosy, frames.stream() as old:
        choosy.watch(["a", "b"])
        for account in ("a", "b", "c"):
            frames.update(update(account))
        choosy.watch([], leave=["a"])
        frames.update(update("a"))
        told = await choosy.next()
        assert [each.account_id for each in told.updates] == ["a", "b"]
        assert told.obeyed == 2
        assert [each.account_id for each in (await old.next()).updates] == ["a", "b", "c", "a"]


async def test_nothing_is_made_of_events_that_nobody_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = Frames(most_updates=10)
    made: list[str] = []

    def updates(event: event_pb2.Envelope) -> list[quote_stream_pb2.AccountUpdate]:
        made.append(event.account_id)
        return [update(event.account_id)]

    monkeypatch.setattr(mapping, "updates", updates)
    handle = account_updates(frames)
    await handle([accepted("a-1")])
    assert made == []
    with frames.stream(set()) as stream:
        await handle([accepted("a-1")])
        stream.watch(["a-1"])
        await handle([accepted("a-1"), accepted("a-2")])
        assert made == ["a-1"]
        assert [each.account_id for each in (await stream.next()).updates] == ["a-1"]
    await handle([accepted("a-1")])
    assert made == ["a-1"]


async def test_a_replacement_reaches_whoever_watches_its_account() -> None:
    frames = Frames(most_updates=10)
    old, new = (order_pb2.Order(order_id=name, account_id="a-1", version=1) for name in ("old", "new"))
    event = envelope("order.replaced", "old", "a-1", event_pb2.OrderReplaced(order=old, new_order=new))
    with frames.stream(set()) as stream:
        stream.watch(["a-1"])
        await account_updates(frames)([event])
        assert [each.subject_id for each in (await stream.next()).updates] == ["old", "new"]


async def test_over_the_wire_it_answers_at_once_and_counts_what_it_obeyed(service: Service) -> None:
    said: asyncio.Queue[Request] = asyncio.Queue()

    async def requests() -> AsyncIterator[Request]:
        while True:
            yield await said.get()

    async with connect(service.target, service.tls.files("gateway"), "quote-stream") as channel:
        stub = QuoteStreamServiceStub(channel)
        async with asyncio.timeout(15), reading(stub.FollowFrames(requests())) as responses:
            assert (await anext(responses)).obeyed == 0
            said.put_nowait(Request(watch_accounts=["a-1"]))
            assert (await anext(responses)).obeyed == 1
            service.frames.update(update("a-2"))
            service.frames.update(update("a-1"))
            assert [each.account_id for each in (await anext(responses)).updates] == ["a-1"]
            said.put_nowait(Request(leave_accounts=["a-1", "never-watched"]))
            assert (await anext(responses)).obeyed == 2
            service.frames.update(update("a-1"))
            service.frames.publish(frame(quote()))
            last = await anext(responses)
            assert (len(last.updates), len(last.frames)) == (0, 1)
    async with asyncio.timeout(15):
        while service.frames._streams:  # noqa: ASYNC110 - it is told by nothing
            await asyncio.sleep(0.01)
