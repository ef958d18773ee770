"""One socket, driven by hand: what is due when the other end is slow, and what waits for the owners."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from hub.quote_stream.v1 import quote_stream_pb2
from hub_errors import Unavailable
from hub_gateway.fanout import Fanout
from hub_gateway.frames import Frames, Update
from hub_gateway.gate import Caller
from hub_gateway.refreshes import Refreshes
from hub_gateway.session import Ending, House, Session
from hub_gateway.socket_limits import Roster, SocketLimits
from hub_identity import Trust
from hub_quote_stream.patch import frame
from tests.gateway.world import Signer, running
from tests.quote_stream.quotes import quote

LIMITS = SocketLimits(frame_s=0.0, updates=3, lags=1, slow_s=60)


class Owners:
    """What the services that own orders and balances answer; may be slow or away."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.answers: asyncio.Queue[bytes | Unavailable] = asyncio.Queue()

    async def snapshot(self, caller: Caller) -> bytes:
        self.asked.release()
        found = await self.answers.get()
        if isinstance(found, Unavailable):
            raise found
        return found


class Wire:
    """The other end: messages go in by `say`, come out by `hear`. One that does not read (`stop`) blocks the
    wire with the next that is sent, until it reads again (`go_on`)."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None
        self.heard = False
        self._held: list[bytes] | None = None

    def listen(self, listener: Session) -> None:
        self.session = listener

    def send(self, frames: bytes) -> None:
        if self._held is not None:
            self._held.append(frames)
            self.session.on_blocked()
            return
        for text in texts_of(frames):
            self.sent.put_nowait(json.loads(text))

    def close(self, code: int, reason: str, last: Sequence[bytes] = ()) -> None:
        self.closed = (code, reason)

    def stop(self) -> None:
        self._held = self._held or []

    def go_on(self) -> None:
        held, self._held = self._held or [], None
        for frames in held:
            self.send(frames)
        self.session.on_writable()

    async def blocked(self) -> None:
        while not self._held:  # noqa: ASYNC110 - it is told by nothing
            await asyncio.sleep(0)

    def say(self, **message: Any) -> None:
        self.session.on_text(json.dumps(message))

    async def hear(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                message = await self.sent.get()
                if message["type"] == kind:
                    return message


def texts_of(frames: bytes) -> Iterator[bytes]:
    """The messages in what goes over the wire."""
    parser = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    parser.receive_data(frames)
    for event in parser.events_received():
        assert isinstance(event, Frame)
        yield bytes(event.data)


class Scene:
    def __init__(self, limits: SocketLimits = LIMITS) -> None:
        self.wire, self.owners, self.frames, self.trust = Wire(), Owners(), Frames(), Trust()
        signer = Signer()
        self.trust.apply(signer.trusted())
        token = signer.token(account_id="a-1")
        self.refreshes = Refreshes(self.owners)  # type: ignore[arg-type]
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.session = Session(
            House(
                frames=self.frames,
                fanout=Fanout(self.frames, frame_s=limits.frame_s),
                trust=self.trust,
                refreshes=self.refreshes,
                limits=limits,
                roster=Roster(5),
                on_end=lambda _, ending: self.ended.set_result(ending),
            )
        )
        self.session.admit(Caller(self.trust.verify(token), token))
        self.session.open(self.wire)  # type: ignore[arg-type]

    def tick(self, seq: int) -> None:
        self.frames.apply([frame(quote("AAPL", seq))])

    def update(self, number: int) -> None:
        text = json.dumps({"type": "order_update", "version": number}).encode()
        self.session.on_update(Update("a-1", str(number), text))

    async def ending(self) -> Ending:
        async with asyncio.timeout(10):
            return await self.ended


@asynccontextmanager
async def playing(limits: SocketLimits = LIMITS) -> AsyncIterator[Scene]:
    scene = Scene(limits)
    async with running(scene.refreshes.run()):
        yield scene
        scene.session.end(1000, "")
        await scene.ending()


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
        scene.wire.stop()
        scene.tick(2)
        await scene.wire.blocked()
        for seq in range(3, 1000):
            scene.tick(seq)
        scene.wire.go_on()
        seen = [(await scene.wire.hear("quotes_patch"))["patches"] for _ in range(2)]
    assert [[patch["seq"] for patch in patches] for patches in seen] == [[2], [999]]


async def test_a_client_that_was_slow_starts_again_from_a_snapshot() -> None:
    async with playing(replace(LIMITS, slow_s=0.001, lags=5)) as scene:
        await subscribed(scene)
        scene.wire.stop()
        scene.tick(2)
        await scene.wire.blocked()
        await asyncio.sleep(0.01)  # this is how slow it is
        scene.wire.go_on()
        assert (await scene.wire.hear("resync"))["reason"] == "slow"
        assert (await scene.wire.hear("quotes_snapshot"))["seq"] == 2


async def test_a_client_that_keeps_being_slow_has_to_go() -> None:
    async with playing(replace(LIMITS, drop_s=0.05)) as scene:
        await subscribed(scene)
        scene.wire.stop()
        scene.tick(2)
        await scene.wire.blocked()
        await asyncio.sleep(0.05)  # this is how long it does not read
        scene.session.look_after(asyncio.get_running_loop().time())
        assert await scene.ending() == Ending(4408, "too_slow")
    assert scene.wire.closed == (4408, "too_slow")


async def test_updates_wait_until_the_owners_have_answered() -> None:
    async with playing() as scene:
        await with_orders(scene)
        scene.update(1)
        scene.update(2)
        scene.owners.answers.put_nowait(b'{"type":"orders_snapshot","orders":[]}')
        await scene.wire.hear("orders_snapshot")
        versions = [(await scene.wire.hear("order_update"))["version"] for _ in range(2)]
    assert versions == [1, 2]


async def test_owners_that_are_away_are_asked_again() -> None:
    async with playing() as scene:
        await with_orders(scene)
        scene.owners.answers.put_nowait(Unavailable("Away.", code="peer_unavailable"))
        assert (await scene.wire.hear("error"))["code"] == "peer_unavailable"
        scene.owners.answers.put_nowait(b'{"type":"orders_snapshot","orders":[]}')
        await scene.wire.hear("orders_snapshot")


async def test_a_gap_upstream_asks_the_owners_again() -> None:
    async with playing() as scene:
        await with_orders(scene)
        scene.owners.answers.put_nowait(b'{"type":"orders_snapshot","number":1}')
        assert (await scene.wire.hear("orders_snapshot"))["number"] == 1
        scene.session.on_gap()
        scene.update(5)
        await scene.owners.asked.acquire()
        scene.owners.answers.put_nowait(b'{"type":"orders_snapshot","number":2}')
        assert (await scene.wire.hear("orders_snapshot"))["number"] == 2
        assert (await scene.wire.hear("order_update"))["version"] == 5


async def test_updates_that_overflow_are_replaced_by_asking_the_owners() -> None:
    async with playing() as scene:
        await with_orders(scene)
        for number in range(1, 5):  # one more than may wait
            scene.update(number)
        scene.owners.answers.put_nowait(b'{"type":"orders_snapshot","number":1}')
        await scene.owners.asked.acquire()
        scene.owners.answers.put_nowait(b'{"type":"orders_snapshot","number":2}')
        assert (await scene.wire.hear("orders_snapshot"))["number"] == 2
        assert (await scene.wire.hear("order_update"))["version"] == 4


async def test_updates_that_overflow_again_and_again_end_the_socket() -> None:
    async with playing() as scene:
        await with_orders(scene)
        for number in range(1, 9):
            scene.update(number)
        assert await scene.ending() == Ending(4408, "too_slow_updates")


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
        scene.owners.answers.put_nowait(b'{"type":"orders_snapshot","number":1}')
        await scene.wire.hear("orders_snapshot")
        response = quote_stream_pb2.StreamFramesResponse()
        for account_id, event_id in [("a-2", "e-1"), ("a-1", "e-2"), ("a-1", "e-2")]:
            update = response.updates.add(account_id=account_id, event_id=event_id, kind=kind)
            update.update_json = b"{}"
        scene.frames.update(response.updates)
        assert (await scene.wire.hear(f"{kind}_update"))["event_id"] == "e-2"
        scene.tick(1)
        assert scene.wire.sent.empty()  # not a second time


async def test_an_event_that_is_about_two_orders_is_an_update_of_each() -> None:
    async with playing() as scene:
        await with_orders(scene)
        scene.owners.answers.put_nowait(b'{"type":"orders_snapshot","number":1}')
        await scene.wire.hear("orders_snapshot")
        response = quote_stream_pb2.StreamFramesResponse()
        for order_id in ("old", "new", "old", "new"):  # twice: streams overlap
            update = response.updates.add(account_id="a-1", event_id="e-1", kind="order")
            update.subject_id, update.version, update.update_json = order_id, 2, b"{}"
        scene.frames.update(response.updates)
        told = [(await scene.wire.hear("order_update"))["order_id"] for _ in range(2)]
        assert told == ["old", "new"]
        scene.tick(1)
        assert scene.wire.sent.empty()
