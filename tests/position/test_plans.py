"""What a statement costs grows with the rows it is about, not with those that are there."""

from __future__ import annotations

import hub_position.store
from tests.position.world import World
from tests.support.plans import walks


async def test_statements_probe_indexes_though_they_are_planned_while_tables_are_small(world: World) -> None:
    assert await walks(world.pool, hub_position.store) == {}
