"""Every kind of call is intercepted at both ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from prometheus_client import REGISTRY

from hub_rpc import caller, calling_as
from hub_rpc.context import bearer_token
from hub_runtime import current_traceparent, use_traceparent
from tests.libs.rpc.echo import Client, Echo, talking
from tests.support.tls import Tls

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


async def requests() -> AsyncIterator[bytes]:
    yield b"x"


async def collect_by_writing(client: Client) -> bytes:
    call = client.collect()
    await call.write(b"x")
    await call.done_writing()
    return bytes(await call)


async def both_by_writing(client: Client) -> bytes:
    call = client.both()
    await call.write(b"x")
    answer = bytes(await call.read())
    await call.done_writing()
    assert [message async for message in call] == []
    return answer


WAYS: dict[str, Callable[[Client], Awaitable[bytes]]] = {
    "One": lambda client: client.one(b"x"),
    "Out": lambda client: anext(aiter(client.out(b"x"))),
    "Collect": lambda client: client.collect(requests()),
    "Both": lambda client: anext(aiter(client.both(requests()))),
    "Collect by writing": collect_by_writing,
    "Both by writing": both_by_writing,
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_carries_caller_token_and_trace(tls: Tls, way: str) -> None:
    async def tell(_: bytes) -> bytes:
        return f"{caller()} {bearer_token()} {current_traceparent()}".encode()

    async with talking(tls, Echo(tell)) as client:
        with calling_as("t.o.k"), use_traceparent(TRACEPARENT):
            answer = await WAYS[way](client)
    assert answer.decode() == f"gateway t.o.k {TRACEPARENT}"


@pytest.mark.parametrize("way", ["One", "Out", "Collect", "Both"])
async def test_a_served_call_is_counted(tls: Tls, way: str) -> None:
    def count() -> float:
        labels = {"service": "test.Echo", "method": way, "code": "OK"}
        return REGISTRY.get_sample_value("hub_rpc_server_handled_total", labels) or 0.0

    before = count()
    async with talking(tls, Echo()) as client:
        if way in ("Out", "Both"):
            call = client.out(b"x") if way == "Out" else client.both(requests())
            _ = [message async for message in call]
        else:
            await WAYS[way](client)
    assert count() == before + 1
