"""The database guards what the domain promises, whoever writes to it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest

from hub_order.domain import TRANSITIONS, Status, accepted
from hub_order.mapping import order_message
from hub_order.store import Newcomer, rows
from hub_postgres import column_arrays
from hub_runtime import utc_now
from tests.order import build
from tests.order.house import House
from tests.support.tokens import TokenUser as User

MOVE = "UPDATE orders SET status = $2, reason = 'WHY', version = version + 1, filled_quantity = $3, \
        execution_count = $4, replaced_by = CASE WHEN $2 = 'REPLACED' THEN id END WHERE id = $1"


async def test_the_sql_guard_allows_exactly_the_transition_table(house: House) -> None:
    async with house.pool.acquire() as connection:
        for before, after in itertools.product(Status, Status):
            transaction = connection.transaction()
            await transaction.start()
            order_id = uuid4()
            filled, count = (10, 1) if Status.EXECUTED in {before, after} else (0, 0)
            fresh = build.order(order_id=order_id, version=1, status=before, reason="WHY")
            successor = uuid4() if before is Status.REPLACED else None
            fresh = replace(
                fresh, filled_quantity=Decimal(filled), execution_count=count, replaced_by=successor
            )
            await connection.execute(rows.INSERT_ORDERS, *column_arrays([rows.order_values(fresh)]))
            allowed = after is before or after in TRANSITIONS[before]
            if allowed:
                await connection.execute(MOVE, order_id, after, filled, count)
            else:
                with pytest.raises(asyncpg.CheckViolationError, match="does not follow"):
                    await connection.execute(MOVE, order_id, after, filled, count)
            await transaction.rollback()


async def test_a_version_never_goes_back(house: House, user: User) -> None:
    order_id = await house.resting(user)
    for version in (1, 2):
        with pytest.raises(asyncpg.CheckViolationError, match="does not follow"):
            await house.pool.execute("UPDATE orders SET version = $2 WHERE id = $1", order_id, version)


@pytest.mark.parametrize(
    "statement",
    [
        *("UPDATE order_events SET actor = 'nobody'", "DELETE FROM order_events", "TRUNCATE order_events"),
        *("DELETE FROM orders", "TRUNCATE orders, executions, order_events"),
    ],
)
async def test_orders_are_kept_and_records_can_only_be_added(
    house: House, user: User, statement: str
) -> None:
    await house.accepted(user)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await house.pool.execute(statement)
    assert await house.count("order_events") == 1


@pytest.mark.parametrize(
    "fields",
    [
        "quantity = 0",
        "side = 'HOLD'",
        "limit_price = 1",
        "protection_price = NULL",
        "filled_quantity = -1",
        "status = 'FAILED', reason = ''",
        "status = 'EXECUTED'",
        "execution_count = 1",
        "client_order_id = ''",
    ],
)
async def test_an_order_that_makes_no_sense_cannot_be_stored(house: House, user: User, fields: str) -> None:
    order_id = await house.accepted(user)
    with pytest.raises(asyncpg.CheckViolationError):
        await house.pool.execute(f"UPDATE orders SET {fields}, version = 2 WHERE id = $1", order_id)


async def test_an_execution_is_recorded_once(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    await house.execute(order_id)
    copy = "INSERT INTO executions SELECT (jsonb_populate_record(e, jsonb_build_object('id', $1::text))).* \
            FROM executions e"
    with pytest.raises(asyncpg.UniqueViolationError, match="executions_once"):
        await house.pool.execute(copy, str(uuid4()))


async def test_a_batch_that_partly_collides_leaves_nothing_of_the_losers(house: House, user: User) -> None:
    taken = await house.accepted(user, client_order_id="mine", idempotency_key="k1")
    newcomers = [
        newcomer(user, "k1", ""),
        newcomer(user, "k2", "mine"),
        newcomer(user, "k3", "other"),
        newcomer(user, "", "another"),
    ]
    durable = await house.acceptance.accept(newcomers)
    assert durable == {item.order.order_id for item in newcomers[2:]}
    keys = {row["key"]: row["order_id"] for row in await house.pool.fetch("SELECT * FROM idempotency_keys")}
    assert keys == {"k1": taken, "k3": newcomers[2].order.order_id}
    assert await house.count("orders") == await house.count("order_events") == 3
    assert len(await house.events()) == 3


def newcomer(user: User, key: str, name: str) -> Newcomer:
    order = build.order(account_id=user.account_id, client_order_id=name, accepted_at=utc_now())
    remember_until = order.accepted_at + timedelta(hours=1)
    change = accepted(order, quote=None)
    message = order_message(change.order)
    return Newcomer(change=change, idempotency_key=key, message=message, remember_until=remember_until)
