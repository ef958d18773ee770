"""A caller that goes away is noticed at the other end, with all interceptors in place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub_rpc import reading
from tests.libs.rpc.echo import Echo, talking
from tests.support.tls import Tls


class Hanging(Echo):
    """Says when a call came, and when its handler saw the cancellation."""

    def __init__(self) -> None:
        super().__init__(self._hang)
        self.arrived = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def _hang(self, request: bytes) -> bytes:
        if request == b"first":
            return request
        self.arrived.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""


class Endless(Hanging):
    """A stream that always has more to say."""

    async def out(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                yield request
                self.arrived.set()
                await asyncio.sleep(0)
        finally:
            self.cancelled.set()


async def seen(event: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await event.wait()


async def test_cancelling_the_waiting_task_reaches_the_handler(tls: Tls) -> None:
    service = Hanging()
    async with talking(tls, service) as client:

        async def wait() -> Any:
            return await client.one(b"", timeout=60)

        task = asyncio.create_task(wait())
        await seen(service.arrived)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await seen(service.cancelled)


async def test_cancelling_the_call_reaches_the_handler(tls: Tls) -> None:
    service = Hanging()
    async with talking(tls, service) as client:
        call = client.one(b"", timeout=60)
        await seen(service.arrived)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await seen(service.cancelled)


async def test_a_time_limit_of_the_caller_reaches_the_handler(tls: Tls) -> None:
    service = Hanging()
    async with talking(tls, service) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.one(b"", timeout=60)
        await seen(service.cancelled)


async def test_cancelling_a_reader_ends_the_stream_at_the_server(tls: Tls) -> None:
    service = Hanging()
    async with talking(tls, service) as client:
        task = asyncio.create_task(anext(aiter(client.out(b""))))
        await seen(service.arrived)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await seen(service.cancelled)


async def test_leaving_a_stream_ends_it_at_the_server(tls: Tls) -> None:
    service = Endless()
    async with talking(tls, service) as client:
        async with reading(client.out(b"x")) as messages:
            async for message in messages:
                assert message == b"x"
                break
        await seen(service.cancelled)


async def test_a_call_that_cannot_be_sent_fails_at_once(tls: Tls) -> None:
    async with talking(tls, Echo()) as client:
        async with asyncio.timeout(10):
            with pytest.raises(TypeError):
                await client.one("not bytes", timeout=60)
            with pytest.raises(Exception, match="execute_batch"):
                await client.one(b"", timeout=60, metadata=(("Not Allowed", "x"),))


async def test_a_stream_nobody_reads_is_ended_when_it_is_dropped(tls: Tls) -> None:
    service = Hanging()
    async with talking(tls, service) as client:
        call = client.out(b"")
        await seen(service.arrived)
        call.cancel()
        await seen(service.cancelled)
