"""The broker is away for half a minute under load; what was answered 202 is executed afterwards, in order."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from hub_local.stack import Stack
from tests.system.books import balanced
from tests.system.places import database
from tests.system.user import NewUser, User

OUTAGE_S = 30
ORDERS_PER_SECOND = 100

# Of every account, executions of market orders in the order in which these were accepted.
OVERTAKEN = """
    SELECT count(*) FROM (
        SELECT executed_at, lag(executed_at) OVER (PARTITION BY o.account_id ORDER BY o.id) AS before
        FROM orders o JOIN executions e ON e.order_id = o.id WHERE o.id = ANY ($1::uuid[])
    ) AS pairs WHERE executed_at < before
"""


@pytest.mark.timeout(300)
async def test_orders_accepted_while_the_broker_is_away_are_executed_in_order(
    stack: Stack, new_user: NewUser
) -> None:
    users = [await new_user() for _ in range(5)]
    accepted: list[str] = []
    broker = stack.children["rabbitmq"]

    async def trade(user: User) -> None:
        """One order after the other, so that their order is known."""
        loop = asyncio.get_running_loop()
        until = loop.time() + OUTAGE_S
        while loop.time() < until:
            order = {"symbol": "AAPL", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
            answer = await user.http.post("/api/v1/orders", json=order)
            assert answer.status_code == 202, answer.text
            accepted.append(answer.json()["order_id"])
            await asyncio.sleep(len(users) / ORDERS_PER_SECOND)

    await broker.stop(limit=5)
    async with asyncio.TaskGroup() as group:
        for user in users:
            group.create_task(trade(user))
    broker.start()
    await stack.wait_ready()
    assert await balanced(database(stack, "order"), database(stack, "position"), timeout_s=90) == []
    connection = await asyncpg.connect(database(stack, "order"))
    try:
        executed = await connection.fetchval(
            "SELECT count(*) FROM orders WHERE id = ANY ($1::uuid[]) AND status = 'EXECUTED'", accepted
        )
        overtaken = await connection.fetchval(OVERTAKEN, accepted)
    finally:
        await connection.close()
    assert (executed, overtaken) == (len(accepted), 0)
