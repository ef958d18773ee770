"""A peer that keeps failing is left alone, and asked again by one call at a time."""

from __future__ import annotations

import asyncio
from collections import Counter

import grpc
import pytest
from grpc import aio

from hub_errors import Denied, Exhausted, Invalid, Refused, Timeout, Unavailable
from hub_rpc import Breaker, Server, within
from hub_runtime import Address
from tests.libs.rpc.echo import TABLE, Client, Echo, calling, echo, serving, talking
from tests.support.tls import Tls


async def down(_: bytes) -> bytes:
    raise Unavailable("The database cannot be reached now.", code="database_unavailable")


async def fail(client: Client, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unavailable) as raised:
            await client.one(b"")
        assert raised.value.code == "database_unavailable"


async def test_after_five_failures_the_next_call_does_not_reach_the_server(tls: Tls) -> None:
    service = Echo(down)
    async with talking(tls, service) as client:
        await fail(client, 5)
        with pytest.raises(Unavailable) as raised:
            await client.one(b"")
        assert raised.value.code == "peer_unavailable"
    assert service.calls == 5


async def test_after_five_failures_the_next_call_opens_no_socket(tls: Tls) -> None:
    connections = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    breaker = Breaker("order")
    for _ in range(5):
        with pytest.raises(aio.AioRpcError):
            await breaker.call(unavailable)
    listener = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with listener, calling(tls, listener.sockets[0].getsockname()[1], breaker=breaker) as client:
        with pytest.raises(Unavailable):
            await client.one(b"")
    assert connections == 0


async def unavailable() -> None:
    raise aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata())


async def test_a_success_in_between_starts_the_count_anew(tls: Tls) -> None:
    service = Echo(down)
    async with talking(tls, service) as client:
        await fail(client, 4)
        service.answer = echo
        assert await client.one(b"x") == b"x"
        service.answer = down
        await fail(client, 4)
        service.answer = echo
        assert await client.one(b"x") == b"x"


@pytest.mark.parametrize(
    "error",
    [
        Invalid("No.", code="no"),
        Refused("No.", code="no"),
        Denied("No.", code="no"),
        Exhausted("Not you, not now.", code="too_many_attempts"),
    ],
)
async def test_an_answer_about_one_caller_is_no_failure_of_the_peer(tls: Tls, error: Exception) -> None:
    async def answer(_: bytes) -> bytes:
        raise error

    service = Echo(answer)
    async with talking(tls, service) as client:
        for _ in range(8):
            with pytest.raises(type(error)):
                await client.one(b"")
    assert service.calls == 8


async def test_calls_that_time_out_count(tls: Tls) -> None:
    async def sleep(_: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    service = Echo(sleep)
    async with talking(tls, service) as client:
        for _ in range(5):
            with pytest.raises(Timeout):
                await client.one(b"", timeout=0.1)
        with pytest.raises(Unavailable):
            await client.one(b"")
    assert service.calls == 5


async def test_of_fifty_calls_in_half_open_exactly_one_passes(tls: Tls) -> None:
    service, breaker = Echo(down), Breaker("order", open_s=0)
    async with talking(tls, service, breaker=breaker) as client:
        await fail(client, 5)
        held = asyncio.Event()

        async def wait(request: bytes) -> bytes:
            await held.wait()
            return request

        service.answer, service.calls = wait, 0
        calls = [asyncio.create_task(asyncio.wait_for(client.one(b"x"), 10)) for _ in range(50)]
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 49:
            done, _ = await asyncio.wait(calls, timeout=0.05)
        held.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert Counter(type(answer) for answer in answers) == {bytes: 1, Unavailable: 49}
        assert service.calls == 1
        assert breaker.state == "closed"
        assert await client.one(b"x") == b"x"


async def test_a_probe_that_fails_opens_again(tls: Tls) -> None:
    service, breaker = Echo(down), Breaker("order", open_s=0)
    async with talking(tls, service, breaker=breaker) as client:
        await fail(client, 6)
        assert breaker.state == "open"


async def test_a_cancelled_call_does_not_count(tls: Tls) -> None:
    arrived = asyncio.Queue[None]()

    async def hang(_: bytes) -> bytes:
        arrived.put_nowait(None)
        await asyncio.Event().wait()
        return b""

    service, breaker = Echo(down), Breaker("order")
    async with talking(tls, service, breaker=breaker) as client:
        await fail(client, 4)
        service.answer = hang
        for _ in range(10):
            call = asyncio.ensure_future(client.one(b"", timeout=30))
            await arrived.get()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert breaker.state == "closed"
        service.answer = down
        await fail(client, 1)
        assert breaker.state == "open"


async def test_a_cancelled_probe_lets_the_next_call_be_the_probe(tls: Tls) -> None:
    arrived = asyncio.Event()

    async def hang(_: bytes) -> bytes:
        arrived.set()
        await asyncio.Event().wait()
        return b""

    service, breaker = Echo(down), Breaker("order", open_s=0)
    async with talking(tls, service, breaker=breaker) as client:
        await fail(client, 5)
        service.answer = hang
        probe = asyncio.ensure_future(client.one(b"", timeout=30))
        await arrived.wait()
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        service.answer = echo
        assert await client.one(b"x") == b"x"
        assert breaker.state == "closed"


async def test_giving_up_before_sending_says_nothing_about_the_peer(tls: Tls) -> None:
    service, breaker = Echo(), Breaker("order", failures=1)
    async with talking(tls, service, breaker=breaker) as client:
        with within(0.0), pytest.raises(Timeout):
            await client.one(b"")
        assert breaker.state == "closed"


async def test_each_channel_has_a_breaker_of_its_own(tls: Tls) -> None:
    broken, well = Echo(down), Echo()
    async with talking(tls, broken) as first, talking(tls, well) as second:
        await fail(first, 5)
        assert await second.one(b"x") == b"x"


async def test_a_server_that_comes_back_is_found_again(tls: Tls) -> None:
    async with serving(tls, Echo()) as server:
        port = server.port
    breaker = Breaker("order", open_s=0)
    async with calling(tls, port, breaker=breaker) as client:
        with pytest.raises(Unavailable):
            await client.one(b"")
        async with (
            Server(Address("127.0.0.1", port), tls.files("order"), TABLE, [Echo().register], drain_s=0),
            asyncio.timeout(20),
        ):
            await client.channel.channel_ready()
            assert await client.one(b"x") == b"x"
