"""Concurrent submits share calls and transactions, counted at the servers."""

from __future__ import annotations

import asyncio
import json

import httpx

from hub_local.ports import HOST
from hub_local.stack import Stack
from tests.system.places import admin_url
from tests.system.user import NewUser, User


async def counter(stack: Stack, service: str, name: str, **labels: str) -> float:
    async with httpx.AsyncClient() as http:
        page = (await http.get(f"{admin_url(stack, service)}/metrics")).text
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = [line for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(label in line for label in wanted))


async def counts(stack: Stack) -> dict[str, float]:
    return {
        "SubmitOrders calls": await counter(
            stack, "order", "hub_rpc_server_handled_total", method="SubmitOrders"
        ),
        "PlaceHolds calls": await counter(
            stack, "position", "hub_rpc_server_handled_total", method="PlaceHolds"
        ),
        "accepting transactions": await counter(stack, "order", "hub_order_accepting_transactions_total"),
    }


async def submit_at_once(stack: Stack, user: User, count: int) -> list[int]:
    """Writes one order to each of `count` open connections before it reads any answer; the statuses."""
    body = json.dumps({"symbol": "AAPL", "side": "BUY", "type": "MARKET", "quantity": "0.01"})
    request = (
        "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: {user.http.headers['authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    connections = [await asyncio.open_connection(HOST, stack.ports.http) for _ in range(count)]
    for _, writer in connections:
        writer.write(request)
    answers = await asyncio.gather(*(reader.read() for reader, _ in connections))
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    return [int(answer.split(b" ", 2)[1]) for answer in answers]


async def test_64_concurrent_submits_cause_at_most_8_calls_and_transactions_each(
    stack: Stack, new_user: NewUser
) -> None:
    user = await new_user()
    await user.get("/api/v1/balance")
    before = await counts(stack)
    assert await submit_at_once(stack, user, 64) == [202] * 64
    after = await counts(stack)
    assert len((await user.get("/api/v1/orders?page_size=100"))["orders"]) == 64
    for name, count in after.items():
        assert 1 <= count - before[name] <= 8, (name, before, after)
