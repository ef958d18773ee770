"""Trades settle on their day, once, and the order service is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from hub.event.v1 import event_pb2
from hub_market_client import QuoteCache
from hub_position.clients import Market
from hub_position.domain.cash import settled_until
from hub_position.domain.trade import Side
from hub_position.settler import settle_all
from hub_position.usecases import settle_trades
from hub_runtime import utc_now
from tests.position.days import snapshot
from tests.position.world import SETTLES_ON, Owner, World, ending, execution, hold_of

DAY_BEFORE = SETTLES_ON - timedelta(days=1)


async def bought(world: World, owner: Owner, quantity: str = "10", *, orders: int = 1) -> list[UUID]:
    """Ids of the trades."""
    holds = [hold_of(owner, Side.BUY, quantity, "100") for _ in range(orders)]
    await world.hold(*holds)
    executed = [execution(hold, "100") for hold in holds]
    await world.book(executed, [ending(hold, quantity=quantity, count=1) for hold in holds])
    return [each.trade.trade_id for each in executed]


async def told(world: World, owner: Owner) -> list[tuple[str, str, str]]:
    """The settled trades that wait in the outbox, with where they go."""
    async with world.pool.acquire() as connection:
        rows = await connection.fetch("SELECT exchange, routing_key, envelope FROM outbox ORDER BY id")
    envelopes = [(row, event_pb2.Envelope.FromString(row["envelope"])) for row in rows]
    return [
        (row["exchange"], row["routing_key"], event.trade_settled.trade_id)
        for row, event in envelopes
        if event.type == "trade.settled" and event.account_id == str(owner.account_id)
    ]


async def test_a_trade_settles_on_its_day_and_not_before(world: World) -> None:
    owner = await world.owner()
    [trade_id] = await bought(world, owner)
    await world.settle_trades(DAY_BEFORE)
    assert await world.cash(owner) == (100_000, -1_000)
    assert await told(world, owner) == []
    await world.settle_trades(SETTLES_ON)
    assert await world.cash(owner) == (99_000, 0)
    assert await told(world, owner) == [("orders", "settlement", str(trade_id))]
    await world.assert_balanced(owner)


async def test_scans_at_once_settle_each_trade_once(world: World) -> None:
    owners = [await world.owner() for _ in range(4)]
    trades = {owner.account_id: await bought(world, owner, orders=5) for owner in owners}
    await asyncio.gather(*(world.settle_trades() for _ in range(4)))
    for owner in owners:
        assert sorted(each[2] for each in await told(world, owner)) == sorted(
            str(each) for each in trades[owner.account_id]
        )
        assert await world.cash(owner) == (95_000, 0)
        await world.assert_balanced(owner)


async def test_a_scan_among_bookings_and_holds_leaves_the_books_right(world: World) -> None:
    owner = await world.owner()
    for _ in range(5):
        await asyncio.gather(
            bought(world, owner, "1"),
            world.settle_trades(),
            bought(world, owner, "2"),
            world.hold(hold_of(owner, Side.SELL, "1")),
        )
    await world.settle_trades()
    assert await world.cash(owner) == (98_500, 0)
    await world.assert_balanced(owner)


async def test_a_scan_is_bounded_and_begins_with_the_oldest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.settle_trades(date(2100, 1, 1))
    owner = await world.owner()
    await bought(world, owner, orders=3)
    monkeypatch.setattr("hub_position.usecases.settlement.TRADES_AT_ONCE", 2)
    counts = [await settle_trades(SETTLES_ON, pool=world.pool, now=utc_now()) for _ in range(3)]
    assert counts == [2, 1, 0]


async def test_a_trade_that_comes_late_settles_in_the_next_scan(world: World) -> None:
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100", minute=10)
    await world.settle_trades()
    await world.trade(owner, Side.BUY, "1", "50", minute=1)
    await world.settle_trades()
    assert await world.cash(owner) == (Decimal(98_950), 0)
    await world.assert_balanced(owner)


@pytest.mark.parametrize(
    ("market_time", "until"),
    [
        (datetime(2026, 1, 6, 11, 59, tzinfo=UTC), date(2026, 1, 5)),
        (datetime(2026, 1, 6, 12, 0, tzinfo=UTC), date(2026, 1, 6)),
        (datetime(2026, 1, 7, 3, 0, tzinfo=UTC), date(2026, 1, 6)),
    ],
    ids=["the evening before in New York", "its morning", "its evening"],
)
def test_a_day_is_settled_from_its_morning_in_new_york(market_time: datetime, until: date) -> None:
    assert settled_until(market_time) == until


async def test_the_markets_clock_says_what_is_due_not_the_wall_clock(world: World) -> None:
    owner = await world.owner()
    await bought(world, owner)
    for day, unsettled in ((5, -1_000), (6, 0)):
        cache = QuoteCache()
        cache.apply(snapshot(market_time=datetime(2026, 1, day, 13, tzinfo=UTC)))
        await settle_all(pool=world.pool, market=Market(cache), clock=utc_now)
        assert (await world.balance(owner)).account.unsettled == unsettled
