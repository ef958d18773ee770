"""The statements of cash that comes and goes, and of trades that settle, inside a writing transaction."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID

import asyncpg

from hub_position.domain.account import Balance
from hub_position.domain.cash import Movement, MovementKind, Settled
from hub_position.store import rows
from hub_postgres import Connection

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

MOVEMENT = "movement_id, account_id, kind, amount, actor, reason, idempotency_key, moved_at"

LOCK_BALANCE = f"SELECT {rows.ACCOUNT} FROM accounts WHERE account_id = $1 FOR UPDATE"

DEBITS = """
    SELECT coalesce(sum(net_cash), 0) FROM trades
    WHERE account_id = $1 AND settled_at IS NULL AND net_cash < 0
"""

BY_KEY = f"""
    SELECT {MOVEMENT} FROM cash_movements WHERE account_id = $1 AND actor = $2 AND idempotency_key = $3
"""

INSERT = f"INSERT INTO cash_movements ({MOVEMENT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"

PAGE = f"""
    SELECT {MOVEMENT} FROM cash_movements WHERE account_id = $1 AND movement_id < $2
    ORDER BY movement_id DESC LIMIT $3
"""

DUE = """
    SELECT trade_id, account_id FROM trades WHERE settled_at IS NULL AND settles_on <= $1
    ORDER BY settles_on, account_id, trade_id LIMIT $2
"""

SETTLE = """
    UPDATE trades SET settled_at = $2 WHERE trade_id = ANY ($1::uuid[]) AND settled_at IS NULL
    RETURNING trade_id, account_id, symbol, net_cash
"""


class Cash:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_balance(self, account_id: UUID) -> Balance | None:
        """The account's locked row, with what is still to be paid for its trades."""
        row = await self._connection.fetchrow(LOCK_BALANCE, account_id)
        if row is None:
            return None
        # After the lock: a statement of its own sees what was booked while this one waited.
        return Balance(rows.account(row), await self._connection.fetchval(DEBITS, account_id))

    async def by_key(self, account_id: UUID, actor: str, key: str) -> Movement | None:
        row = await self._connection.fetchrow(BY_KEY, account_id, actor, key)
        return None if row is None else movement(row)

    async def insert(self, moved: Movement) -> None:
        await self._connection.execute(
            INSERT,
            moved.movement_id,
            moved.account_id,
            moved.kind.value,
            moved.amount,
            moved.actor,
            moved.reason,
            moved.key or None,
            moved.moved_at,
        )

    async def due(self, until: date, most: int) -> dict[UUID, UUID]:
        """The oldest trades that are to be settled, and their accounts. Nothing is locked."""
        found = await self._connection.fetch(DUE, until, most)
        return {row["trade_id"]: row["account_id"] for row in found}

    async def settle(self, trade_ids: Collection[UUID], now: datetime) -> list[Settled]:
        """Those of them that were not settled before; their accounts are locked."""
        found = await self._connection.fetch(SETTLE, list(trade_ids), now)
        return [Settled(row["trade_id"], row["account_id"], row["symbol"], row["net_cash"]) for row in found]


def movement(row: asyncpg.Record) -> Movement:
    return Movement(
        movement_id=row["movement_id"],
        account_id=row["account_id"],
        kind=MovementKind(row["kind"]),
        amount=row["amount"],
        actor=row["actor"],
        reason=row["reason"],
        key=row["idempotency_key"] or "",
        moved_at=row["moved_at"],
    )
