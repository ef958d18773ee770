"""Nobody waits for ever, and nobody works for someone who no longer waits."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from grpc import aio

from hub_errors import Timeout
from hub_rpc import remaining_s, within
from hub_rpc.tls import channel_credentials
from tests.libs.rpc.echo import Client, Echo, serving, talking
from tests.support.tls import Tls


async def tell_remaining(_: bytes) -> bytes:
    return str(remaining_s()).encode()


async def test_a_call_has_a_deadline_although_nobody_set_one(tls: Tls) -> None:
    async with talking(tls, Echo(tell_remaining)) as client:
        assert 1.5 < float(await client.one(b"")) <= 2.1  # the wire rounds up
        assert 1.5 < float(await client.collect(iter([b""]))) <= 2.1  # the wire rounds up


async def test_a_timeout_of_ones_own_counts(tls: Tls) -> None:
    async with talking(tls, Echo(tell_remaining)) as client:
        assert 5 < float(await client.one(b"", timeout=10)) <= 10.5


async def test_a_stream_has_a_deadline_only_where_one_is_set(tls: Tls) -> None:
    async with talking(tls, Echo(tell_remaining)) as client:
        assert await anext(aiter(client.out(b""))) == b"None"
        with within(5):
            assert 4 < float(await anext(aiter(client.out(b"")))) < 5.5


async def test_a_huge_timeout_is_no_deadline_in_the_past(tls: Tls) -> None:
    async with talking(tls, Echo(tell_remaining)) as client:
        assert float(await client.one(b"", timeout=1e18)) > 3000


async def test_what_is_left_is_passed_on_less_a_little(tls: Tls) -> None:
    async with talking(tls, Echo(tell_remaining)) as inner:

        async def ask_inner(_: bytes) -> bytes:
            mine = remaining_s()
            return f"{mine} {(await inner.one(b'', timeout=60)).decode()}".encode()

        async with talking(tls, Echo(ask_inner)) as outer:
            mine, its = map(float, (await outer.one(b"", timeout=1.0)).split())
    assert its <= mine - 0.02
    assert mine <= 1.1


async def test_the_inner_failure_is_the_one_that_is_told(tls: Tls) -> None:
    async def hang(_: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    seen: list[Exception] = []
    async with talking(tls, Echo(hang)) as inner:

        async def ask_inner(request: bytes) -> bytes:
            try:
                return bytes(await inner.one(request))
            except Timeout as error:
                seen.append(error)
                raise

        async with talking(tls, Echo(ask_inner)) as outer:
            with pytest.raises(Timeout) as raised:
                await outer.one(b"", timeout=0.5)
    assert raised.value.code == "deadline_exceeded"
    assert len(seen) == 1


async def test_a_call_with_next_to_no_time_is_refused_unserved(tls: Tls) -> None:
    service = Echo()
    async with serving(tls, service) as server:
        options = [("grpc.ssl_target_name_override", "order")]
        credentials = channel_credentials(tls.files("gateway"))
        async with aio.secure_channel(f"127.0.0.1:{server.port}", credentials, options=options) as channel:
            client = Client(channel)
            await client.one(b"", timeout=5)
            service.calls = 0
            with pytest.raises(aio.AioRpcError) as raised:
                await client.one(b"", timeout=0.04)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert service.calls == 0


async def test_a_call_without_time_left_is_not_sent(tls: Tls) -> None:
    service = Echo()
    async with talking(tls, service) as client:
        with within(0.01):
            with pytest.raises(Timeout):
                await client.one(b"", timeout=10)
            with pytest.raises(Timeout):
                await anext(aiter(client.out(b"")))
    assert service.calls == 0


def test_the_nearer_deadline_wins() -> None:
    assert remaining_s() is None
    with within(5):
        with within(60):
            assert (remaining_s() or 0) <= 5
        with within(1):
            assert (remaining_s() or 9) <= 1
        assert (remaining_s() or 0) > 4
    assert remaining_s() is None


async def test_a_handler_ends_when_its_deadline_passes(tls: Tls) -> None:
    ended = asyncio.Event()

    async def hang(_: bytes) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return b""

    async with talking(tls, Echo(hang)) as client:
        started = time.monotonic()
        with pytest.raises(Timeout):
            await client.one(b"", timeout=0.2)
        async with asyncio.timeout(10):
            await ended.wait()
        assert time.monotonic() - started >= 0.15
