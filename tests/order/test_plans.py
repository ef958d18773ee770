"""What a statement costs grows with the rows it is about, not with those that are there."""

from __future__ import annotations

import pytest

import hub_order.store
from hub_order.store import reconciling
from tests.order.house import House
from tests.support.plans import plan_of, walks


async def test_statements_probe_indexes_though_they_are_planned_while_tables_are_small(house: House) -> None:
    assert await walks(house.pool, hub_order.store) == {}


@pytest.mark.parametrize("page", [reconciling.EXECUTIONS_PAGE, reconciling.OPEN_ORDERS])
async def test_a_page_is_read_in_the_order_of_an_index(house: House, page: str) -> None:
    plan = await plan_of(house.pool, page)
    assert "Index" in plan
    assert "Seq Scan" not in plan
    assert "Bitmap" not in plan
