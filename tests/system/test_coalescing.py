"""Concurrent submits share calls and transactions, counted at the servers."""

from __future__ import annotations

import asyncio

import httpx
from hub_local.stack import Stack

from tests.system.places import admin_url
from tests.system.user import NewUser


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


async def test_64_concurrent_submits_cause_at_most_8_calls_and_transactions_each(
    stack: Stack, new_user: NewUser
) -> None:
    user = await new_user()
    await user.get("/api/v1/balance")
    await asyncio.gather(*(user.http.get("/api/v1/me") for _ in range(64)))  # 64 open connections
    before = await counts(stack)
    accepted = await asyncio.gather(*(user.buy("AAPL", "0.01") for _ in range(64)))
    after = await counts(stack)
    assert len({order["order_id"] for order in accepted}) == 64
    for name, count in after.items():
        assert 1 <= count - before[name] <= 8, name
