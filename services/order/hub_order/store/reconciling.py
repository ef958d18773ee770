"""What is held against the books of positions, and what became of that."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from hub_order.domain import OPEN
from hub_order.domain.reconciliation import Difference, Executed, HoldingOrder, Pass
from hub_postgres import Pool, acquire

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

LOWEST: Final = UUID(int=0)

_executed = "executed.id, executed.account_id, order_id, executed.quantity, price, executed_at, symbol, side"

EXECUTIONS_PAGE = f"""
    SELECT {_executed}
    FROM (SELECT * FROM executions WHERE (executed_at, id) > ($1, $2) AND executed_at < $3
          ORDER BY executed_at, id LIMIT $4) AS executed
    LEFT JOIN orders ON orders.id = order_id ORDER BY executed_at, executed.id
"""

EXECUTIONS_BY_ID = f"""
    SELECT {_executed} FROM unnest($1::uuid[]) AS wanted (id)
    JOIN executions AS executed USING (id) LEFT JOIN orders ON orders.id = order_id
"""

_holding = """
    id, account_id, hold_id, status, filled_quantity, filled_value, execution_count, accepted_at, updated_at
"""

OPEN_ORDERS = f"""
    SELECT {_holding} FROM orders
    WHERE status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED') AND (account_id, id) > ($1, $2)
    ORDER BY account_id, id LIMIT $3
"""

ORDERS_BY_ID = f"SELECT {_holding} FROM unnest($1::uuid[]) AS wanted (id) JOIN orders USING (id)"

NOW = "SELECT clock_timestamp()"

NEWEST = "SELECT finished_at, since, cut, counts, differences, suspects, more FROM reconciliation"

KEEP = """
    INSERT INTO reconciliation (finished_at, since, cut, counts, differences, suspects, more)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (single) DO UPDATE
    SET finished_at = excluded.finished_at, since = excluded.since, cut = excluded.cut,
        counts = excluded.counts, differences = excluded.differences, suspects = excluded.suspects,
        more = excluded.more
"""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Difference])


@dataclass(frozen=True, slots=True)
class Reconciling:
    pool: Pool

    async def now(self) -> datetime:
        """The clock by which executions and orders are stamped."""
        async with acquire(self.pool) as connection:
            time: datetime = await connection.fetchval(NOW)
        return time

    async def executions_page(
        self, after: tuple[datetime, UUID], until: datetime, *, limit: int
    ) -> tuple[dict[UUID, Executed], tuple[datetime, UUID] | None]:
        """Oldest first, and where the next page begins."""
        async with acquire(self.pool) as connection:
            found = await connection.fetch(EXECUTIONS_PAGE, *after, until, limit)
        place = (found[-1]["executed_at"], found[-1]["id"]) if len(found) == limit else None
        return _executions(found), place

    async def executions(self, ids: Sequence[UUID]) -> dict[UUID, Executed]:
        async with acquire(self.pool) as connection:
            return _executions(await connection.fetch(EXECUTIONS_BY_ID, ids))

    async def open_orders(self, after: tuple[UUID, UUID], *, limit: int) -> list[HoldingOrder]:
        """By account and id."""
        async with acquire(self.pool) as connection:
            return [_order(row) for row in await connection.fetch(OPEN_ORDERS, *after, limit)]

    async def orders(self, ids: Sequence[UUID]) -> dict[UUID, HoldingOrder]:
        async with acquire(self.pool) as connection:
            return {row["id"]: _order(row) for row in await connection.fetch(ORDERS_BY_ID, ids)}

    async def newest(self) -> Pass | None:
        """The pass that was kept last."""
        async with acquire(self.pool) as connection:
            row = await connection.fetchrow(NEWEST)
        return None if row is None else _pass(row)

    async def keep(self, done: Pass) -> None:
        differences, suspects = (_encoder.encode(each).decode() for each in (done.differences, done.suspects))
        times, counts = (done.finished_at, done.since, done.cut), json.dumps(dict(done.counts))
        async with acquire(self.pool) as connection:
            await connection.execute(KEEP, *times, counts, differences, suspects, done.more)


def _executions(found: Iterable[asyncpg.Record]) -> dict[UUID, Executed]:
    """One without its order has no symbol, and equals no trade."""
    return {
        row["id"]: Executed(
            id=row["id"],
            account_id=row["account_id"],
            order_id=row["order_id"],
            symbol=row["symbol"] or "",
            side=row["side"] or "",
            quantity=row["quantity"],
            price=row["price"],
        )
        for row in found
    }


def _order(row: asyncpg.Record) -> HoldingOrder:
    return HoldingOrder(
        order_id=row["id"],
        account_id=row["account_id"],
        hold_id=row["hold_id"],
        open=row["status"] in OPEN,
        filled_quantity=row["filled_quantity"],
        filled_value=row["filled_value"],
        execution_count=row["execution_count"],
        accepted_at=row["accepted_at"],
        updated_at=row["updated_at"],
    )


def _pass(row: asyncpg.Record) -> Pass:
    return Pass(
        finished_at=row["finished_at"],
        since=row["since"],
        cut=row["cut"],
        counts=json.loads(row["counts"]),
        differences=_decoder.decode(row["differences"]),
        suspects=_decoder.decode(row["suspects"]),
        more=row["more"],
    )
