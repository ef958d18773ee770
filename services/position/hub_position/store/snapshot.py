"""An account and its positions, read as of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hub_position.domain.account import Balance
from hub_position.domain.position import Position
from hub_position.store import rows
from hub_position.store.reads import BALANCE, POSITIONS
from hub_postgres import Pool, acquire


@dataclass(frozen=True)
class AccountBooks:
    balance: Balance
    positions: Sequence[Position]


async def read_books(pool: Pool, account_id: UUID) -> AccountBooks | None:
    """A booking is seen in both or in neither."""
    async with (
        acquire(pool) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        account = await connection.fetchrow(BALANCE, account_id)
        if account is None:
            return None
        positions = await connection.fetch(POSITIONS, account_id)
    balance = Balance(rows.account(account), account["debits"])
    return AccountBooks(balance, [rows.position(row) for row in positions])
