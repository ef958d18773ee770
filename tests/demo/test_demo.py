"""The demonstration fails with one clear last line, ends when told to, and does its arithmetic right."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_local.demo.client import DemoError
from hub_local.demo.live import Live
from hub_local.demo.screen import Screen, money, number, signed
from hub_local.demo.story import below


async def start(gateway: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hub_local.demo", "--gateway", gateway),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def ended(demo: asyncio.subprocess.Process) -> tuple[int | None, str]:
    output, _ = await asyncio.wait_for(demo.communicate(), 30)
    text = output.decode()
    assert "Traceback" not in text, text
    assert "\x1b" not in text  # no colour where no person looks
    return demo.returncode, text.rstrip().splitlines()[-1]


@asynccontextmanager
async def gateway_that_says(answer: bytes | None) -> AsyncIterator[tuple[str, asyncio.Event]]:
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split()[0]))
        asked.set()
        if answer is None:
            await reader.read()  # says nothing until the client goes
        else:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n" + answer)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_nobody_at_the_gateways_address() -> None:
    code, last = await ended(await start("http://127.0.0.1:1"))
    assert code == 1
    assert last.startswith("demo: FAILED: POST /api/v1/auth/register: ConnectError")


@pytest.mark.parametrize("answer", [b'{"code":"limits_unavailable","detail":"Not now."}', b"<html>", b"[]"])
async def test_a_gateway_that_refuses(answer: bytes) -> None:
    async with gateway_that_says(answer) as (url, _):
        code, last = await ended(await start(url))
    assert code == 1
    assert last.startswith("demo: FAILED: POST /api/v1/auth/register: 503 instead of 201: ")


async def test_an_interrupt_ends_it_at_once_and_cleanly() -> None:
    async with gateway_that_says(None) as (url, asked):
        demo = await start(url)
        await asyncio.wait_for(asked.wait(), 20)
        demo.send_signal(signal.SIGINT)
        code, last = await ended(demo)
    assert (code, last) == (130, "demo: FAILED: interrupted")


@given(
    ask=st.decimals("1", "5000", places=2),
    tick=st.sampled_from([Decimal("0.01"), Decimal("0.05"), Decimal("0.0001")]),
    attempt=st.integers(0, 2),
)
def test_the_limit_is_on_the_tick_and_always_below_the_ask(ask: Decimal, tick: Decimal, attempt: int) -> None:
    limit = below(str(ask), tick, attempt)
    assert limit < ask
    if ask % tick == 0:
        assert limit % tick == 0
    assert ask - limit <= ask * Decimal("0.0022") + tick


def patch(symbol: str, **values: str) -> dict[str, Any]:
    ops = [{"op": "replace", "path": f"/quotes/{symbol}/{k}", "value": v} for k, v in values.items()]
    return {"type": "quotes_patch", "patches": [{"symbol": symbol, "epoch": 1, "seq": 2, "ops": ops}]}


async def test_live_quotes_follow_patches_and_orders_never_go_back() -> None:
    live = Live()
    quote = {"bid": "1", "ask": "2"}
    await live._take({"type": "quotes_snapshot", "symbol": "AAPL", "epoch": 1, "seq": 1, "quote": quote})
    await live._take(patch("AAPL", ask="3"))
    assert live.ask("AAPL") == 3
    for version, status in [(2, "EXECUTED"), (1, "PENDING")]:
        order = {"order_id": "o", "version": version, "status": status}
        await live._take({"type": "order_update", "order": order})
    assert live.orders["o"]["status"] == "EXECUTED"


async def test_what_never_comes_is_said_to_be_missing() -> None:
    with pytest.raises(DemoError, match="snapshots: not within"):
        await Live().until(lambda: False, what="snapshots", within_s=0.01)
    live = Live()
    await live._take({"type": "error", "code": "token_expired"})
    with pytest.raises(DemoError, match="token_expired"):
        await live.until(lambda: False, what="snapshots", within_s=5)


def test_numbers_are_written_for_people() -> None:
    assert [money("1234567.891"), money("0.005"), signed("-3"), signed("2.5")] == [
        *("1,234,567.89", "0.00", "-3.00", "+2.50")
    ]
    assert [number("10.000"), number("0.10"), number("1000")] == ["10", "0.1", "1,000"]


def test_tables_are_aligned() -> None:
    out = io.StringIO()
    Screen(out).table(["", "quantity"], [["AAPL", "6"], ["BRK.A", "12.5"]])
    assert out.getvalue().splitlines() == [
        "                quantity",
        "        AAPL           6",
        "        BRK.A       12.5",
    ]
