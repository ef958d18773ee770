"""One socket, driven by hand: what is due when the other end is slow, and what waits for the owners."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from hub.quote_stream.v1 import quote_stream_pb2
from hub_errors import Unavailable
from hub_gateway.frames import Frames, Update, frame_of
from hub_gateway.gate import Caller
from hub_gateway.session import Ending, Session
from hub_gateway.socket_limits import Roster, SocketLimits
from hub_identity import Trust
from hub_quote_stream.patch import frame
from tests.gateway.world import Signer
from tests.quote_stream.quotes import quote

LIMITS = SocketLimits(frame_s=0.0, updates=3, lags=1, slow_s=60)


class Owners:
    """What the services that own orders and balances answer; may be slow or away."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.answers: asyncio.Queue[str | Unavailable] = asyncio.Queue()

    async def snapshot(self, caller: Caller) -> str:
        self.asked.release()
        found = await self.answers.get()
        if isinstance(found, Unavailable):
            raise found
        return found


class Wire:
    """The other end: messages go in by `say`, come out by `hear`; `held` stops the reading."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.waiting = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        return await self.incoming.get()

    async def send(self, message: Any) -> None:
        self.waiting.set()
        await self.reads.wait()
        self.waiting.clear()
        self.sent.put_nowait(json.loads(message["text"]))

    def say(self, **message: Any) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    async def hear(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                message = await self.sent.get()
                if message["type"] == kind:
                    return message


class Scene:
    def __init__(self, limits: SocketLimits = LIMITS) -> None:
        self.wire, self.owners, self.frames, self.trust = Wire(), Owners(), Frames(), Trust()
        signer = Signer()
        self.trust.apply(signer.trusted())
        token = signer.token(account_id="a-1")
        self.session = Session(
            receive=self.wire.receive,
            send=self.wire.send,
            frames=self.frames,
            trust=self.trust,
            account=self.owners,  # type: ignore[arg-type]
            limits=limits,
            roster=Roster(5),
        )
        self.session.admit(Caller(self.trust.verify(token), token))
        self.ending: Ending | None = None

    def tick(self, seq: int) -> None:
        self.session.on_frame(frame_of(frame(quote("AAPL", seq))))

    def update(self, number: int) -> None:
        text = json.dumps({"type": "order_update", "version": number})
        self.session.on_update(Update("a-1", str(number), text))


@asynccontextmanager
async def playing(limits: SocketLimits = LIMITS) -> AsyncIterator[Scene]:
    scene = Scene(limits)
    task = asyncio.create_task(scene.session.run())
    try:
        yield scene
    finally:
        scene.session.end(1000, "")
        async with asyncio.timeout(10):
            scene.ending = await task


async def subscribed(scene: Scene) -> None:
    scene.wire.say(type="subscribe", symbols=["AAPL"])
    await scene.wire.hear("subscribed")
    scene.tick(1)
    await scene.wire.hear("quotes_snapshot")


async def with_orders(scene: Scene) -> None:
    scene.wire.say(type="subscribe", orders=True)
    await scene.wire.hear("subscribed")
    await scene.owners.asked.acquire()


async def test_while_a_client_does_not_read_only_the_newest_frame_waits() -> None:
    async with playing() as scene:
        await subscribed(scene)
        scene.wire.reads.clear()
        scene.tick(2)
        await scene.wire.waiting.wait()
        for seq in range(3, 1000):
            scene.tick(seq)
        scene.wire.reads.set()
        seen = [(await scene.wire.hear("quotes_patch"))["patches"] for _ in range(2)]
    assert [[patch["seq"] for patch in patches] for patches in seen] == [[2], [999]]


async def test_a_client_that_was_slow_starts_again_from_a_snapshot() -> None:
    async with playing(replace(LIMITS, slow_s=0.001, lags=5)) as scene:
        await subscribed(scene)
        scene.frames._newest["AAPL"] = frame_of(frame(quote("AAPL", 2)))
        scene.wire.reads.clear()
        scene.tick(2)
        await scene.wire.waiting.wait()
        await asyncio.sleep(0.01)  # this is how slow it is
        scene.wire.reads.set()
        assert (await scene.wire.hear("resync"))["reason"] == "slow"
        assert (await scene.wire.hear("quotes_snapshot"))["seq"] == 2


async def test_a_client_that_keeps_being_slow_has_to_go() -> None:
    async with playing(replace(LIMITS, drop_s=0.05)) as scene:
        await subscribed(scene)
        scene.wire.reads.clear()
        scene.tick(2)
        async with asyncio.timeout(10):
            await scene.session._ended
    assert scene.ending == Ending(4408, "too_slow")


async def test_updates_wait_until_the_owners_have_answered() -> None:
    async with playing() as scene:
        await with_orders(scene)
        scene.update(1)
        scene.update(2)
        scene.owners.answers.put_nowait('{"type":"orders_snapshot","orders":[]}')
        await scene.wire.hear("orders_snapshot")
        versions = [(await scene.wire.hear("order_update"))["version"] for _ in range(2)]
    assert versions == [1, 2]


async def test_owners_that_are_away_are_asked_again() -> None:
    async with playing() as scene:
        await with_orders(scene)
        scene.owners.answers.put_nowait(Unavailable("Away.", code="peer_unavailable"))
        assert (await scene.wire.hear("error"))["code"] == "peer_unavailable"
        scene.owners.answers.put_nowait('{"type":"orders_snapshot","orders":[]}')
        await scene.wire.hear("orders_snapshot")


async def test_a_gap_upstream_asks_the_owners_again() -> None:
    async with playing() as scene:
        await with_orders(scene)
        scene.owners.answers.put_nowait('{"type":"orders_snapshot","number":1}')
        assert (await scene.wire.hear("orders_snapshot"))["number"] == 1
        scene.session.on_gap()
        scene.update(5)
        await scene.owners.asked.acquire()
        scene.owners.answers.put_nowait('{"type":"orders_snapshot","number":2}')
        assert (await scene.wire.hear("orders_snapshot"))["number"] == 2
        assert (await scene.wire.hear("order_update"))["version"] == 5


async def test_updates_that_overflow_are_replaced_by_asking_the_owners() -> None:
    async with playing() as scene:
        await with_orders(scene)
        for number in range(1, 5):  # one more than may wait
            scene.update(number)
        scene.owners.answers.put_nowait('{"type":"orders_snapshot","number":1}')
        await scene.owners.asked.acquire()
        scene.owners.answers.put_nowait('{"type":"orders_snapshot","number":2}')
        assert (await scene.wire.hear("orders_snapshot"))["number"] == 2
        assert (await scene.wire.hear("order_update"))["version"] == 4


async def test_updates_that_overflow_again_and_again_end_the_socket() -> None:
    async with playing() as scene:
        await with_orders(scene)
        for number in range(1, 9):
            scene.update(number)
        async with asyncio.timeout(10):
            await scene.session._ended
    assert scene.ending == Ending(4408, "too_slow_updates")


async def test_without_orders_the_owners_are_not_asked() -> None:
    async with playing() as scene:
        await subscribed(scene)
        scene.session.on_gap()
        scene.tick(2)
        await scene.wire.hear("quotes_patch")
        assert scene.owners.asked.locked()


@pytest.mark.parametrize("kind", ["order", "position", "account"])
async def test_updates_of_other_accounts_never_reach_a_socket(kind: str) -> None:
    async with playing() as scene:
        await with_orders(scene)
        scene.owners.answers.put_nowait('{"type":"orders_snapshot","number":1}')
        await scene.wire.hear("orders_snapshot")
        response = quote_stream_pb2.StreamFramesResponse()
        for account_id, event_id in [("a-2", "e-1"), ("a-1", "e-2"), ("a-1", "e-2")]:
            update = response.updates.add(account_id=account_id, event_id=event_id, kind=kind)
            update.update_json = b"{}"
        scene.frames.apply(response)
        assert (await scene.wire.hear(f"{kind}_update"))["event_id"] == "e-2"
        scene.tick(1)
        assert scene.wire.sent.empty()  # not a second time


async def test_an_event_that_is_about_two_orders_is_an_update_of_each() -> None:
    async with playing() as scene:
        await with_orders(scene)
        scene.owners.answers.put_nowait('{"type":"orders_snapshot","number":1}')
        await scene.wire.hear("orders_snapshot")
        response = quote_stream_pb2.StreamFramesResponse()
        for order_id in ("old", "new", "old", "new"):  # twice: streams overlap
            update = response.updates.add(account_id="a-1", event_id="e-1", kind="order")
            update.subject_id, update.version, update.update_json = order_id, 2, b"{}"
        scene.frames.apply(response)
        told = [(await scene.wire.hear("order_update"))["order_id"] for _ in range(2)]
        assert told == ["old", "new"]
        scene.tick(1)
        assert scene.wire.sent.empty()
