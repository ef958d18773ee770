"""What is read without a lock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg

from hub_position.domain.account import AccountState, Balance
from hub_position.domain.cash import Movement
from hub_position.domain.hold import UnconfirmedHold
from hub_position.domain.ledger import Kind, LedgerAccount, LedgerPage, PostedLine, Posting
from hub_position.domain.position import Position
from hub_position.store import cash, rows
from hub_postgres import Pool, acquire

_BALANCES = f"""
    SELECT {rows.ACCOUNT},
           (SELECT coalesce(sum(net_cash), 0) FROM trades
            WHERE trades.account_id = accounts.account_id AND settled_at IS NULL AND net_cash < 0) AS debits
    FROM accounts
"""  # noqa: S608 - a constant list of columns

BALANCE = f"{_BALANCES} WHERE account_id = $1"

BALANCES = f"{_BALANCES} WHERE account_id = ANY ($1::uuid[])"

STATE = f"SELECT {rows.STATE} FROM accounts WHERE account_id = $1"  # noqa: S608

POSITIONS = f"SELECT {rows.POSITION} FROM positions WHERE account_id = $1 ORDER BY symbol"  # noqa: S608

POSITIONS_OF = f"""
    SELECT {rows.POSITION} FROM positions WHERE account_id = ANY ($1::uuid[])
    ORDER BY account_id, symbol LIMIT $2
"""  # noqa: S608

TOTALS = """
    SELECT ledger_account, sum(amount) AS amount FROM postings WHERE account_id = $1
    GROUP BY ledger_account ORDER BY ledger_account
"""

POSTINGS = """
    SELECT posting_id, transaction_id, account_id, kind, ledger_account, amount, symbol, trade_id, settles_on,
           posted_at
    FROM postings WHERE account_id = $1 AND posting_id < $2 ORDER BY posting_id DESC LIMIT $3
"""

UNCONFIRMED = f"""
    SELECT {", ".join(f"holds.{column.strip()}" for column in rows.HOLD.split(","))}, accounts.user_id
    FROM holds JOIN accounts USING (account_id)
    WHERE NOT holds.confirmed AND holds.closed_at IS NULL AND holds.placed_at < $1
    ORDER BY holds.placed_at, holds.hold_id LIMIT $2
"""  # noqa: S608


class Reads:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def balance(self, account_id: UUID) -> Balance | None:
        async with acquire(self._pool) as connection:
            row = await connection.fetchrow(BALANCE, account_id)
        return None if row is None else Balance(rows.account(row), row["debits"])

    async def account_state(self, account_id: UUID) -> AccountState | None:
        async with acquire(self._pool) as connection:
            row = await connection.fetchrow(STATE, account_id)
        return None if row is None else rows.account_state(row)

    async def positions(self, account_id: UUID) -> list[Position]:
        async with acquire(self._pool) as connection:
            return [rows.position(row) for row in await connection.fetch(POSITIONS, account_id)]

    async def postings(
        self, account_id: UUID, *, before: int, limit: int, with_totals: bool = True
    ) -> LedgerPage:
        """Totals, if they are wanted, and lines as of one moment."""
        async with (
            acquire(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            totals = await connection.fetch(TOTALS, account_id) if with_totals else []
            lines = await connection.fetch(POSTINGS, account_id, before, limit)
        return LedgerPage(
            totals={LedgerAccount(row["ledger_account"]): row["amount"] for row in totals},
            lines=[_line(row) for row in lines],
        )

    async def movements(self, account_id: UUID, *, before: UUID, limit: int) -> list[Movement]:
        """Newest first."""
        async with acquire(self._pool) as connection:
            found = await connection.fetch(cash.PAGE, account_id, before, limit)
        return [cash.movement(row) for row in found]

    async def unconfirmed_holds(self, *, placed_before: datetime, limit: int) -> list[UnconfirmedHold]:
        async with acquire(self._pool) as connection:
            found = await connection.fetch(UNCONFIRMED, placed_before, limit)
        return [UnconfirmedHold(rows.hold(row), row["user_id"]) for row in found]


def _line(row: asyncpg.Record) -> PostedLine:
    posting = Posting(
        transaction_id=row["transaction_id"],
        account_id=row["account_id"],
        kind=Kind(row["kind"]),
        ledger_account=LedgerAccount(row["ledger_account"]),
        amount=row["amount"],
        symbol=row["symbol"],
        trade_id=row["trade_id"],
        settles_on=row["settles_on"],
    )
    return PostedLine(row["posting_id"], posting, row["posted_at"])
