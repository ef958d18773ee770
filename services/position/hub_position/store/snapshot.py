"""Accounts and their positions, read as of one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from hub_position.domain.account import Balance
from hub_position.domain.position import Position
from hub_position.store import rows
from hub_position.store.reads import BALANCE, BALANCES, POSITIONS, POSITIONS_OF
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


async def read_books_together(
    pool: Pool, owners: Mapping[UUID, UUID], *, most_positions: int
) -> list[AccountBooks]:
    """The same of several accounts, each with its user: left out is what is not his, and whoever's positions
    come after the most that are read."""
    async with (
        acquire(pool) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        accounts = await connection.fetch(BALANCES, list(owners))
        positions = await connection.fetch(POSITIONS_OF, list(owners), most_positions + 1)
    held: dict[UUID, list[Position]] = {row["account_id"]: [] for row in accounts}
    for row in positions[:most_positions]:
        held[row["account_id"]].append(rows.position(row))
    cut = positions[-1]["account_id"] if len(positions) > most_positions else None
    return [
        AccountBooks(Balance(rows.account(row), row["debits"]), held[row["account_id"]])
        for row in accounts
        if row["user_id"] == owners[row["account_id"]] and (cut is None or row["account_id"] < cut)
    ]
