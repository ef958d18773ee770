"""The transaction that ends one order and accepts another one in its place."""

from __future__ import annotations

from dataclasses import dataclass

from hub_events import enqueue
from hub_order.domain import Change, Order, succeed
from hub_order.store import rows
from hub_order.store.acceptance import Newcomer, claim_keys, insert_orders
from hub_order.store.orders import locked, write
from hub_order.store.outbox import outbox_rows
from hub_postgres import Pool, column_arrays, transaction
from hub_runtime import crash_point


class _Lost(Exception):  # noqa: N818 - everything is undone
    pass


@dataclass(frozen=True, slots=True)
class Replacing:
    pool: Pool

    async def swap(self, old: Order, newcomer: Newcomer, *, actor: str) -> list[Change]:
        """What changed of the old order. Nothing where it is not any more as it was read, or where the new
        one's id, key or name is taken: then nothing stays behind."""
        try:
            async with transaction(self.pool) as connection:
                [(order, now)] = await locked(connection, [old.order_id]) or [(old, old.updated_at)]
                if order.version != old.version:
                    raise _Lost
                if newcomer.idempotency_key and not await claim_keys(connection, [newcomer]):
                    raise _Lost
                if not await insert_orders(connection, [newcomer]):
                    raise _Lost
                change = succeed(order, newcomer.order, actor=actor, now=now)
                changes = await write(connection, [(order, [change])], {})
                record = rows.record_values(newcomer.change)
                await connection.execute(rows.INSERT_RECORDS, *column_arrays([record]))
                await enqueue(connection, outbox_rows(newcomer.change, {}, message=newcomer.message))
                crash_point("order.replace.before_commit")
        except _Lost:
            return []
        crash_point("order.replace.after_commit")
        return changes
