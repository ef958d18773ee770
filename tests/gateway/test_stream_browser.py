"""The page at /docs/stream.html, in Chromium: what a person would see. `make test-browser`."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from hub_gateway.wire import RESTART
from tests.gateway.test_stream import SYMBOLS, Upstream, gateway, upstream
from tests.gateway.test_stream_adversity import state
from tests.gateway.world import Gateway

__all__ = ["gateway", "upstream"]

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
FOLLOW = """
document.getElementById("token").value = {token};
document.getElementById("symbols").value = {symbols};
document.getElementById("form").requestSubmit();
"""
SHOWN = """
JSON.stringify(Array.from(document.querySelectorAll("#quotes tr"), row =>
  Array.from(row.children, cell => cell.textContent)))
"""


class Page:
    """A tab, by the DevTools protocol."""

    def __init__(self, devtools: ClientConnection) -> None:
        self._devtools = devtools
        self._numbers = itertools.count(1)

    async def run(self, expression: str) -> Any:
        number = next(self._numbers)
        wanted = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        message = {"id": number, "method": "Runtime.evaluate", "params": wanted}
        await self._devtools.send(json.dumps(message))
        while True:
            answer = json.loads(await self._devtools.recv())
            if answer.get("id") == number:
                assert "exceptionDetails" not in answer["result"], answer
                return answer["result"]["result"].get("value")

    async def until(self, expression: str, wanted: object) -> None:
        found = None
        try:
            async with asyncio.timeout(20):
                while found != wanted:
                    found = await self.run(expression)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{expression}: {found}, not {wanted}") from None


@asynccontextmanager
async def chromium(url: str) -> AsyncIterator[Page]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = [*FLAGS, f"--user-data-dir={profile}", url]
        process = await asyncio.create_subprocess_exec("chromium", *flags, stdout=DEVNULL, stderr=DEVNULL)
        try:
            async with connect(await _tab(Path(profile), url), max_size=None, proxy=None) as devtools:
                yield Page(devtools)
        finally:
            process.terminate()
            await process.wait()


async def _tab(profile: Path, url: str) -> str:
    """Where the DevTools of the page listen."""
    told = profile / "DevToolsActivePort"
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as http:
        while True:
            await asyncio.sleep(0.05)
            if not told.exists() or not (lines := told.read_text().split()):
                continue
            for tab in (await http.get(f"http://127.0.0.1:{lines[0]}/json")).json():
                if tab["type"] == "page" and tab["url"] == url:
                    return str(tab["webSocketDebuggerUrl"])


def shown(upstream: Upstream, symbols: list[str]) -> str:
    quotes = state(upstream, symbols)
    rows = [[quotes[name][field] for field in ("symbol", "bid", "ask", "last")] for name in symbols]
    return json.dumps(rows, separators=(",", ":"))


async def test_a_person_sees_the_quotes_also_after_the_gateway_was_restarted(
    gateway: Gateway, upstream: Upstream
) -> None:
    async with chromium(f"{gateway.url}/docs/stream.html") as page:
        await page.until("document.readyState + location.pathname", "complete/docs/stream.html")
        told = {"token": json.dumps(gateway.signer.token()), "symbols": json.dumps("AAPL, MSFT, NOPE")}
        await page.run(FOLLOW.format(**told))
        await page.until("document.getElementById('state').textContent", "open")
        await page.until(SHOWN, shown(upstream, SYMBOLS))
        await page.until("document.getElementById('told').textContent", "not known: NOPE")
        for epoch in (1, 2):
            upstream.epoch = epoch
            upstream.tick()
            await page.until(SHOWN, shown(upstream, SYMBOLS))
            for session in list(gateway.sockets._sessions):
                session.end(RESTART, "restart")
            upstream.tick()
            await page.until(SHOWN, shown(upstream, SYMBOLS))
