"""The trade blotter: executions beside their orders, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from hub_order.domain import Execution, OrderType, Side
from hub_order.store import rows
from hub_postgres import Pool, acquire

Place = tuple[datetime, UUID]

# How many executions one call looks at in search of one instrument's.
MOST_LOOKED_AT = 20_000

# `number` counts what was looked at: the last of it is answered in any case: the next page starts behind it.
_PAGE = """
    WITH looked_at AS MATERIALIZED (
        SELECT *, row_number() OVER (ORDER BY executed_at DESC, id DESC) AS number
        FROM (SELECT * FROM executions
              WHERE {account} (executed_at, id) < ($1, $2) AND executed_at >= $3
              ORDER BY executed_at DESC, id DESC LIMIT $6) AS newest)
    SELECT looked_at.*, orders.client_order_id, orders.symbol, orders.side, orders.type
    FROM looked_at JOIN orders ON orders.id = looked_at.order_id
    WHERE $4::text IS NULL OR orders.symbol = $4 OR looked_at.number = $6
    ORDER BY executed_at DESC, id DESC LIMIT $5
"""
PAGE_OF_ALL = _PAGE.format(account="")
PAGE_OF_ACCOUNT = _PAGE.format(account="account_id = $7 AND")


@dataclass(frozen=True, slots=True)
class BlotterLine:
    execution: Execution
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    settled_at: datetime | None

    @property
    def place(self) -> Place:
        return self.execution.executed_at, self.execution.execution_id


@dataclass(frozen=True, slots=True)
class BlotterPage:
    lines: Sequence[BlotterLine]
    next: Place | None


@dataclass(frozen=True, slots=True)
class Blotter:
    pool: Pool

    async def page(
        self, account_id: UUID | None, *, before: Place, since: datetime, symbol: str, size: int
    ) -> BlotterPage:
        """Without an account: of all. A page may be short, even empty, though another one follows: of one
        instrument not more than so many executions are looked for at once."""
        look_at = MOST_LOOKED_AT if symbol else size + 1
        arguments = (*before, since, symbol or None, size + 1, look_at)
        async with acquire(self.pool) as connection:
            if account_id is None:
                found = await connection.fetch(PAGE_OF_ALL, *arguments)
            else:
                found = await connection.fetch(PAGE_OF_ACCOUNT, *arguments, account_id)
        lines = [_line(row) for row in found if not symbol or row["symbol"] == symbol]
        if len(lines) > size:
            return BlotterPage(lines[:size], lines[size - 1].place)
        more = found and found[-1]["number"] == look_at
        return BlotterPage(lines, (found[-1]["executed_at"], found[-1]["id"]) if more else None)


def _line(row: asyncpg.Record) -> BlotterLine:
    return BlotterLine(
        execution=rows.execution(row),
        client_order_id=row["client_order_id"] or "",
        symbol=row["symbol"],
        side=Side(row["side"]),
        type=OrderType(row["type"]),
        settled_at=row["settled_at"],
    )
