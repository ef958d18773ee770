"""The worker on a real broker: exactly-once effect, what it tells the others, what it cannot book."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_errors import Invalid
from hub_events import POSITIONS, Amqp, Handle, Relay, UnknownEvent, consume, envelope, fanout
from hub_market_client import QuoteCache
from hub_money import to_text
from hub_position.clients import Market
from hub_position.domain.placing import HoldRequest
from hub_position.domain.trade import Side
from hub_position.mapping.values import WIRE_SIDES
from hub_position.worker import handle
from hub_postgres import Wakeup
from hub_runtime import utc_now
from tests.libs.events.world import looking
from tests.position.days import market, snapshot
from tests.position.dying_worker import work_until_killed
from tests.position.world import DEPOSIT, START, Owner, World, hold_of
from tests.support.jobs import eventually
from tests.support.servers import Database, Login

TRACE = "0af7651916cd43dd8448eb211c80319c"
UPDATES = POSITIONS.queues_of("updates")
SAMPLED, UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331-00"


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def order_of(hold: HoldRequest, filled: str) -> order_pb2.Order:
    return order_pb2.Order(
        order_id=str(hold.order_id),
        account_id=str(hold.account_id),
        symbol=hold.symbol,
        side=WIRE_SIDES[hold.side],
        quantity=to_text(hold.quantity),
        filled_quantity=filled,
    )


def executed(hold: HoldRequest, price: str, *, quantity: str = "", minute: int = 0) -> event_pb2.Envelope:
    quantity = quantity or to_text(hold.quantity)
    moment = stamp(START + timedelta(minutes=minute))
    payload = event_pb2.OrderExecuted(
        order=order_of(hold, quantity),
        execution=order_pb2.Execution(
            execution_id=str(uuid4()), quantity=quantity, price=price, executed_at=moment
        ),
        hold_id=str(hold.hold_id),
        execution_count=1,
        market_time=moment,
        user_id=str(hold.user_id),
    )
    order_id, account_id = str(hold.order_id), str(hold.account_id)
    return envelope("order.executed", order_id, account_id, payload, traceparent=UNSAMPLED)


def closed(hold: HoldRequest, *, filled: str, count: int) -> event_pb2.Envelope:
    payload = event_pb2.OrderClosed(
        order=order_of(hold, filled), hold_id=str(hold.hold_id), execution_count=count
    )
    order_id, account_id = str(hold.order_id), str(hold.account_id)
    return envelope("order.closed", order_id, account_id, payload, traceparent=UNSAMPLED)


class Desk:
    """The position service's worker and the broker it listens to."""

    def __init__(self, world: World, broker: Login) -> None:
        self.world = world
        self.broker = broker
        self.handle: Handle = self.handling(market())

    def handling(self, market: Market) -> Handle:
        return partial(handle, pool=self.world.pool, market=market, deposit=DEPOSIT, clock=utc_now)

    def amqp(self, name: str) -> Amqp:
        return Amqp(self.broker.url, self.broker.password, name=name)

    @asynccontextmanager
    async def working(self, handle: Handle) -> AsyncIterator[asyncio.Task[None]]:
        job = asyncio.create_task(consume(self.amqp("worker"), UPDATES, handle, family=POSITIONS.name))
        try:
            yield job
        finally:
            job.cancel()
            await asyncio.wait({job})

    async def publish(self, *events: event_pb2.Envelope) -> None:
        """As the order service's relay would: one message of events of one account."""
        async with self.amqp("order").link("test") as link:
            body = event_pb2.EventBatch(events=events).SerializeToString()
            await link.publish(POSITIONS.name, POSITIONS.key("updates", events[0].account_id), body)

    async def outbox(self, owner: Owner) -> list[event_pb2.Envelope]:
        async with self.world.pool.acquire() as connection:
            rows = await connection.fetch("SELECT envelope FROM outbox ORDER BY id")
        events = [event_pb2.Envelope.FromString(row["envelope"]) for row in rows]
        return [event for event in events if event.account_id == str(owner.account_id)]

    async def held(self, owner: Owner) -> Decimal:
        return (await self.world.balance(owner)).account.held


@pytest.fixture
def desk(world: World, amqp_vhost: Login) -> Desk:
    return Desk(world, amqp_vhost)


async def booked(desk: Desk, owner: Owner) -> int:
    async with desk.world.pool.acquire() as connection:
        count = await connection.fetchval(
            "SELECT count(*) FROM trades WHERE account_id = $1", owner.account_id
        )
    return int(count)


async def until_booked(desk: Desk, owner: Owner, count: int) -> None:
    async with asyncio.timeout(20):
        while await booked(desk, owner) < count:  # noqa: ASYNC110 - the database sends no event
            await asyncio.sleep(0.02)


def idle() -> bool:
    """Whatever was handled is acknowledged."""
    return REGISTRY.get_sample_value("hub_events_in_flight", {"family": POSITIONS.name}) == 0


async def test_an_order_is_booked_when_its_events_arrive(desk: Desk) -> None:
    owner = await desk.world.owner()
    hold = hold_of(owner, Side.BUY, "10", "105")
    await desk.world.hold(hold)
    async with desk.working(desk.handle):
        await desk.publish(executed(hold, "100"), closed(hold, filled="10", count=1))
        await until_booked(desk, owner, 1)
    position = await desk.world.position(owner)
    assert [position.holding.quantity, position.holding.total_cost] == [10, 1000]
    assert await desk.held(owner) == 0
    await desk.world.assert_balanced(owner)


async def test_the_end_of_an_order_may_arrive_before_its_executions(desk: Desk) -> None:
    owner = await desk.world.owner()
    hold = hold_of(owner, Side.BUY, "10", "100")
    await desk.world.hold(hold)
    async with desk.working(desk.handle):
        await desk.publish(closed(hold, filled="6", count=2))
        await desk.publish(executed(hold, "100", quantity="4", minute=2))
        await until_booked(desk, owner, 1)
        assert await desk.held(owner) == 200
        await desk.publish(executed(hold, "90", quantity="2", minute=1))
        await until_booked(desk, owner, 2)
    assert await desk.held(owner) == 0
    assert (await desk.world.position(owner)).holding.total_cost == 580
    await desk.world.assert_balanced(owner)


async def test_an_order_that_was_replaced_hands_its_hold_over(desk: Desk) -> None:
    owner = await desk.world.owner()
    old, new = hold_of(owner, Side.BUY, "10", "100"), hold_of(owner, Side.BUY, "6", "120")
    await desk.world.hold(old, replace(new, replaced_hold_id=old.hold_id))
    payload = event_pb2.OrderReplaced(
        order=order_of(old, "4"),
        hold_id=str(old.hold_id),
        execution_count=1,
        new_order=order_of(new, "0"),
        new_hold_id=str(new.hold_id),
        new_unit_price="120",
        user_id=str(owner.user_id),
    )
    about = str(old.order_id), str(old.account_id)
    async with desk.working(desk.handle):
        await desk.publish(
            envelope("order.replaced", *about, payload, traceparent=UNSAMPLED),
            executed(new, "110"),
            executed(old, "100", quantity="4", minute=1),
        )
        await until_booked(desk, owner, 2)
    assert await desk.held(owner) == 0
    assert (await desk.world.balance(owner)).account.cash == DEPOSIT - 1060
    await desk.world.assert_balanced(owner)


async def test_a_hold_that_nobody_placed_is_made_from_the_replacement(desk: Desk) -> None:
    owner = await desk.world.owner()
    old, new = hold_of(owner, Side.BUY, "10", "100"), hold_of(owner, Side.BUY, "500", "1")
    await desk.world.hold(old)
    payload = event_pb2.OrderReplaced(
        order=order_of(old, "0"),
        hold_id=str(old.hold_id),
        new_order=order_of(new, "0"),
        new_hold_id=str(new.hold_id),
        user_id=str(owner.user_id),
    )
    payload.new_order.notional, payload.new_order.quantity = "500", "4.9"
    about = str(old.order_id), str(old.account_id)
    event = envelope("order.replaced", *about, payload, traceparent=UNSAMPLED)
    last = executed(new, "100", quantity="4.99")
    last.order_executed.order.status = order_pb2.ORDER_STATUS_EXECUTED
    last.order_executed.order.notional = "500"
    for _ in range(2):
        await desk.handle([event])
        assert await desk.held(owner) == 500
    for _ in range(2):
        await desk.handle([last])
        assert await desk.held(owner) == 0, "the order is executed: what is left of its cash is free"
    await desk.world.assert_balanced(owner)


async def test_until_settlement_days_are_known_the_worker_waits_with_its_batch(desk: Desk) -> None:
    owner = await desk.world.owner()
    hold = hold_of(owner, Side.BUY, "10", "105")
    await desk.world.hold(hold)
    cache = QuoteCache()

    def paused() -> bool:
        return REGISTRY.get_sample_value("hub_events_paused", {"family": POSITIONS.name}) == 1

    async with looking(desk.broker) as broker, desk.working(desk.handling(Market(cache))):
        await desk.publish(executed(hold, "100"))
        await eventually(paused)
        assert await booked(desk, owner) == 0
        assert await broker.depth(*(queue.name for queue in POSITIONS.queues())) == 0, "nothing is put aside"
        cache.apply(snapshot(days=[date(2026, 1, 2), date(2026, 1, 7)]))
        await until_booked(desk, owner, 1)
    async with desk.world.pool.acquire() as connection:
        query = "SELECT settles_on FROM trades WHERE account_id = $1"
        assert await connection.fetchval(query, owner.account_id) == date(2026, 1, 7)


async def test_a_worker_that_dies_between_commit_and_acknowledgement_books_nothing_twice(
    desk: Desk, position_database: Database
) -> None:
    owner = await desk.world.owner()
    hold = hold_of(owner, Side.BUY, "10", "105")
    await desk.world.hold(hold)
    event, again = executed(hold, "100", quantity="4"), list[event_pb2.Envelope]()

    async def handle_again(events: Sequence[event_pb2.Envelope]) -> None:
        await desk.handle(events)
        again.extend(events)

    async with looking(desk.broker) as broker:

        async def both_are_back() -> bool:
            return await broker.depth(*UPDATES) == 2

        for _ in range(2):
            await desk.publish(event)
        await work_until_killed(position_database.runtime, desk.broker)
        await eventually(both_are_back)
        once = await desk.world.books(owner), await desk.outbox(owner)
        assert await booked(desk, owner) == 1
        assert await desk.held(owner) == 630
        assert (await desk.world.position(owner)).holding.total_cost == 400
        async with desk.working(handle_again):
            await eventually(lambda: len(again) == 2 and idle())
        assert again == [event, event]
        assert (await desk.world.books(owner), await desk.outbox(owner)) == once
        assert await broker.depth(*(queue.name for queue in POSITIONS.queues())) == 0
    await desk.world.assert_balanced(owner)


async def test_an_event_that_is_published_twice_is_booked_once(desk: Desk) -> None:
    owner = await desk.world.owner()
    hold = hold_of(owner, Side.BUY, "10", "105")
    await desk.world.hold(hold)
    event, last = executed(hold, "100"), hold_of(owner, Side.BUY, "1", "1", symbol="MSFT")
    async with desk.working(desk.handle):
        await desk.publish(event, event)
        await desk.publish(event)
        await desk.publish(executed(last, "1"))
        await until_booked(desk, owner, 2)
    assert (await desk.world.position(owner)).holding.quantity == 10
    await desk.world.assert_balanced(owner)


async def test_one_event_that_cannot_be_read_harms_no_other(desk: Desk) -> None:
    owner = await desk.world.owner()
    good = [executed(hold_of(owner, Side.BUY, "1", "10"), "10", minute=minute) for minute in range(5)]
    bad = executed(hold_of(owner, Side.BUY, "1", "10"), "-10")
    async with desk.working(desk.handle):
        await desk.publish(*good[:2], bad, *good[2:])
        await until_booked(desk, owner, 5)
        async with desk.amqp("look").link("look") as link, asyncio.timeout(20):
            dead = await link.channel.get_queue(POSITIONS.dlq, ensure=False)
            while (message := await dead.get(fail=False)) is None:  # noqa: ASYNC110 - it is polled
                await asyncio.sleep(0.02)
    assert "not_positive" in str(message.headers["reason"])
    assert [event.event_id for event in event_pb2.EventBatch.FromString(message.body).events] == [
        bad.event_id
    ]
    await desk.world.assert_balanced(owner)


async def test_a_side_or_an_event_of_a_newer_release_waits_and_what_is_wrong_does_not(desk: Desk) -> None:
    hold = hold_of(Owner(), Side.BUY, "1", "10")
    newer = executed(hold, "10")
    newer.order_executed.order.side = 99  # type: ignore[assignment]
    not_for_us = envelope("order.accepted", "o", "a", event_pb2.OrderAccepted())
    for event in (newer, not_for_us):
        with pytest.raises(UnknownEvent):
            await desk.handle([event])
    missing = executed(hold, "10")
    missing.order_executed.order.side = order_pb2.SIDE_UNSPECIFIED
    with pytest.raises(Invalid):
        await desk.handle([missing])


async def test_what_was_booked_is_told_to_whoever_listens(desk: Desk, position_database: Database) -> None:
    owner = await desk.world.owner()
    hold = hold_of(owner, Side.BUY, "10", "105")
    await desk.world.hold(hold)
    heard, listening = list[event_pb2.Envelope](), asyncio.Event()

    async def hear(events: Sequence[event_pb2.Envelope]) -> None:
        heard.extend(event for event in events if event.account_id == str(owner.account_id))

    login = position_database.runtime
    wakeup = Wakeup(login.url, login.password, "outbox")
    relay = Relay(desk.world.pool, wakeup, desk.amqp("relay"), "position")
    jobs = [
        asyncio.create_task(job)
        for job in (
            fanout(desk.amqp("listener"), POSITIONS.status, hear, connected=listening.set),
            wakeup.run(),
            relay.run(),
        )
    ]
    try:
        async with asyncio.timeout(20):
            await listening.wait()
        event = executed(hold, "100")
        await desk.handle([event])
        await eventually(lambda: len(heard) == 2)
        oversold = executed(hold_of(owner, Side.SELL, "12"), "110", minute=1)
        await desk.handle([oversold])
        await eventually(lambda: len(heard) == 4)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.wait(jobs)
    changed, account, failed, _ = heard
    assert (changed.type, account.type) == ("position.changed", "account.changed")
    assert {each.traceparent for each in heard} == {UNSAMPLED}
    position = changed.position_changed
    assert (position.kind, position.quantity, position.total_cost) == ("created", "10", "1000")
    assert position.trade_id == event.order_executed.execution.execution_id
    cash = account.account_changed
    assert (cash.cash, cash.held, cash.buying_power) == ("99000", "0", "99000")
    assert (failed.position_changed.kind, failed.position_changed.quantity) == ("validation_failed", "-2")
    assert UUID(changed.aggregate_id) == (await desk.world.position(owner)).position_id


async def test_a_sampled_execution_has_a_span_that_its_effects_follow_from(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)  # a provider can be set only once
    owner, other = await desk.world.owner(), await desk.world.owner()
    sampled = executed(hold_of(owner, Side.BUY, "1", "10"), "10")
    sampled.traceparent = SAMPLED
    await desk.handle([sampled, executed(hold_of(other, Side.BUY, "1", "10"), "10")])
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.parent and f"{span.parent.span_id:016x}") == ("position.book", SAMPLED[36:52])
    assert span.context is not None
    expected = {owner: f"00-{TRACE}-{span.context.span_id:016x}-01", other: UNSAMPLED}
    for account, traceparent in expected.items():
        told = await desk.outbox(account)
        assert {event.type for event in told} == {"position.changed", "account.changed"}
        assert {event.traceparent for event in told} == {traceparent}


async def test_a_batch_over_several_accounts_is_one_transaction(desk: Desk) -> None:
    owners = [await desk.world.owner() for _ in range(5)]
    events = [executed(hold_of(owner, Side.BUY, "1", "10"), "10") for owner in owners]
    await desk.handle(events)
    async with desk.world.pool.acquire() as connection:
        moments = await connection.fetch(
            "SELECT DISTINCT booked_at, xmin::text FROM trades WHERE account_id = ANY ($1)",
            [owner.account_id for owner in owners],
        )
    assert len(moments) == 1
    for owner in owners:
        await desk.world.assert_balanced(owner)
