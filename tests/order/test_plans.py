"""What a statement costs grows with the rows it is about, not with those that are there."""

from __future__ import annotations

import hub_order.store
from tests.order.house import House
from tests.support.plans import walks


async def test_statements_probe_indexes_though_they_are_planned_while_tables_are_small(house: House) -> None:
    assert await walks(house.pool, hub_order.store) == {}
