"""What a statement costs grows with the rows it is about, not with those that are there."""

from __future__ import annotations

import pytest

import hub_position.store
from hub_position.store import checks, reconciling
from tests.position.world import World
from tests.support.plans import plan_of, walks


async def test_statements_probe_indexes_though_they_are_planned_while_tables_are_small(world: World) -> None:
    assert await walks(world.pool, hub_position.store) == {}


@pytest.mark.parametrize("page", [checks.NEXT_ACCOUNTS, reconciling.OPEN_HOLDS])
async def test_a_page_is_read_in_the_order_of_an_index(world: World, page: str) -> None:
    plan = await plan_of(world.pool, page)
    assert "Index" in plan
    assert not any(step in plan for step in ("Sort", "Seq Scan")), plan
