"""A sale beyond the holding is booked, and restricts the account if the holding stays negative."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from hub.event.v1 import event_pb2
from hub_position.domain.account import AccountStatus
from hub_position.domain.trade import Side
from hub_position.settler import restrict_all
from hub_position.usecases import set_account_state
from hub_postgres import connect_pool
from hub_runtime import utc_now
from tests.position.test_account_states import log_of
from tests.position.world import Owner, World, execution, hold_of
from tests.support.servers import Database

PATIENCE = timedelta(seconds=60)
OVERSOLD = ("ACTIVE", "RESTRICTED", "ACTIVE", "ACTIVE", "OVERSOLD", "position")


async def oversold(world: World, *, minute: int = 1) -> Owner:
    """Has bought 10 and sold 11."""
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    await world.book([execution(hold_of(owner, Side.SELL, "11"), "100", minute=minute)])
    return owner


async def scan(world: World, after: timedelta = PATIENCE) -> None:
    """As it is done so long after now."""

    def then() -> datetime:
        return utc_now() + after

    await restrict_all(pool=world.pool, clock=then, oversold_for=PATIENCE)


async def status(world: World, owner: Owner) -> str:
    return (await world.balance(owner)).account.status.value


async def test_an_account_whose_holding_stays_negative_is_restricted_once(
    world: World, position_database: Database
) -> None:
    owner = await oversold(world)
    assert await status(world, owner) == "ACTIVE"
    await scan(world, PATIENCE - timedelta(seconds=5))
    assert await status(world, owner) == "ACTIVE"
    login = position_database.runtime
    async with await connect_pool(login.url, login.password, size=2) as other:
        await asyncio.gather(scan(world), scan(World(other)), scan(World(other)))
    assert await status(world, owner) == "RESTRICTED"
    assert await log_of(world, owner) == [OVERSOLD]
    async with world.pool.acquire() as connection:
        rows = await connection.fetch("SELECT envelope FROM outbox ORDER BY id")
    events = [event_pb2.Envelope.FromString(row["envelope"]) for row in rows]
    mine = [event for event in events if event.account_id == str(owner.account_id)]
    assert [event.position_changed.kind for event in mine if event.HasField("position_changed")] == [
        "created",
        "validation_failed",
    ]
    told = [event.account_changed.status for event in mine if event.HasField("account_changed")]
    assert told == ["ACTIVE", "ACTIVE", "RESTRICTED"]
    buy, _ = await world.hold(hold_of(owner, Side.BUY, "1", "1"), hold_of(owner, Side.SELL, "1"))
    assert buy.code == "account_restricted"
    await world.assert_balanced(owner)


async def test_a_purchase_that_comes_late_cures_before_the_scan(world: World) -> None:
    owner = await oversold(world)
    await world.book([execution(hold_of(owner, Side.BUY, "1", "100"), "100")])
    await scan(world)
    assert await status(world, owner) == "ACTIVE"
    assert await log_of(world, owner) == []


async def test_how_long_counts_from_when_the_holding_became_negative_last(world: World) -> None:
    """It is cured, and negative again, and sold further while it is."""
    owner = await oversold(world)
    first = (await world.position(owner)).negative_since
    await world.book([execution(hold_of(owner, Side.BUY, "5", "100"), "100", minute=2)])
    assert (await world.position(owner)).negative_since is None
    await world.book([execution(hold_of(owner, Side.SELL, "6"), "100", minute=3)])
    again = (await world.position(owner)).negative_since
    await world.book([execution(hold_of(owner, Side.SELL, "1"), "100", minute=4)])
    position = await world.position(owner)
    assert position.holding.quantity == -3
    assert position.negative_since == again
    assert first is not None
    assert again is not None
    assert again > first


async def test_what_restricts_is_lifted_by_an_administrator_and_by_nothing_else(world: World) -> None:
    """Neither by a purchase that cures it; who is set free while the holding is still negative stays free,
    until it is negative anew."""
    owner = await oversold(world)
    await scan(world)
    await world.book([execution(hold_of(owner, Side.BUY, "1", "100"), "100", minute=2)])
    await scan(world)
    assert await status(world, owner) == "RESTRICTED"

    other = await oversold(world)
    await scan(world)
    freed = {"status": AccountStatus.ACTIVE, "trading_state": None, "reason": "known", "actor": "admin:x"}
    await set_account_state(other.account_id, **freed, pool=world.pool, now=utc_now())  # type: ignore[arg-type]
    await scan(world, 2 * PATIENCE)
    assert await status(world, other) == "ACTIVE"
    await world.book([execution(hold_of(other, Side.BUY, "5", "100"), "100", minute=2)])
    await world.book([execution(hold_of(other, Side.SELL, "6"), "100", minute=3)])
    await scan(world, 2 * PATIENCE)
    assert await status(world, other) == "RESTRICTED"


async def test_a_restriction_for_another_reason_stays_as_it_is(world: World) -> None:
    owner = await oversold(world)
    wanted = {"status": AccountStatus.CLOSED, "trading_state": None, "reason": "left", "actor": "admin:x"}
    await set_account_state(owner.account_id, **wanted, pool=world.pool, now=utc_now())  # type: ignore[arg-type]
    await scan(world)
    assert [entry[4] for entry in await log_of(world, owner)] == ["left"]
    assert await status(world, owner) == "CLOSED"
