"""The accepting transaction, and the answers that were given before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub.order.v1 import order_pb2
from hub_events import TOLD, inserting_outbox, outbox_arrays
from hub_order.domain import Change, Order
from hub_order.store import rows
from hub_order.store.outbox import outbox_rows
from hub_postgres import (
    Connection,
    Pool,
    acquire,
    array_parameters,
    column_arrays,
    no_rows,
    transaction,
)
from hub_runtime import crash_point, span

Key = tuple[UUID, str]

# A key that has expired is taken over; one that is alive is not ours, and its order is not answered here.
CLAIM_KEYS = f"""
    INSERT INTO idempotency_keys (account_id, key, body_hash, order_id, answer, created_at, expires_at)
    SELECT * FROM unnest({array_parameters("uuid text bytea uuid bytea timestamptz timestamptz")})
    ON CONFLICT (account_id, key) DO UPDATE
        SET body_hash = excluded.body_hash, order_id = excluded.order_id, answer = excluded.answer,
            created_at = excluded.created_at, expires_at = excluded.expires_at
        WHERE idempotency_keys.expires_at <= excluded.created_at
    RETURNING order_id
"""  # noqa: S608

_CLAIM_WIDTH = 7
_ORDERS = _CLAIM_WIDTH + 1
_UNKEYED = _ORDERS + rows.ORDER_WIDTH
_RECORDS = _UNKEYED + 1
_OUTBOX = _RECORDS + rows.RECORD_WIDTH
_OURS = f"(new.id IN (SELECT order_id FROM claimed) OR new.id = ANY (${_UNKEYED}::text::uuid[]))"  # noqa: S608

# All of it in one round trip: with few orders at a time, statements are what a transaction costs.
ACCEPT = f"""
    WITH claimed AS ({CLAIM_KEYS}),
    durable AS ({rows.inserting_orders(_ORDERS, _OURS)}),
    recorded AS ({rows.inserting_records(_RECORDS, "new.order_id IN (SELECT id FROM durable)")}),
    told AS ({inserting_outbox(_OUTBOX, "new.about::uuid IN (SELECT id FROM durable)")})
    SELECT ARRAY(SELECT order_id FROM claimed) AS claimed, ARRAY(SELECT id FROM durable) AS durable, {TOLD}
"""  # noqa: S608

GIVE_KEYS_BACK = f"""
    DELETE FROM idempotency_keys AS kept
    USING unnest({array_parameters("uuid text uuid")}) AS ours (account_id, key, order_id)
    WHERE kept.account_id = ours.account_id AND kept.key = ours.key AND kept.order_id = ours.order_id
"""  # noqa: S608

FIRST_ANSWERS = f"""
    SELECT account_id, key, body_hash, answer
    FROM idempotency_keys
    JOIN unnest({array_parameters("uuid text")}) AS wanted (account_id, key) USING (account_id, key)
    WHERE expires_at > $3
"""  # noqa: S608

ORDERS_BY_ID = f"SELECT {rows.ORDER} FROM orders WHERE id = ANY ($1::uuid[])"  # noqa: S608 - constant columns

TERMS = "SELECT order_id, detail FROM order_events WHERE order_id = ANY ($1::uuid[]) AND version = 1"

TAKEN_NAMES = f"""
    SELECT account_id, client_order_id
    FROM orders JOIN unnest({array_parameters("uuid text")}) AS wanted (account_id, client_order_id)
    USING (account_id, client_order_id)
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An order to accept, with the key it came with and the answer, which is remembered for the key."""

    change: Change
    idempotency_key: str
    message: order_pb2.Order
    remember_until: datetime

    @property
    def order(self) -> Order:
        return self.change.order


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    body_hash: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Acceptance:
    pool: Pool

    async def accept(self, newcomers: Sequence[Newcomer]) -> set[UUID]:
        """One transaction. The orders that are durable now; of the others nothing stays behind.

        No two newcomers may share an id, a key or a name.
        """
        batch = sorted(newcomers, key=_lock_order)
        links = [item.order.traceparent for item in batch]
        with span("order.accept", links=links):
            durable = await self._accept(batch)
        crash_point("order.accept.after_commit")
        return durable

    async def _accept(self, batch: Sequence[Newcomer]) -> set[UUID]:
        async with transaction(self.pool) as connection:
            [(claimed, durable, _)] = await connection.fetch(ACCEPT, *_values(batch))
            lost = set(claimed).difference(durable)
            if lost:
                keys = [_key_of(item) for item in batch if item.order.order_id in lost]
                await connection.execute(GIVE_KEYS_BACK, *column_arrays(keys))
            crash_point("order.accept.before_commit")
        return set(durable)

    async def first_answers(self, keys: Sequence[Key], *, now: datetime) -> dict[Key, FirstAnswer]:
        async with acquire(self.pool) as connection:
            found = await connection.fetch(FIRST_ANSWERS, *column_arrays(keys), now)
        return {
            (row["account_id"], row["key"]): FirstAnswer(row["body_hash"], row["answer"]) for row in found
        }

    async def orders(self, order_ids: Sequence[UUID]) -> dict[UUID, Order]:
        async with acquire(self.pool) as connection:
            found = await connection.fetch(ORDERS_BY_ID, order_ids)
        return {row["id"]: rows.order(row) for row in found}

    async def terms(self, order_ids: Sequence[UUID]) -> dict[UUID, dict[str, str]]:
        """How orders were accepted: the detail of their first records."""
        async with acquire(self.pool) as connection:
            found = await connection.fetch(TERMS, order_ids)
        return {row["order_id"]: json.loads(row["detail"]) for row in found}

    async def taken_names(self, names: Sequence[Key]) -> set[Key]:
        async with acquire(self.pool) as connection:
            found = await connection.fetch(TAKEN_NAMES, *column_arrays(names))
        return {(row["account_id"], row["client_order_id"]) for row in found}


async def claim_keys(connection: Connection, items: Sequence[Newcomer]) -> set[UUID]:
    if not items:
        return set()
    claims = column_arrays(_claim(item) for item in items)
    return {row["order_id"] for row in await connection.fetch(CLAIM_KEYS, *claims)}


async def insert_orders(connection: Connection, items: Sequence[Newcomer]) -> set[UUID]:
    if not items:
        return set()
    values = [rows.order_values(item.order) for item in items]
    return {row["id"] for row in await connection.fetch(rows.INSERT_ORDERS, *column_arrays(values))}


def _values(batch: Sequence[Newcomer]) -> list[object]:
    """What ACCEPT takes."""
    keyed = [_claim(item) for item in batch if item.idempotency_key]
    unkeyed = [(item.order.order_id,) for item in batch if not item.idempotency_key]
    told = [row for item in batch for row in outbox_rows(item.change, {}, message=item.message)]
    return [
        *(column_arrays(keyed) if keyed else no_rows(_CLAIM_WIDTH)),
        *column_arrays(rows.order_values(item.order) for item in batch),
        *(column_arrays(unkeyed) if unkeyed else no_rows(1)),
        *column_arrays(rows.record_values(item.change) for item in batch),
        *outbox_arrays(told),
    ]


def _claim(item: Newcomer) -> tuple[object, ...]:
    order = item.order
    return (
        *(order.account_id, item.idempotency_key, order.body_hash, order.order_id),
        *(item.message.SerializeToString(), order.accepted_at, item.remember_until),
    )


def _key_of(item: Newcomer) -> tuple[UUID, str, UUID]:
    return item.order.account_id, item.idempotency_key, item.order.order_id


def _lock_order(item: Newcomer) -> tuple[UUID, str, str, UUID]:
    """Everybody inserts in this order: two batches with common keys wait for each other one way only."""
    return item.order.account_id, item.idempotency_key, item.order.client_order_id, item.order.order_id
