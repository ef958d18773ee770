"""The books of many accounts, read as of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hub_position.domain import ledger
from hub_position.domain.account import Account
from hub_position.domain.position import Position
from hub_position.store import rows
from hub_postgres import Pool, acquire

ACCOUNTS = f"""
    SELECT {rows.ACCOUNT}, opened_at FROM accounts WHERE account_id = ANY ($1::uuid[]) ORDER BY account_id
"""  # noqa: S608 - a constant list of columns

OPEN_POSITIONS = f"""
    SELECT {rows.POSITION} FROM positions WHERE account_id = ANY ($1::uuid[]) AND quantity <> 0
    ORDER BY symbol
"""  # noqa: S608

# Only movements and the opening deposit touch `external`: so its balance needs no walk through the ledger.
PAID_IN = """
    SELECT account_id, sum(amount) AS amount
    FROM (SELECT account_id, amount FROM cash_movements WHERE account_id = ANY ($1::uuid[])
          UNION ALL
          SELECT account_id, -amount FROM postings
          WHERE transaction_id = ANY ($2::uuid[]) AND ledger_account = 'external') AS moved
    GROUP BY account_id
"""


@dataclass(frozen=True)
class OpenBooks:
    """What an account has; its positions are those whose quantity is not zero."""

    account: Account
    opened_at: datetime
    paid_in: Decimal
    positions: Sequence[Position]


async def read_books_of(pool: Pool, account_ids: Sequence[UUID]) -> list[OpenBooks]:
    """In the order of their ids. A booking is seen whole or not at all, in cash, paid in and positions."""
    openings = [ledger.opening_id(account_id) for account_id in account_ids]
    async with (
        acquire(pool) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        accounts = await connection.fetch(ACCOUNTS, account_ids)
        positions = await connection.fetch(OPEN_POSITIONS, account_ids)
        moved = await connection.fetch(PAID_IN, account_ids, openings)
    paid_in = {row["account_id"]: row["amount"] for row in moved}
    held: dict[UUID, list[Position]] = {}
    for row in positions:
        held.setdefault(row["account_id"], []).append(rows.position(row))
    return [
        OpenBooks(
            account=rows.account(row),
            opened_at=row["opened_at"],
            paid_in=paid_in.get(row["account_id"], Decimal(0)),
            positions=held.get(row["account_id"], []),
        )
        for row in accounts
    ]
