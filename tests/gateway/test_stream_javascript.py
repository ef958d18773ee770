"""The JavaScript client in Node: alone, and against a real gateway."""

from __future__ import annotations

import asyncio
import json
import os
import re
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hub_gateway.docs import OURS
from hub_gateway.wire import RESTART
from tests.gateway.test_stream import SYMBOLS, Upstream, gateway, upstream
from tests.gateway.test_stream_adversity import state
from tests.gateway.world import Gateway

__all__ = ["gateway", "upstream"]

SCRIPTS = Path(__file__).parent / "javascript"
CLIENT = OURS / "stream-client.js"


async def test_the_client_alone() -> None:
    process = await asyncio.create_subprocess_exec(
        "node",
        "--test",
        str(SCRIPTS / "pure.mjs"),
        stdout=PIPE,
        env={**os.environ, "STREAM_CLIENT": str(CLIENT)},
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert re.search(r"^\S+ pass 8$", output.decode(), re.MULTILINE), output.decode()


@asynccontextmanager
async def node(gateway: Gateway, *symbols: str) -> AsyncIterator[Process]:
    arguments = [str(CLIENT), gateway.stream_url, gateway.signer.token(), *symbols]
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPTS / "follow.mjs"), *arguments, stdin=PIPE, stdout=PIPE, limit=1 << 22
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(10):
            assert process.stdout is not None
            await process.stdout.read()
            assert await process.wait() == 0


async def told(process: Process, event: str, about: Any = None) -> Any:
    """What comes with the next such event, or the next that is this."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while True:
            line = json.loads(await process.stdout.readline())
            if line["event"] == event and about in (None, line["about"]):
                return line["about"]


async def test_it_has_what_the_server_has_also_after_everything_was_cut(
    gateway: Gateway, upstream: Upstream
) -> None:
    async with node(gateway, *SYMBOLS, "NOPE") as process:
        assert await told(process, "unknown") == ["NOPE"]
        for epoch in (1, 1, 2):
            upstream.epoch = epoch
            upstream.tick()
            await told(process, "quotes", state(upstream, SYMBOLS))
            for session in list(gateway.sockets._sessions):
                session.end(RESTART, "restart")
            await told(process, "state", "open")
            await told(process, "quotes", state(upstream, SYMBOLS))
        assert process.stdin is not None
        process.stdin.write(b"MSFT\n")
        await asyncio.sleep(0.1)
        upstream.tick()
        await told(process, "quotes", state(upstream, ["AAPL"]))
