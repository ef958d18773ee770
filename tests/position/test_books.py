"""Cash and positions in one answer: of one moment, the caller's own, and the same as each by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from hub.position.v1 import position_pb2, position_pb2_grpc
from hub_errors import Denied, NotFound, Unauthenticated
from hub_position.domain.trade import Side
from hub_postgres import Pool
from hub_rpc import calling_as
from tests.position.house import House, position_house
from tests.position.world import World
from tests.support.servers import Database
from tests.support.tls import Tls

BOOKING = (
    "UPDATE accounts SET cash_settled = cash_settled - 500 WHERE account_id = $1",
    "UPDATE positions SET total_cost = total_cost + 500 WHERE account_id = $1",
)
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'positions'::regclass)"


@pytest.fixture(scope="module")
async def house(world: World, tls: Tls) -> AsyncIterator[House]:
    async with position_house(world, tls) as made:
        yield made


@pytest.fixture
async def portfolio(house: House) -> AsyncIterator[Any]:
    async with house.channel("portfolio") as channel:
        yield position_pb2_grpc.PositionServiceStub(channel)


async def books(portfolio: Any, token: str) -> position_pb2.GetBooksResponse:
    with calling_as(token):
        found: position_pb2.GetBooksResponse = await portfolio.GetBooks(position_pb2.GetBooksRequest())
    return found


async def test_the_first_look_opens_the_account_once(house: House, portfolio: Any, world: World) -> None:
    user = house.signer.user()
    looks = await asyncio.gather(*(books(portfolio, user.token) for _ in range(5)))
    assert {(look.balance.cash, len(look.positions)) for look in looks} == {("100000", 0)}
    async with world.pool.acquire() as connection:
        opened = "SELECT count(*) FROM postings WHERE account_id = $1 AND ledger_account = 'external'"
        assert await connection.fetchval(opened, user.account_id) == 1


async def test_they_are_what_the_balance_and_the_positions_are(house: House, portfolio: Any) -> None:
    user, owner = await house.owner()
    await house.world.trade(owner, Side.BUY, "10", "100")
    await house.world.trade(owner, Side.SELL, "4", "110", minute=1)
    found = await books(portfolio, user.token)
    with calling_as(user.token):
        assert found.balance == await house.gateway.GetBalance(position_pb2.GetBalanceRequest())
        listed = await house.gateway.ListPositions(position_pb2.ListPositionsRequest())
    assert list(found.positions) == list(listed.positions)


async def test_a_booking_between_the_two_reads_is_in_neither(
    house: House, portfolio: Any, position_pool: Pool, position_database: Database
) -> None:
    user, owner = await house.owner()
    await house.world.trade(owner, Side.BUY, "10", "100")
    writer = await asyncpg.connect(position_database.dsn, timeout=10)
    try:
        async with writer.transaction():
            await writer.execute("LOCK TABLE positions IN ACCESS EXCLUSIVE MODE")
            look = asyncio.create_task(books(portfolio, user.token))
            async with asyncio.timeout(20):
                while not await writer.fetchval(WAITING):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.01)
            for statement in BOOKING:
                await writer.execute(statement, owner.account_id)
        found = await look
    finally:
        await writer.close(timeout=5)
    assert (found.balance.cash, found.positions[0].total_cost) == ("99000", "1000")
    after = await books(portfolio, user.token)
    assert (after.balance.cash, after.positions[0].total_cost) == ("98500", "1500")
    assert Decimal(after.balance.cash) + Decimal(after.positions[0].total_cost) == 100_000


async def test_whose_books_they_are_the_token_says_and_only_the_portfolio_service_may_ask(
    house: House, portfolio: Any
) -> None:
    user = house.signer.user()
    await books(portfolio, user.token)
    with pytest.raises(NotFound):
        await books(portfolio, house.signer.user(acc=str(user.account_id)).token)
    with pytest.raises(Unauthenticated):
        await books(portfolio, "")
    for caller in ("gateway", "order"):
        async with house.channel(caller) as channel:
            with pytest.raises(Denied):
                await books(position_pb2_grpc.PositionServiceStub(channel), user.token)
