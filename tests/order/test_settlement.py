"""Settled trades stamp their executions, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from hub.event.v1 import event_pb2
from hub_errors import NotFound
from hub_events import ORDERS, Amqp, Poison, UnknownEvent, consume, envelope, pack
from hub_order.settlement import handle_settlements
from hub_order.store import Settlements
from hub_runtime import uuid7
from tests.order.house import House
from tests.support.jobs import eventually, running
from tests.support.servers import Login
from tests.support.tokens import TokenUser as User

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def settled(trade_id: UUID | str, at: datetime = NOON) -> event_pb2.Envelope:
    payload = event_pb2.TradeSettled(trade_id=str(trade_id))
    payload.settled_at.FromDatetime(at)
    return envelope("trade.settled", str(trade_id), "account", payload)


async def executed(house: House, user: User) -> UUID:
    """A new order's execution."""
    order_id = await house.accepted(user)
    await house.execute(order_id)
    return UUID((await house.get(user, order_id)).executions[0].execution_id)


async def stamps(house: House) -> dict[UUID, datetime | None]:
    rows = await house.pool.fetch("SELECT id, settled_at FROM executions")
    return {row["id"]: row["settled_at"] for row in rows}


async def handle(house: House, *events: event_pb2.Envelope) -> None:
    await handle_settlements(events, settlements=Settlements(house.pool))


async def test_a_settled_trade_stamps_its_execution_and_no_other(house: House, user: User) -> None:
    first, second, third = [await executed(house, user) for _ in range(3)]
    await handle(house, settled(first), settled(third, NOON + timedelta(days=1)))
    assert await stamps(house) == {first: NOON, second: None, third: NOON + timedelta(days=1)}


async def test_the_first_time_that_was_told_stays(house: House, user: User) -> None:
    one = await executed(house, user)
    later = settled(one, NOON + timedelta(hours=1))
    await handle(house, settled(one), later)
    await handle(house, later)
    assert await stamps(house) == {one: NOON}


async def test_a_trade_of_no_execution_is_said_not_to_exist(house: House) -> None:
    with pytest.raises(NotFound):
        await handle(house, settled(uuid7()))


async def test_what_cannot_be_read_is_poison_and_what_is_new_waits(house: House) -> None:
    with pytest.raises(Poison):
        await handle(house, settled("T-1"))
    timeless = settled(uuid7())
    timeless.trade_settled.ClearField("settled_at")
    with pytest.raises(Poison):
        await handle(house, timeless)
    with pytest.raises(UnknownEvent):
        await handle(house, envelope("order.closed", "x", "account", event_pb2.OrderClosed()))


async def test_events_of_the_queue_stamp_whatever_is_beside_them(
    house: House, user: User, amqp_vhost: Login
) -> None:
    one, two = [await executed(house, user) for _ in range(2)]
    amqp = Amqp(amqp_vhost.url, amqp_vhost.password)
    work = partial(handle_settlements, settlements=Settlements(house.pool))
    async with amqp.link("position") as link:
        events = [settled(one), settled("T-1"), settled(uuid7()), settled(two)]
        body = pack(event.SerializeToString() for event in events)
        await link.publish(ORDERS.name, ORDERS.key("settlement", "account"), body)
        async with running(consume(amqp, ORDERS.queues_of("settlement"), work, family=ORDERS.name)):

            async def all_stamped() -> bool:
                return await stamps(house) == {one: NOON, two: NOON}

            await eventually(all_stamped)


@pytest.mark.parametrize("change", ["price = price + 1", "market_time = now()", "settled_at = NULL"])
async def test_an_execution_is_never_changed_but_for_its_first_settlement(
    house: House, user: User, change: str
) -> None:
    one = await executed(house, user)
    await handle(house, settled(one))
    with pytest.raises(asyncpg.RestrictViolationError):
        await house.pool.execute(f"UPDATE executions SET {change}")
    assert await stamps(house) == {one: NOON}
