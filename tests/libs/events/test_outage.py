"""The broker is away, or a process stumbles: nothing is lost, and the events of an account stay in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hub.event.v1 import event_pb2
from hub_events import ORDERS, OUTBOX_SQL, OutboxRow, Relay, consume, enqueue
from hub_postgres import Pool, Wakeup, connect_pool, transaction
from hub_runtime.crash_points import armed
from tests.libs.events.world import SUBMIT, amqp_of, event
from tests.support.crash_points import crash_points
from tests.support.jobs import eventually, running
from tests.support.servers import Database, Login, ServerRoom

ACCOUNTS = [f"account {number}" for number in range(6)]


class Books:
    """What was written to the outbox and what was handled, by account: each event is the next number."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.written = dict.fromkeys(ACCOUNTS, 0)
        self.handled: dict[str, list[int]] = defaultdict(list)
        self.open = asyncio.Event()
        self.open.set()
        self.holding = 0

    async def write(self) -> None:
        """Three events of every account, in one transaction."""
        rows = []
        for account in ACCOUNTS:
            for _ in range(3):
                told = event(str(self.written[account]), account)
                rows.append(OutboxRow("orders", ORDERS.key("submit", account), told))
                self.written[account] += 1
        async with transaction(self.pool) as connection:
            await enqueue(connection, rows)

    async def handle(self, events: Sequence[event_pb2.Envelope]) -> None:
        self.holding += 1
        await self.open.wait()
        self.holding -= 1
        for each in events:
            self.handled[each.account_id].append(int(each.aggregate_id))

    def complete(self) -> bool:
        return all(set(self.handled[each]) == set(range(self.written[each])) for each in ACCOUNTS)

    def first_times(self, account: str) -> list[int]:
        """What comes again was handled before; leaving that out, nothing may be out of its order."""
        return list(dict.fromkeys(self.handled[account]))


@pytest.fixture
async def books(empty_database: Database) -> AsyncIterator[Books]:
    owner = empty_database.owner
    async with await connect_pool(owner.url, owner.password, 4, "tests") as pool:
        await pool.execute(OUTBOX_SQL)
        yield Books(pool)


def relay(books: Books, database: Database, login: Login) -> list[Any]:
    wakeup = Wakeup(database.owner.url, database.owner.password, "outbox")
    return [wakeup.run(), Relay(books.pool, wakeup, amqp_of(login), "order").run()]


async def none_left(books: Books) -> bool:
    return int(await books.pool.fetchval("SELECT count(*) FROM outbox")) == 0


@pytest.fixture
async def own_room(folder_for_servers: Path) -> AsyncIterator[ServerRoom]:
    room = ServerRoom(folder_for_servers / "broker-that-stops")
    yield room
    await room.stop()


@pytest.mark.timeout(240)
async def test_relay_and_consumers_go_on_by_themselves_after_a_broker_was_stopped(
    books: Books, empty_database: Database, own_room: ServerRoom
) -> None:
    """It stops while messages are unconfirmed and while a batch is being handled, and stays away while more
    is written."""
    server = await own_room.start_rabbitmq()
    broker = own_room._children[-1]
    consumer = amqp_of(server.login)

    enough = asyncio.Event()

    async def keep_writing() -> None:
        while not enough.is_set():
            await books.write()
            await asyncio.sleep(0.01)

    async with running(*relay(books, empty_database, server.login), consume(consumer, SUBMIT, books.handle)):
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_writing())
            await eventually(lambda: all(len(books.handled[each]) > 30 for each in ACCOUNTS), 60)
            books.open.clear()
            await eventually(lambda: books.holding == 1)
            await broker.stop(limit=10)
            await eventually(lambda: consumer.state() != "ok")
            books.open.set()
            before = books.written[ACCOUNTS[0]]
            await eventually(lambda: books.written[ACCOUNTS[0]] > before + 60, 60)
            enough.set()
        assert not await none_left(books)
        broker.start()
        await eventually(books.complete, 90)
        await eventually(lambda: none_left(books))
    for account in ACCOUNTS:
        assert books.first_times(account) == list(range(books.written[account]))


POINTS = [*crash_points("relay.order."), *crash_points("consume.orders.")]


@pytest.mark.parametrize("point", POINTS)
async def test_a_fault_at_any_point_loses_nothing_and_keeps_the_order(
    books: Books, empty_database: Database, amqp_vhost: Login, point: str
) -> None:
    for _ in range(3):
        await books.write()
    with armed(f"{point}=error@2"):
        async with running(
            *relay(books, empty_database, amqp_vhost), consume(amqp_of(amqp_vhost), SUBMIT, books.handle)
        ):
            await eventually(books.complete)
            await books.write()
            await eventually(books.complete)
            await books.write()
            await eventually(books.complete)
    for account in ACCOUNTS:
        assert books.first_times(account) == list(range(books.written[account]))
