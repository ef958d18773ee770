"""What a statement costs grows with the rows it is about, not with those that are there."""

from __future__ import annotations

import pytest

import hub_position.store
from hub_position.domain.trade import Side
from hub_position.store import checks, checks_since, reconciling
from tests.position.acting import differences, differences_since
from tests.position.world import Owner, World, execution, hold_of
from tests.support.plans import plan_of, rows_read, walks


async def test_statements_probe_indexes_though_they_are_planned_while_tables_are_small(world: World) -> None:
    assert await walks(world.pool, hub_position.store) == {}


@pytest.mark.parametrize("page", [checks.NEXT_ACCOUNTS, reconciling.OPEN_HOLDS])
async def test_a_page_is_read_in_the_order_of_an_index(world: World, page: str) -> None:
    plan = await plan_of(world.pool, page)
    assert "Index" in plan
    assert not any(step in plan for step in ("Sort", "Seq Scan")), plan


MANY, FEW = 250, 5
# A trade has two postings, and some parts of a statement read them.
OFTEN = 10


async def trades(world: World, owner: Owner, count: int, *, since: int) -> None:
    buy = hold_of(owner, Side.BUY, str(count), "1")
    await world.book([execution(buy, "1", quantity="1", minute=since + number) for number in range(count)])


@pytest.mark.parametrize("number", range(len(checks_since.ALL)))
async def test_what_came_since_is_added_up_without_what_was_before_and_what_others_did(
    world: World, number: int
) -> None:
    owner, other = await world.owner(), await world.owner()
    await trades(world, owner, MANY, since=0)
    assert await differences(world, owner) == []
    await trades(world, other, MANY, since=0)
    await world.hold(*(hold_of(other, Side.BUY, "1", "1") for _ in range(MANY)))
    await trades(world, owner, FEW, since=MANY)
    read = await rows_read(world.pool, checks_since.ALL[number], [owner.account_id])
    assert all(count <= FEW * OFTEN for count in read.values()), read
    whole = await rows_read(world.pool, checks.TRADES, [owner.account_id])
    assert whole["trades"] >= MANY
    assert await differences_since(world, owner) == []


async def test_what_was_found_is_kept_without_a_look_at_the_past(world: World) -> None:
    owner = await world.owner()
    await trades(world, owner, MANY, since=0)
    read = await rows_read(world.pool, checks_since.KEEP_ACCOUNTS, [owner.account_id])
    assert all(count <= FEW for count in read.values()), read
