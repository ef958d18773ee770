"""Whoever changes the history of orders, with whatever rights, is found; and nobody else is suspected."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from hub_order.domain import fill
from hub_order.store import audit as audit_store
from tests.order import build
from tests.order.house import House, submission
from tests.order.inspection import findings, today
from tests.support.tokens import TokenUser as User


@pytest.fixture
async def executed(house: House, user: User) -> UUID:
    order_id = await house.accepted(user)
    await house.execute(order_id)
    return order_id


async def test_nothing_is_found_where_nobody_touched_anything(house: House, user: User) -> None:
    order_ids = [await house.accepted(user, quantity=str(number)) for number in range(1, 4)]
    await house.execute(*order_ids)
    resting = await house.resting(user)
    await house.cancel(user, await house.resting(user))
    await house.hold_only(submission(user), user)
    await house.sweep_holds()
    assert await findings(house) == []
    assert await findings(house, since=today()) == []
    assert await findings(house, order_id=resting) == []


def says(what: str, now: str, then: str) -> str:
    return f"the order's {what} is {now}, its history says {then}"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE order_events SET actor = 'nobody' WHERE version = 1", "record 1 was changed"),
        ("UPDATE order_events SET detail = '{}' WHERE version = 2", "record 2 was changed"),
        ("UPDATE order_events SET occurred_at = now() WHERE version = 2", "record 2 was changed"),
        ("DELETE FROM order_events WHERE version = 1", "record 1 is missing: found version 2"),
        ("DELETE FROM order_events WHERE version = 2", "the order does not point to the last record"),
        ("DELETE FROM order_events", "the order does not point to the last record"),
        ("UPDATE orders SET chain = '\\x00'", "the order does not point to the last record"),
        ("UPDATE orders SET version = 3", "the order does not point to the last record"),
        ("UPDATE orders SET status = 'FAILED', reason = 'X'", says("status", "FAILED", "EXECUTED")),
        ("UPDATE orders SET reason = 'STALE'", says("reason", "STALE", "")),
        ("UPDATE orders SET side = 'SELL', protection_price = NULL", says("side", "SELL", "BUY")),
        ("UPDATE orders SET symbol = 'IBM'", says("symbol", "IBM", "AAPL")),
        ("UPDATE orders SET quantity = 9", says("quantity", "9", "10")),
        ("UPDATE orders SET filled_quantity = 11", says("filled quantity", "11", "10")),
        ("UPDATE orders SET filled_value = 1", says("filled value", "1", "1000")),
        ("UPDATE orders SET execution_count = 2", says("number of executions", "2", "1")),
        ("UPDATE executions SET account_id = order_id", "a record or an execution names another account"),
    ],
)  # fmt: skip
async def test_what_was_changed_is_found(house: House, executed: UUID, change: str, fault: str) -> None:
    assert await findings(house) == []
    await house.tamper(change)
    assert f"order {executed}: {fault}" in await findings(house)
    assert f"order {executed}: {fault}" in await findings(house, order_id=executed)


async def test_records_that_changed_places_are_found(house: House, executed: UUID) -> None:
    for before, after in ((1, 9), (2, 1), (9, 2)):
        await house.tamper(f"UPDATE order_events SET version = {after} WHERE version = {before}")
    found = await findings(house)
    assert f"order {executed}: record 1 does not follow the one before" in found
    assert f"order {executed}: record 1 was changed" in found


async def test_records_without_their_order_are_found(house: House, executed: UUID) -> None:
    await house.tamper("DELETE FROM orders")
    assert await findings(house) == [
        f"order {executed}: the order is missing, of which there are 2 records and 1 executions"
    ]


async def test_an_execution_without_its_order_and_its_record_is_found(house: House, executed: UUID) -> None:
    execution_id = await house.pool.fetchval("SELECT id FROM executions")
    await house.tamper("DELETE FROM orders")
    await house.tamper("DELETE FROM order_events")
    assert f"order {executed}: execution {execution_id} has no record" in await findings(house)


async def test_an_execution_that_is_gone_is_found(house: House, executed: UUID) -> None:
    execution_id = await house.pool.fetchval("SELECT id FROM executions")
    await house.tamper("DELETE FROM executions")
    assert f"order {executed}: execution {execution_id} is missing" in await findings(house)


async def test_an_execution_that_nobody_recorded_is_found(house: House, user: User) -> None:
    order_id = await house.resting(user)
    order = await house.order(order_id)
    added = fill(order, build.execution(order, "10")).execution
    assert added is not None
    await house.tamper(
        f"INSERT INTO executions VALUES ('{added.execution_id}', '{order_id}', '{user.account_id}', "
        "'simulated', 'x', 10, 94, 1, 1, 93, 94, now(), now(), now())"
    )
    assert f"order {order_id}: execution {added.execution_id} has no record" in await findings(house)


@pytest.mark.parametrize(
    "change", ["price = price - 1", "quantity = 9", "executed_at = now()", "quote_ask = 1", "venue = 'other'"]
)
async def test_an_execution_that_was_changed_is_found(house: House, executed: UUID, change: str) -> None:
    execution_id = await house.pool.fetchval("SELECT id FROM executions")
    await house.tamper(f"UPDATE executions SET {change}")
    found = await findings(house)
    assert f"order {executed}: execution {execution_id} is not what its record says" in found


async def test_a_settled_execution_is_not_a_changed_one(house: House, executed: UUID) -> None:
    await house.pool.execute("UPDATE executions SET settled_at = now()")
    assert await findings(house) == []


async def test_every_order_is_looked_at_however_many_pages_there_are(
    house: House, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_store, "PAGE", 2)
    order_ids = sorted([await house.accepted(user, quantity=str(number)) for number in range(1, 8)])
    await house.execute(*order_ids)
    await house.tamper("UPDATE order_events SET actor = 'nobody' WHERE version = 1")
    expected = [f"order {order_id}: record 1 was changed" for order_id in order_ids]
    assert await findings(house) == expected
    assert await findings(house, since=today()) == expected


async def test_since_a_day_only_what_happened_from_then_on_is_looked_at(house: House, user: User) -> None:
    old, new = await house.accepted(user), await house.accepted(user, quantity="11")
    await house.tamper("UPDATE order_events SET actor = 'nobody'")
    await house.tamper(
        f"UPDATE order_events SET recorded_at = recorded_at - interval '2 days' WHERE order_id = '{old}'"
    )
    assert await findings(house, since=today()) == [f"order {new}: record 1 was changed"]


async def test_a_system_at_work_raises_no_alarm(house: House, user: User) -> None:
    """Orders are accepted, executed and cancelled all the while."""
    done = asyncio.Event()

    async def trade() -> None:
        while not done.is_set():
            house.tape.quote("AAPL", "99", "100")
            order_ids = await asyncio.gather(*(house.accepted(user, quantity="1") for _ in range(5)))
            resting = await house.resting(user, quantity="1")
            await asyncio.gather(house.execute(*order_ids), house.cancel(user, resting))

    trading = asyncio.create_task(trade())
    try:
        for _ in range(8):
            assert await findings(house) == []
            assert await findings(house, since=today()) == []
    finally:
        done.set()
        await trading
    assert await house.count("orders") > 10
