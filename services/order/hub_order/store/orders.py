"""Orders that exist: reading them, and the one way to change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_events import enqueue
from hub_order.audit import Record
from hub_order.domain import Change, Execution, Order
from hub_order.store import rows
from hub_order.store.outbox import outbox_rows
from hub_postgres import Connection, Pool, acquire, transaction

RESTING_CHANNEL = "orders_resting"

Decide = Callable[[Order, datetime], Sequence[Change]]

ORDER_OF_ACCOUNT = f"SELECT {rows.ORDER} FROM orders WHERE id = $1 AND account_id = $2"  # noqa: S608 - constant columns

PAGE = f"""
    SELECT {rows.ORDER} FROM orders
    WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""  # noqa: S608

PAGE_OF_OPEN = f"""
    SELECT {rows.ORDER} FROM orders
    WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2)
      AND status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED') ORDER BY id DESC LIMIT $3
"""  # noqa: S608

COUNT = "SELECT count(*) FROM orders WHERE account_id = $1"

COUNT_OF_OPEN = """
    SELECT count(*) FROM orders
    WHERE account_id = $1 AND status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED')
"""

EXECUTIONS = """
    SELECT id, order_id, account_id, venue, venue_execution_id, quantity, price, quote_epoch, quote_seq,
           quote_bid, quote_ask, executed_at, venue_time, market_time
    FROM executions WHERE order_id = $1 ORDER BY executed_at, id
"""

RECORDS = """
    SELECT order_id, version, account_id, kind, status, reason, actor, occurred_at, detail, quote,
           prev_hash, hash
    FROM order_events WHERE order_id = $1 ORDER BY version
"""

LOCK = f"""
    SELECT {rows.ORDER}, clock_timestamp() AS now FROM orders
    WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE
"""  # noqa: S608

INSERT_EXECUTIONS = """
    INSERT INTO executions (id, order_id, account_id, venue, venue_execution_id, quantity, price, quote_epoch,
                            quote_seq, quote_bid, quote_ask, executed_at, venue_time, market_time)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::numeric[],
                         $7::numeric[], $8::bigint[], $9::bigint[], $10::numeric[], $11::numeric[],
                         $12::timestamptz[], $13::timestamptz[], $14::timestamptz[])
    ON CONFLICT DO NOTHING RETURNING id
"""

ALL_RESTING = f"""
    SELECT {rows.ORDER} FROM orders
    WHERE status IN ('PROCESSING', 'PARTIALLY_EXECUTED') AND ($1::uuid IS NULL OR id > $1)
    ORDER BY id LIMIT $2
"""  # noqa: S608

RESTED_SINCE = f"""
    SELECT {rows.ORDER} FROM orders
    WHERE rested AND (updated_at, id) > ($1, $2) ORDER BY updated_at, id LIMIT $3
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Orders:
    pool: Pool

    async def get(self, order_id: UUID, account_id: UUID) -> Order | None:
        async with acquire(self.pool) as connection:
            row = await connection.fetchrow(ORDER_OF_ACCOUNT, order_id, account_id)
        return None if row is None else rows.order(row)

    async def page(
        self, account_id: UUID, *, before: UUID | None, limit: int, open_only: bool
    ) -> list[Order]:
        async with acquire(self.pool) as connection:
            found = await connection.fetch(PAGE_OF_OPEN if open_only else PAGE, account_id, before, limit)
        return [rows.order(row) for row in found]

    async def count(self, account_id: UUID, *, open_only: bool) -> int:
        """Read from the index alone."""
        async with acquire(self.pool) as connection:
            return int(await connection.fetchval(COUNT_OF_OPEN if open_only else COUNT, account_id))

    async def executions(self, order_id: UUID) -> list[Execution]:
        async with acquire(self.pool) as connection:
            return [rows.execution(row) for row in await connection.fetch(EXECUTIONS, order_id)]

    async def records(self, order_id: UUID) -> list[tuple[Record, bytes]]:
        """The order's chain: each record with the hash that is stored beside it."""
        async with acquire(self.pool) as connection:
            return [rows.record(row) for row in await connection.fetch(RECORDS, order_id)]

    async def all_resting(self, *, after: UUID | None, limit: int) -> list[Order]:
        async with acquire(self.pool) as connection:
            return [rows.order(row) for row in await connection.fetch(ALL_RESTING, after, limit)]

    async def rested_since(self, since: datetime, after: UUID, *, limit: int) -> list[Order]:
        """Orders that rest or have rested, by their last change: what follows that time and id."""
        async with acquire(self.pool) as connection:
            return [rows.order(row) for row in await connection.fetch(RESTED_SINCE, since, after, limit)]

    async def now(self) -> datetime:
        """The database's clock, by which changes are stamped."""
        async with acquire(self.pool) as connection:
            time: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return time

    async def change(
        self, order_ids: Sequence[UUID], decide: Decide, *, traces: Mapping[UUID, str] | None = None
    ) -> list[Change]:
        """Locks the rows, lets `decide` say what becomes of each, and writes all of it in one transaction.

        An order whose execution is known already stays as it is: that quote has filled it before.
        """
        if not order_ids:
            return []
        async with transaction(self.pool) as connection:
            decided = []
            for row in await connection.fetch(LOCK, order_ids):
                order = rows.order(row)
                decided.append((order, decide(order, max(row["now"], order.updated_at))))
            return await _write(connection, decided, traces or {})


async def _write(
    connection: Connection, decided: Sequence[tuple[Order, Sequence[Change]]], traces: Mapping[UUID, str]
) -> list[Change]:
    new = await _insert_executions(connection, [change for _, changes in decided for change in changes])
    kept = [(order, list(changes)) for order, changes in decided if changes and _all_new(changes, new)]
    if not kept:
        return []
    updates = [rows.update_values(order, changes[-1].order) for order, changes in kept]
    if await connection.execute(rows.UPDATE_ORDERS, *rows.columns(updates)) != f"UPDATE {len(updates)}":
        raise RuntimeError("a locked order changed its version")
    changes = [change for _, some in kept for change in some]
    records = [rows.record_values(change) for change in changes]
    await connection.execute(rows.INSERT_RECORDS, *rows.columns(records))
    await enqueue(connection, [row for change in changes for row in outbox_rows(change, traces)])
    if any(change.order.rested for change in changes):
        await connection.execute(f"NOTIFY {RESTING_CHANNEL}")
    return changes


async def _insert_executions(connection: Connection, changes: Sequence[Change]) -> set[UUID]:
    values = [rows.execution_values(change.execution) for change in changes if change.execution is not None]
    if not values:
        return set()
    return {row["id"] for row in await connection.fetch(INSERT_EXECUTIONS, *rows.columns(values))}


def _all_new(changes: Sequence[Change], new: set[UUID]) -> bool:
    return all(change.execution is None or change.execution.execution_id in new for change in changes)
