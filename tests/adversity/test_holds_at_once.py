"""Two processes of position set aside for one account at once: never more than there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import uuid4

import pytest

from hub_order.clients import HoldAnswer, HoldRequest, Position
from hub_order.domain import Side
from hub_postgres import connect_pool
from tests.adversity.asking import accepted
from tests.adversity.checks import account, assert_right
from tests.adversity.platform import Databases, Platform, position_process
from tests.adversity.wire import Wire
from tests.support.jobs import eventually
from tests.support.tokens import TokenUser as User

LOCK = "SELECT FROM accounts WHERE account_id = $1 FOR UPDATE"
WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def other(both: Platform, databases: Databases) -> AsyncIterator[Position]:
    """Another process of position, with a pool of its own."""
    login = databases.position.runtime
    async with (
        await connect_pool(login.url, login.password) as pool,
        position_process(pool, trust=both.trust, tape=both.tape, deposit=both.deposit) as books,
    ):
        yield Position(Wire(books.rpc).channel)


def hold(user: User, side: Side, quantity: str, price: str | None) -> HoldRequest:
    return HoldRequest(
        hold_id=uuid4(),
        order_id=uuid4(),
        account_id=user.account_id,
        user_id=user.user_id,
        side=side,
        symbol="AAPL",
        quantity=Decimal(quantity),
        unit_price=None if price is None else Decimal(price),
        idempotency_key="",
        traceparent="",
    )


async def placed_at_once(both: Platform, other: Position, *batches: list[HoldRequest]) -> list[HoldAnswer]:
    """Both processes have begun, and wait for the account's row, before either can go on."""
    async with both.books.pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute(LOCK, batches[0][0].account_id)
            places = [both.position, other]
            tasks = [
                asyncio.ensure_future(place.place_holds(batch))
                for place, batch in zip(places, batches, strict=True)
            ]

            async def both_wait() -> bool:
                waiting: int = await both.books.pool.fetchval(WAITING)
                return waiting == len(tasks)

            await eventually(both_wait)
        return [answer for batch in await asyncio.gather(*tasks) for answer in batch]


async def test_cash_is_held_once(both: Platform, other: Position) -> None:
    """10 of 16 can be paid. Fails without FOR UPDATE in books.LOCK_ACCOUNTS."""
    user = await both.user(Decimal(1000))
    batches = [[hold(user, Side.BUY, "1", "100") for _ in range(8)] for _ in range(2)]
    answers = await placed_at_once(both, other, *batches)
    assert sum(answer.granted for answer in answers) == 10
    assert (await account(both, user)).held == 1000
    await both.sweep()
    assert (await account(both, user)).held == 0


async def test_shares_are_held_once(both: Platform, user: User, other: Position) -> None:
    """10 of 16 are there. Fails without FOR UPDATE in books.LOCK_ACCOUNTS and in books.LOCK_POSITIONS: one of
    the two would do."""
    await accepted(both, user, quantity="10")
    await both.through()
    batches = [[hold(user, Side.SELL, "1", None) for _ in range(8)] for _ in range(2)]
    answers = await placed_at_once(both, other, *batches)
    assert sum(answer.granted for answer in answers) == 10
    assert (await account(both, user)).positions["AAPL"] == (Decimal(10), Decimal(10))
    await both.sweep()
    await assert_right(both, [user])
