"""Settlement is position's; the executions of an order only say when it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_errors import NotFound
from hub_order.store import Settlements
from hub_runtime import counter

SETTLED = counter("hub_order_settled_executions_total", "Executions that were said to have settled")


@dataclass(frozen=True, slots=True)
class Settled:
    """A trade is the execution it came from, under the same id."""

    execution_id: UUID
    settled_at: datetime


async def settle(told: Sequence[Settled], *, settlements: Settlements) -> None:
    """Twice is once, and the first time stays. Raises NotFound for what was never executed here."""
    times: dict[UUID, datetime] = {}
    for each in told:
        times.setdefault(each.execution_id, each.settled_at)
    found = await settlements.stamp(times)
    if missing := times.keys() - found:
        raise NotFound(f"There is no execution {min(missing)}.", code="execution_not_found")
    SETTLED.inc(len(found))
