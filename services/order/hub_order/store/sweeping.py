"""What the sweeper needs: orders that are due, orders that never came to be, keys that have expired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_order.domain import Change, Reason
from hub_order.store import rows
from hub_postgres import Pool, acquire, column_arrays, transaction

# An order that was abandoned uses no hold; all others vouch for the one that they point to.
HOLDS_OF = """
    SELECT id, CASE WHEN status <> 'FAILED' OR reason <> $2 THEN hold_id END AS hold_id
    FROM orders WHERE id = ANY ($1::uuid[])
"""

OLD_MARKET_ORDERS = """
    SELECT id
    FROM orders JOIN unnest($1::text[], $2::timestamptz[]) AS old (symbol, accepted_before) USING (symbol)
    WHERE type = 'MARKET' AND status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED')
      AND accepted_at < $3 AND accepted_at < accepted_before
    ORDER BY accepted_at LIMIT $4
"""

FORGET_KEYS = """
    DELETE FROM idempotency_keys WHERE (account_id, key) IN (
        SELECT account_id, key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Sweeping:
    pool: Pool

    async def existing(self, order_ids: Sequence[UUID]) -> dict[UUID, UUID | None]:
        """Which of these orders exist, and the hold that each vouches for."""
        async with acquire(self.pool) as connection:
            found = await connection.fetch(HOLDS_OF, order_ids, Reason.ABANDONED)
        return {row["id"]: row["hold_id"] for row in found}

    async def abandon(self, changes: Sequence[Change]) -> set[UUID]:
        """Takes the ids of orders that never came, so that they never can. Which it could take."""
        ordered = sorted(changes, key=lambda change: change.order.order_id)
        values = [rows.order_values(change.order) for change in ordered]
        async with transaction(self.pool) as connection:
            found = await connection.fetch(rows.INSERT_ORDERS, *column_arrays(values))
            taken = {row["id"] for row in found}
            records = [rows.record_values(change) for change in ordered if change.order.order_id in taken]
            if records:
                await connection.execute(rows.INSERT_RECORDS, *column_arrays(records))
        return taken

    async def old_market_orders(self, before: Mapping[str, datetime], *, limit: int) -> list[UUID]:
        """Open ones that were accepted before the time of their symbol."""
        if not before:
            return []
        symbols, times = list(before), list(before.values())
        async with acquire(self.pool) as connection:
            found = await connection.fetch(OLD_MARKET_ORDERS, symbols, times, max(times), limit)
        return [row["id"] for row in found]

    async def forget_keys(self, *, now: datetime, limit: int) -> int:
        async with acquire(self.pool) as connection:
            status: str = await connection.execute(FORGET_KEYS, now, limit)
        return int(status.rpartition(" ")[2])
