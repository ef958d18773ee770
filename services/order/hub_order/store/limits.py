"""Limits of single accounts, and the log of who changed them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from hub_order.risk import AccountLimits
from hub_postgres import Pool, acquire, transaction

LIMITS_CHANNEL: Final = "account_limits"

OF_ACCOUNT = """
    SELECT most_value, most_quantity, most_position, orders_per_minute
    FROM account_limits WHERE account_id = $1
"""

# One change at a time, so that the ids of the log are given in the order of commits: who reads on from the
# last one he saw misses none.
ONE_AT_A_TIME = "LOCK TABLE account_limits IN SHARE ROW EXCLUSIVE MODE"

LOG = """
    INSERT INTO account_limit_changes (account_id, most_value, most_quantity, most_position,
                                       orders_per_minute, reason, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
"""

SET = """
    INSERT INTO account_limits (account_id, most_value, most_quantity, most_position, orders_per_minute,
                                change_id)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (account_id) DO UPDATE
        SET most_value = excluded.most_value, most_quantity = excluded.most_quantity,
            most_position = excluded.most_position, orders_per_minute = excluded.orders_per_minute,
            change_id = excluded.change_id
"""

CHANGED_SINCE = """
    SELECT change_id, account_id, most_value, most_quantity, most_position, orders_per_minute
    FROM account_limits WHERE change_id > $1 ORDER BY change_id LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class ChangedLimits:
    """What one account may do since this change."""

    change_id: int
    account_id: UUID
    limits: AccountLimits


@dataclass(frozen=True, slots=True)
class LimitsStore:
    pool: Pool

    async def of(self, account_id: UUID) -> AccountLimits:
        """All None where the account has none of its own."""
        async with acquire(self.pool) as connection:
            row = await connection.fetchrow(OF_ACCOUNT, account_id)
        return AccountLimits() if row is None else _limits(row)

    async def set(self, account_id: UUID, limits: AccountLimits, *, reason: str, actor: str) -> None:
        """Sets them and logs the change, in one transaction; wakes whoever keeps a copy."""
        values = (
            *(account_id, limits.most_value, limits.most_quantity, limits.most_position),
            limits.orders_per_minute,
        )
        async with transaction(self.pool) as connection:
            await connection.execute(ONE_AT_A_TIME)
            change_id = await connection.fetchval(LOG, *values, reason, actor)
            await connection.execute(SET, *values, change_id)
            await connection.execute(f"NOTIFY {LIMITS_CHANNEL}")

    async def changed_since(self, change_id: int, *, limit: int) -> list[ChangedLimits]:
        """The accounts whose last change came after this one, by their last change."""
        async with acquire(self.pool) as connection:
            found = await connection.fetch(CHANGED_SINCE, change_id, limit)
        return [ChangedLimits(row["change_id"], row["account_id"], _limits(row)) for row in found]


def _limits(row: asyncpg.Record) -> AccountLimits:
    return AccountLimits(
        most_value=row["most_value"],
        most_quantity=row["most_quantity"],
        most_position=row["most_position"],
        orders_per_minute=row["orders_per_minute"],
    )
