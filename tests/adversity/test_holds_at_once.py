"""Two processes of position set aside for one account at once: never more than there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import uuid4

import pytest

from hub_order.clients import HoldRequest, Position
from hub_order.domain import Side
from hub_postgres import connect_pool
from tests.adversity.asking import accepted
from tests.adversity.checks import account, assert_right
from tests.adversity.platform import Databases, Platform, position_process
from tests.adversity.wire import Wire
from tests.support.tokens import TokenUser as User


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


async def test_cash_is_held_once(both: Platform, other: Position) -> None:
    """10 of 64 can be paid. Fails without FOR UPDATE in books.LOCK_ACCOUNTS."""
    user = await both.user(Decimal(1000))
    answers = await asyncio.gather(
        *(
            place.place_holds([hold(user, Side.BUY, "1", "100") for _ in range(8)])
            for place in [both.position, other] * 4
        )
    )
    assert sum(answer.granted for batch in answers for answer in batch) == 10
    assert (await account(both, user)).held == 1000
    await both.sweep()
    assert (await account(both, user)).held == 0


async def test_shares_are_held_once(both: Platform, user: User, other: Position) -> None:
    """10 of 64 are there. The account's row is what both wait for; the position's would do alone."""
    await accepted(both, user, quantity="10")
    await both.through()
    answers = await asyncio.gather(
        *(
            place.place_holds([hold(user, Side.SELL, "1", None) for _ in range(8)])
            for place in [both.position, other] * 4
        )
    )
    assert sum(answer.granted for batch in answers for answer in batch) == 10
    assert (await account(both, user)).positions["AAPL"] == (Decimal(10), Decimal(10))
    await both.sweep()
    await assert_right(both, [user])
