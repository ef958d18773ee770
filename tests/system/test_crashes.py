"""Whatever is killed, no order is lost, none is executed twice, and the books balance."""

from __future__ import annotations

import asyncio
import random

import httpx
import pytest

from hub_local.layout import SERVICES
from hub_local.stack import Stack
from tests.system.books import balanced
from tests.system.places import database
from tests.system.user import FINAL, NewUser, User, until

VICTIMS = ["postgres", "rabbitmq", "redis", *SERVICES]
ORDERS_PER_SECOND = 20


class Load:
    """Twenty orders a second of one user; remembers what was accepted."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.accepted: set[str] = set()
        self.in_doubt: set[str] = set()

    async def count(self) -> int:
        return len(self.accepted)

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                group.create_task(self.submit())
                await asyncio.sleep(1 / ORDERS_PER_SECOND)

    async def submit(self) -> None:
        symbol = random.choice(["AAPL", "MSFT", "IBM"])
        order = {"symbol": symbol, "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        try:
            answer = await self.user.http.post("/api/v1/orders", json=order)
        except httpx.HTTPError:
            return
        if answer.status_code == 202:
            self.accepted.add(answer.json()["order_id"])
        elif answer.json().get("order_id"):
            self.in_doubt.add(answer.json()["order_id"])
        assert answer.status_code in {202, 409, 422, 429, 503, 504}, answer.text


async def unfinished(user: User, order_ids: set[str]) -> dict[str, str]:
    """The orders that are not final, or that are not there."""
    found = {}
    for order_id in order_ids:
        answer = await user.http.get(f"/api/v1/orders/{order_id}")
        status = answer.json()["order"]["status"] if answer.status_code == 200 else str(answer.status_code)
        if status not in FINAL:
            found[order_id] = status
    return found


@pytest.mark.timeout(400)
async def test_books_balance_after_kill_9_of_each_process_under_load(stack: Stack, new_user: NewUser) -> None:
    user = await new_user()
    load, stop = Load(user), asyncio.Event()
    running = asyncio.create_task(load.run(stop))
    for victim in VICTIMS:
        before = len(load.accepted)
        await stack.wait_replaced(victim, stack.kill(victim))
        await stack.wait_ready()
        enough = before + ORDERS_PER_SECOND
        await until(load.count, lambda accepted: accepted >= enough, timeout_s=60)  # noqa: B023 - used at once
    stop.set()
    await running
    assert len(load.accepted) > ORDERS_PER_SECOND * len(VICTIMS)
    assert await balanced(database(stack, "order"), database(stack, "position"), timeout_s=150) == []
    assert await unfinished(user, load.accepted) == {}
    # What nobody could answer for either became an order, and ended, or never was one.
    assert set((await unfinished(user, load.in_doubt)).values()) <= {"404"}
