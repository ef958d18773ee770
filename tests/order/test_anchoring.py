"""A day that is over is anchored: what no chain shows any more, its digest does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import asyncpg
import pytest

from hub_errors import Refused
from hub_order.audit import FIRST
from hub_order.auditor import Auditor
from hub_order.store.anchors import Anchors
from hub_postgres import HeldLock
from hub_runtime import utc_now
from tests.order.house import House
from tests.order.inspection import anchored, findings, move_back, today, tomorrow
from tests.order.test_refusals import keeping, principal
from tests.support.tokens import TokenUser as User

NO = Refused("No.", code="no")


async def some_history(house: House, user: User) -> UUID:
    """An executed order, a resting one and a refusal."""
    order_id = await house.accepted(user)
    await house.execute(order_id)
    await house.resting(user)
    async with keeping(house) as refusals:
        await refusals.record("cancel", NO, principal(), order_id=str(order_id))
    return order_id


async def test_a_day_is_anchored_once_when_it_is_over(house: House, user: User) -> None:
    await some_history(house, user)
    midnight = datetime.combine(today() + timedelta(days=1), time(), UTC)
    assert await anchored(house, now=utc_now()) == []
    assert await anchored(house, now=midnight + timedelta(minutes=14)) == []
    [anchor] = await anchored(house, now=midnight + timedelta(minutes=15))
    assert (anchor.day, anchor.orders, anchor.records) == (today(), 2, 4)
    assert (anchor.refusals, anchor.executions, anchor.prev_digest) == (1, 1, FIRST)
    assert await anchored(house, now=tomorrow()) == []
    assert await findings(house) == []


async def test_days_that_were_missed_are_made_up_for_each_following_the_one_before(
    house: House, user: User
) -> None:
    await some_history(house, user)
    await move_back(house, 3)
    await house.accepted(user, quantity="7")
    days = await anchored(house)
    assert [(anchor.day - today()).days for anchor in days] == [-3, -2, -1, 0]
    assert [anchor.records for anchor in days] == [4, 0, 0, 1]
    assert [anchor.prev_digest for anchor in days] == [FIRST, *(anchor.digest for anchor in days[:-1])]
    assert await findings(house) == []
    assert await findings(house, since=today()) == []


async def test_nothing_is_anchored_where_nothing_ever_happened(house: House) -> None:
    assert await anchored(house) == []
    assert await findings(house) == []


async def test_two_instances_anchor_a_day_once(house: House, user: User) -> None:
    await some_history(house, user)
    await move_back(house, 5)
    made = await asyncio.gather(anchored(house), anchored(house))
    assert await house.count("audit_anchors") == 6 == sum(map(len, made))
    assert await findings(house) == []


async def test_a_chain_whose_end_was_cut_is_found(house: House, user: User) -> None:
    """The last record goes, with its execution, and the order is as it was before it: no chain shows that."""
    order_id = await some_history(house, user)
    await anchored(house)
    await house.tamper(f"DELETE FROM executions WHERE order_id = '{order_id}'")
    await house.tamper(f"DELETE FROM order_events WHERE order_id = '{order_id}' AND version = 2")
    await house.tamper(f"""
        UPDATE orders SET status = 'PENDING', version = 1, filled_quantity = 0, filled_value = 0,
               execution_count = 0, chain = (SELECT hash FROM order_events WHERE order_id = orders.id)
        WHERE id = '{order_id}'""")
    assert await findings(house, order_id=order_id) == []
    assert await findings(house) == [
        f"day {today()}: its records are not those that were anchored: 4 then, 3 now",
        f"day {today()}: its executions are not those that were anchored: 1 then, 0 now",
    ]


async def test_an_order_that_is_gone_with_all_its_records_is_found(house: House, user: User) -> None:
    order_id = await some_history(house, user)
    await anchored(house)
    for table, column in (("executions", "order_id"), ("order_events", "order_id"), ("orders", "id")):
        await house.tamper(f"DELETE FROM {table} WHERE {column} = '{order_id}'")
    assert await findings(house) == [
        f"day {today()}: its records are not those that were anchored: 4 then, 2 now",
        f"day {today()}: its executions are not those that were anchored: 1 then, 0 now",
        f"day {today()}: its orders are not those that were anchored: 2 then, 1 now",
    ]


async def test_a_chain_that_was_written_anew_is_found(house: House, user: User) -> None:
    """A record is changed and all hashes fit again."""
    order_id = await house.accepted(user)
    await anchored(house)
    [(record, _)] = await house.orders.records(order_id)
    forged = replace(record, actor="user:somebody")
    await house.tamper(f"UPDATE order_events SET actor = '{forged.actor}', hash = '\\x{forged.hash.hex()}'")
    await house.tamper(f"UPDATE orders SET chain = '\\x{forged.hash.hex()}'")
    assert await findings(house, order_id=order_id) == []
    assert await findings(house) == [
        f"day {today()}: its records are not those that were anchored: 1 then, 1 now"
    ]


@pytest.mark.parametrize(
    ("change", "what", "now"),
    [
        ("DELETE FROM refusals", "refusals", 0),
        ("UPDATE executions SET venue_time = now()", "executions", 1),
        ("UPDATE executions SET market_time = now()", "executions", 1),
        ("UPDATE order_events SET recorded_at = '2020-01-01' WHERE version = 2", "records", 2),
    ],
)  # fmt: skip
async def test_what_only_a_digest_shows_is_found(
    house: House, user: User, change: str, what: str, now: int
) -> None:
    await some_history(house, user)
    [anchor] = await anchored(house)
    await house.tamper(change)
    then = getattr(anchor, what)
    assert f"day {today()}: its {what} are not those that were anchored: {then} then, {now} now" in (
        await findings(house)
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE audit_anchors SET records = 5 WHERE day = {day}", "its anchor was changed"),
        ("UPDATE audit_anchors SET digest = '\\x00' WHERE day = {day}", "its anchor was changed"),
        ("DELETE FROM audit_anchors WHERE day = {day}", "it has no anchor"),
    ],
)  # fmt: skip
async def test_an_anchor_that_was_changed_is_found(house: House, user: User, change: str, fault: str) -> None:
    await some_history(house, user)
    await move_back(house, 3)
    await anchored(house)
    day = today() - timedelta(days=2)
    await house.tamper(change.format(day=f"'{day}'"))
    found = await findings(house)
    assert f"day {day}: {fault}" in found


async def test_a_first_anchor_that_is_gone_is_found(house: House, user: User) -> None:
    await some_history(house, user)
    await move_back(house, 3)
    await anchored(house)
    await house.tamper("DELETE FROM audit_anchors WHERE day = (SELECT min(day) FROM audit_anchors)")
    day = today() - timedelta(days=2)
    assert f"day {day}: its anchor does not follow the one of the day before" in await findings(house)


async def test_anchors_can_only_be_added(house: House, user: User) -> None:
    await some_history(house, user)
    await anchored(house)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="audit_anchors is append-only"):
        await house.pool.execute("DELETE FROM audit_anchors")


async def test_the_job_anchors_what_is_due_and_ends_with_its_lock(house: House, user: User) -> None:
    await some_history(house, user)
    await move_back(house, 2)
    login, lock = house.database.runtime, HeldLock("audit")
    auditor = Auditor(
        anchors=Anchors(house.pool), database_url=login.url, database_password=login.password, interval_s=0.01
    )
    leading = asyncio.create_task(auditor.lead(lock))
    async with asyncio.timeout(20):
        while await house.count("audit_anchors") < 2:  # noqa: ASYNC110 - the database sends no event
            await asyncio.sleep(0.02)
    lock.lost.set()
    await leading
    assert await auditor.look() == 0
    assert await findings(house) == []
