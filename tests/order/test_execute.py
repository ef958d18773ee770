"""Executing: each order is filled at most once from one quote, and ends in exactly one way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hub.order.v1 import order_pb2
from hub_errors import Refused
from hub_order import audit
from hub_order.clients import Market
from hub_order.domain import Quote, Status, execution_id_of
from hub_order.usecases.execute import execute
from hub_order.usecases.plan import Task
from hub_order.venue import FillModel, SimulatedVenue
from tests.order import build
from tests.order.house import House
from tests.support.tokens import TokenUser as User

IOC = order_pb2.TIME_IN_FORCE_IOC
SHOWN_ONLY = SimulatedVenue(FillModel(participation=True))
"""Fills at most what a quote shows."""


async def types(house: House, exchange: str = "positions") -> list[str]:
    return [event.type for event in await house.events(exchange)]


async def handed(house: House, *order_ids: UUID, quote: Quote | None = None, **fields: Any) -> None:
    """What the worker does with what the trigger hands over."""
    quote = quote or build.quote(bid="93", ask="94", seq=7)
    quote = replace(quote, market_time=house.tape.cache.market_time())
    tasks = [Task(order_id, "", quote) for order_id in order_ids]
    await execute(tasks, floor=house.floor_with(**fields))


async def age(house: House, order_id: UUID, seconds: int) -> None:
    """As if it had been accepted that long ago."""
    earlier = timedelta(seconds=seconds)
    query = "UPDATE orders SET accepted_at = accepted_at - $2::interval, version = version + 1 WHERE id = $1"
    await house.pool.execute(query, order_id, earlier)


async def test_a_market_order_is_filled_from_the_quote_of_now(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    house.tape.quote("AAPL", "100", "101")
    await house.execute(order_id)
    answer = await house.get(user, order_id)
    assert answer.order.status == order_pb2.ORDER_STATUS_EXECUTED
    assert (answer.order.filled_quantity, answer.order.average_price) == ("10", "101")
    (execution,) = answer.executions
    assert (execution.quote_epoch, execution.quote_seq) == (1, 2)
    assert (execution.quote_bid, execution.quote_ask) == ("100", "101")
    assert execution.execution_id == str(execution_id_of(order_id, f"sim-{order_id}-1-2"))
    (event,) = await house.events("positions")
    order = await house.order(order_id)
    assert event.order_executed.order == answer.order
    assert event.order_executed.execution == execution
    assert event.order_executed.hold_id == str(order.hold_id)
    assert event.order_executed.user_id == str(user.user_id)
    assert event.order_executed.execution_count == 1
    assert [each.type for each in await house.events()] == ["order.accepted", "order.executed"]


async def test_a_sale_is_filled_at_the_bid(house: House, user: User) -> None:
    house.books.shares[str(user.account_id), "AAPL"] = Decimal(10)
    order_id = await house.accepted(user, side=order_pb2.SIDE_SELL)
    await house.execute(order_id)
    assert (await house.order(order_id)).average_price == 99


async def test_an_order_accepted_twice_over_the_broker_is_filled_once(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    await house.execute(order_id)
    house.tape.quote("AAPL", "100", "101")
    await house.execute(order_id, order_id)
    await asyncio.gather(*(house.execute(order_id) for _ in range(4)))
    assert await house.count("executions") == 1
    assert await types(house) == ["order.executed"]


async def test_concurrent_deliveries_fill_once(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    await asyncio.gather(*(house.execute(order_id) for _ in range(8)))
    assert await house.count("executions") == 1
    assert (await house.order(order_id)).execution_count == 1


async def test_a_limit_below_the_market_rests_until_a_quote_crosses_it(house: House, user: User) -> None:
    order_id = await house.resting(user)
    assert (await house.order(order_id)).status is Status.PROCESSING
    assert await types(house) == []
    await handed(house, order_id, quote=build.quote(bid="94", ask="94.50", seq=7))
    order = await house.order(order_id)
    assert (order.status, order.average_price) == (Status.EXECUTED, Decimal("94.5"))


async def test_who_follows_updates_is_told_once_that_an_order_has_come_to_rest(
    house: House, user: User
) -> None:
    order_id = await house.accepted(user, limit_price="95")
    for _ in range(2):
        await house.execute(order_id)
    (event,) = await house.events("orders.status")
    answer = await house.get(user, order_id)
    assert (event.type, event.aggregate_id) == ("order.accepted", str(order_id))
    assert event.order_accepted.order == answer.order
    assert (answer.order.status, answer.order.version) == (order_pb2.ORDER_STATUS_PROCESSING, 2)
    assert await types(house, "orders") == ["order.accepted"], "the worker is not told of it"


async def test_of_an_order_that_does_not_rest_nothing_more_is_said(house: House, user: User) -> None:
    filled, at_once = await house.accepted(user), await house.accepted(user, time_in_force=IOC)
    none_left = await house.accepted(user, time_in_force=IOC, limit_price="95")
    await house.execute(filled, at_once, none_left)
    partly = await house.accepted(user)
    house.tape.quote("AAPL", "99", "100", ask_size="5")
    await execute([Task(partly, "")], floor=house.floor_with(venue=SHOWN_ONLY))
    assert (await house.order(partly)).status is Status.PARTIALLY_EXECUTED
    assert await types(house, "orders.status") == []
    assert sorted(await types(house)) == ["order.closed", *3 * ["order.executed"]]


async def test_a_limit_above_the_market_is_filled_at_once_at_the_market(house: House, user: User) -> None:
    order_id = await house.accepted(user, limit_price="104")
    await house.execute(order_id)
    order = await house.order(order_id)
    assert (order.status, order.average_price) == (Status.EXECUTED, Decimal(100))


async def test_what_two_triggers_hand_over_from_one_quote_is_filled_once(house: House, user: User) -> None:
    order_id = await house.resting(user)
    await asyncio.gather(handed(house, order_id, order_id), handed(house, order_id))
    await handed(house, order_id)
    assert await house.count("executions") == 1
    assert await types(house) == ["order.executed"]


async def test_a_quote_that_has_filled_a_part_fills_nothing_more(house: House, user: User) -> None:
    order_id = await house.resting(user)
    quote = build.quote(bid="93", ask="94", seq=7, ask_size=Decimal(5))
    await handed(house, order_id, quote=quote, venue=SHOWN_ONLY)
    await handed(house, order_id, quote=quote, venue=SHOWN_ONLY)
    order = await house.order(order_id)
    assert (order.status, order.filled_quantity) == (Status.PARTIALLY_EXECUTED, Decimal(5))
    await handed(house, order_id, quote=build.quote(bid="93", ask="94", seq=8))
    order = await house.order(order_id)
    assert (order.status, order.filled_quantity, order.execution_count) == (Status.EXECUTED, Decimal(10), 2)
    counts = [event.order_executed.execution_count for event in await house.events("positions")]
    assert counts == [1, 2]


async def test_a_market_purchase_is_never_filled_above_its_protection(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    house.tape.quote("AAPL", "105", "105.01")
    await house.execute(order_id)
    order = await house.order(order_id)
    assert (order.status, order.reason) == (Status.FAILED, "PRICE_PROTECTION")
    (event,) = await house.events("positions")
    assert (event.type, event.order_closed.execution_count) == ("order.closed", 0)
    assert event.order_closed.hold_id == str(order.hold_id)
    assert event.order_closed.order.filled_quantity == "0"


async def test_what_is_left_of_a_purchase_above_its_protection_is_closed(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    house.tape.quote("AAPL", "99", "100", ask_size="5")
    await execute([Task(order_id, "")], floor=house.floor_with(venue=SHOWN_ONLY))
    await handed(house, order_id, quote=build.quote(ask="106", seq=9))
    order = await house.order(order_id)
    assert (order.status, order.reason) == (Status.FAILED, "PRICE_PROTECTION")
    closed = (await house.events("positions"))[-1].order_closed
    assert (closed.order.filled_quantity, closed.execution_count) == ("5", 1)


async def test_a_market_order_without_a_fresh_quote_waits_for_the_next(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    house.tape.quote("AAPL", "99", "100", age_s=60)
    await execute([Task(order_id, "")], floor=house.floor_with(pauses_s=(0.01, 0.01)))
    assert (await house.order(order_id)).status is Status.PROCESSING
    await handed(house, order_id, quote=build.quote(seq=9))
    assert (await house.order(order_id)).status is Status.EXECUTED


async def test_a_market_order_is_tried_again_on_the_spot(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    market = LateMarket(house.tape.cache, max_age_s=10)
    await execute([Task(order_id, "")], floor=house.floor_with(market=market, pauses_s=(0, 0, 0)))
    order = await house.order(order_id)
    assert (order.status, order.rested, market.looks) == (Status.EXECUTED, False, 3)


async def test_a_market_order_that_is_too_old_fails(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    await age(house, order_id, 121)
    await house.execute(order_id)
    order = await house.order(order_id)
    assert (order.status, order.reason) == (Status.FAILED, "STALE")
    assert await types(house) == ["order.closed"]


async def test_a_halted_instrument_fills_nothing(house: House, user: User) -> None:
    order_id = await house.accepted(user, limit_price="104")
    house.tape.halt("AAPL")
    await house.execute(order_id)
    assert (await house.order(order_id)).status is Status.PROCESSING


async def test_a_batch_of_orders_is_one_transaction(house: House, user: User) -> None:
    order_ids = [await house.accepted(user, quantity="1") for _ in range(5)]
    await house.execute(*order_ids)
    transactions = await house.pool.fetch("SELECT DISTINCT xmin::text FROM executions")
    assert len(transactions) == 1
    assert await house.count("orders", "status = 'EXECUTED'") == 5


async def test_the_chain_of_an_order_verifies_and_a_change_is_found(house: House, user: User) -> None:
    order_id = await house.resting(user)
    await handed(house, order_id)
    order = await house.order(order_id)
    records = await house.orders.records(order_id)
    assert [record.kind for record, _ in records] == ["accepted", "working", "executed"]
    assert [record.actor for record, _ in records] == [f"user:{user.user_id}", "worker", "venue:simulated"]
    assert audit.faults(records, head=order.chain, version=order.version) == []
    await house.tamper('UPDATE order_events SET detail = \'{"price": "1"}\' WHERE version = 3')
    changed = await house.orders.records(order_id)
    assert audit.faults(changed, head=order.chain, version=order.version) == ["record 3 was changed"]


async def test_a_cancelled_order_is_closed_and_gives_its_hold_back(house: House, user: User) -> None:
    order_id = await house.resting(user)
    cancelled = await house.cancel(user, order_id)
    assert cancelled.status == order_pb2.ORDER_STATUS_CANCELLED
    (event,) = await house.events("positions")
    assert (event.type, event.order_closed.execution_count) == ("order.closed", 0)
    await handed(house, order_id)
    assert (await house.order(order_id)).status is Status.CANCELLED
    with pytest.raises(Refused) as refused:
        await house.cancel(user, order_id)
    assert refused.value.code == "order_final"


async def test_an_order_that_was_cancelled_before_the_worker_saw_it_is_not_filled(
    house: House, user: User
) -> None:
    order_id = await house.accepted(user)
    await house.cancel(user, order_id)
    await house.execute(order_id)
    assert (await house.order(order_id)).status is Status.CANCELLED
    assert await house.count("executions") == 0


async def test_a_race_of_cancel_and_fill_ends_once_and_tells_the_books_once(house: House, user: User) -> None:
    order_ids = [await house.resting(user, quantity="1") for _ in range(12)]
    before = len(await house.events("positions"))

    async def cancelled(order_id: UUID) -> bool:
        try:
            await house.cancel(user, order_id)
        except Refused:
            return False
        return True

    outcomes = await asyncio.gather(
        *(cancelled(order_id) for order_id in order_ids), *(handed(house, order_id) for order_id in order_ids)
    )
    ends = {event.aggregate_id: event for event in (await house.events("positions"))[before:]}
    assert len(ends) == len(await house.events("positions")) - before == len(order_ids)
    for order_id, won in zip(order_ids, outcomes, strict=False):
        order, event = await house.order(order_id), ends[str(order_id)]
        assert order.status is (Status.CANCELLED if won else Status.EXECUTED)
        assert event.type == ("order.closed" if won else "order.executed")
        assert order.execution_count == (0 if won else 1)
        records = await house.orders.records(order_id)
        assert audit.faults(records, head=order.chain, version=order.version) == []


class LateMarket(Market):
    """Has a price when asked for the third time."""

    looks = 0

    def usable(self, symbol: str, *, extended: bool = False) -> Quote | None:
        self.looks += 1
        return super().usable(symbol, extended=extended) if self.looks > 2 else None
