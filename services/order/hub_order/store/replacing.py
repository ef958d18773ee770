"""The transactions that put one order in the place of another, or ask a venue to do that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hub_events import enqueue
from hub_order.domain import Change, Order, ask_replacement, succeed
from hub_order.store import rows
from hub_order.store.acceptance import Newcomer, claim_keys, insert_orders
from hub_order.store.orders import locked, write
from hub_order.store.outbox import outbox_rows
from hub_postgres import Connection, Pool, column_arrays, transaction
from hub_runtime import crash_point

Step = Callable[[Order, datetime], Change]


class _Lost(Exception):  # noqa: N818 - everything is undone
    pass


@dataclass(frozen=True, slots=True)
class Replacing:
    """Both answer what changed of the old order. Nothing where it is not any more as it was read, or where
    the new one's id, key or name is taken: then nothing stays behind."""

    pool: Pool

    async def swap(self, old: Order, newcomer: Newcomer, *, actor: str) -> list[Change]:
        """The old one ends, the new one is accepted."""

        def step(order: Order, now: datetime) -> Change:
            return succeed(order, newcomer.order, actor=actor, now=now)

        try:
            async with transaction(self.pool) as connection:
                changes = await _written(connection, old, newcomer, step)
                crash_point("order.replace.before_commit")
        except _Lost:
            return []
        crash_point("order.replace.after_commit")
        return changes

    async def ask(self, old: Order, newcomer: Newcomer, *, actor: str) -> list[Change]:
        """The new one waits for the place of the old one, which a venue has."""

        def step(order: Order, now: datetime) -> Change:
            return ask_replacement(order, newcomer.order, actor=actor, now=now)

        try:
            async with transaction(self.pool) as connection:
                changes = await _written(connection, old, newcomer, step)
                crash_point("order.replace.before_ask_commit")
        except _Lost:
            return []
        crash_point("order.replace.after_ask_commit")
        return changes


async def _written(connection: Connection, old: Order, newcomer: Newcomer, step: Step) -> list[Change]:
    [(order, now)] = await locked(connection, [old.order_id]) or [(old, old.updated_at)]
    if order.version != old.version:
        raise _Lost
    if newcomer.idempotency_key and not await claim_keys(connection, [newcomer]):
        raise _Lost
    if not await insert_orders(connection, [newcomer]):
        raise _Lost
    changes = await write(connection, [(order, [step(order, now)])], {})
    record = rows.record_values(newcomer.change)
    await connection.execute(rows.INSERT_RECORDS, *column_arrays([record]))
    await enqueue(connection, outbox_rows(newcomer.change, {}, message=newcomer.message))
    return changes
