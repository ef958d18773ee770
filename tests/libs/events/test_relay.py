"""From the outbox to the broker: what committed and nothing else, in order, through outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from hub_events import ORDERS, OUTBOX_SQL, OutboxRow, Relay, consume, enqueue, fanout
from hub_postgres import Pool, Wakeup, connect_pool, transaction
from tests.libs.events.world import SHORT, SUBMIT, Handler, amqp_of, event, looking
from tests.support.jobs import eventually, running
from tests.support.servers import Database, Login


@pytest.fixture
async def pool(empty_database: Database) -> AsyncIterator[Pool]:
    owner = empty_database.owner
    async with await connect_pool(owner.url, owner.password, 4, "tests") as made:
        await made.execute(OUTBOX_SQL)
        yield made


def row(name: str, account: str = "account", exchange: str = "orders") -> OutboxRow:
    key = ORDERS.key("submit", account) if exchange == "orders" else ""
    return OutboxRow(exchange, key, event(name, account))


async def put(pool: Pool, *rows: OutboxRow) -> None:
    async with transaction(pool) as connection:
        await enqueue(connection, rows)


def relaying(pool: Pool, database: Database, login: Login) -> Any:
    wakeup = Wakeup(database.owner.url, database.owner.password, "outbox")
    return [wakeup.run(), Relay(pool, wakeup, amqp_of(login), "test").run()]


async def left(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM outbox"))


async def none_left(pool: Pool) -> bool:
    return await left(pool) == 0


async def test_what_committed_arrives_and_leaves_the_outbox(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    handler = Handler()
    async with running(
        *relaying(pool, empty_database, amqp_vhost), consume(amqp_of(amqp_vhost), SUBMIT, handler)
    ):
        for number in range(50):
            await put(pool, row(f"{number}", account=f"account {number}"))
        await eventually(lambda: len(handler.handled) == 50)
        await eventually(lambda: none_left(pool))
    assert sorted(handler.handled, key=int) == [str(number) for number in range(50)]


async def test_what_was_rolled_back_is_never_said(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    handler = Handler()
    async with running(
        *relaying(pool, empty_database, amqp_vhost), consume(amqp_of(amqp_vhost), SUBMIT, handler)
    ):
        with suppress(ZeroDivisionError):
            async with transaction(pool) as connection:
                await enqueue(connection, [row("never")])
                raise ZeroDivisionError
        await put(pool, row("said"))
        await eventually(lambda: handler.handled == ["said"])


async def test_a_late_commit_with_an_early_id_is_not_passed_over(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    handler = Handler()
    async with running(
        *relaying(pool, empty_database, amqp_vhost), consume(amqp_of(amqp_vhost), SUBMIT, handler)
    ):
        async with transaction(pool) as slow:
            await enqueue(slow, [row("early id")])
            await put(pool, row("late id"))
            await eventually(lambda: handler.handled == ["late id"])
        await eventually(lambda: handler.handled == ["late id", "early id"])


async def test_events_of_a_shard_are_packed_and_keep_their_order(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    handler = Handler()
    await put(pool, *(row(str(number)) for number in range(1000)))
    async with looking(amqp_vhost) as broker:
        async with running(*relaying(pool, empty_database, amqp_vhost)):
            await eventually(lambda: none_left(pool))
        assert await broker.depth(*SUBMIT) == 4, "1000 events in messages of 256"
        async with running(consume(amqp_of(amqp_vhost), SUBMIT, handler)):
            await eventually(lambda: len(handler.handled) == 1000)
    assert handler.handled == [str(number) for number in range(1000)]


async def test_one_row_serves_the_queue_and_the_fan_out(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    direct, everywhere, listening = Handler(), Handler(), asyncio.Event()
    listen = fanout(amqp_of(amqp_vhost), "orders.status", everywhere, connected=listening.set)
    async with running(
        *relaying(pool, empty_database, amqp_vhost), consume(amqp_of(amqp_vhost), SUBMIT, direct), listen
    ):
        await listening.wait()
        await put(pool, row("both"), row("fan-out alone", exchange="orders.status"), row("both again"))
        await eventually(lambda: direct.handled == ["both", "both again"])
        await eventually(lambda: len(everywhere.handled) == 3)
    assert sorted(everywhere.handled) == ["both", "both again", "fan-out alone"]


async def test_a_fan_out_that_nobody_hears_holds_nothing_up(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    await put(pool, row("unheard", exchange="orders.status"), row("queued"))
    async with looking(amqp_vhost) as broker, running(*relaying(pool, empty_database, amqp_vhost)):
        await eventually(lambda: none_left(pool))
        assert await broker.depth(*SUBMIT) == 1


async def test_what_cannot_be_routed_stays_and_the_rest_goes(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    handler = Handler()
    await put(pool, OutboxRow("orders", "no such key", event("lost?")), row("fine"))
    async with running(
        *relaying(pool, empty_database, amqp_vhost), consume(amqp_of(amqp_vhost), SUBMIT, handler)
    ):
        await eventually(lambda: handler.handled == ["fine"])
        await put(pool, row("fine too"))
        await eventually(lambda: handler.handled == ["fine", "fine too"])
        keys = [record["routing_key"] for record in await pool.fetch("SELECT routing_key FROM outbox")]
        assert "no such key" in keys


async def test_of_two_relays_one_works_and_the_other_takes_over(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    handler = Handler()

    async def holders() -> Sequence[Any]:
        return await pool.fetch("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")

    async def held() -> bool:
        return len(await holders()) == 1

    async with running(
        *relaying(pool, empty_database, amqp_vhost),
        *relaying(pool, empty_database, amqp_vhost),
        consume(amqp_of(amqp_vhost), SUBMIT, handler),
    ):
        await eventually(held)
        await put(pool, row("first"))
        await eventually(lambda: handler.handled == ["first"])
        (holder,) = await holders()
        assert await pool.fetchval("SELECT pg_terminate_backend($1)", holder["pid"])
        await put(pool, row("second"))
        await eventually(lambda: "second" in handler.handled)
        await eventually(held)


async def test_while_the_broker_is_unreachable_events_wait(
    pool: Pool, empty_database: Database, amqp_vhost: Login
) -> None:
    wakeup = Wakeup(empty_database.owner.url, empty_database.owner.password, "outbox")
    nowhere = amqp_of(Login("amqp://hub@127.0.0.1:1/", amqp_vhost.password_file))
    await put(pool, row("waiting"))
    async with running(Relay(pool, wakeup, nowhere, "test").run()):
        await eventually(lambda: nowhere.state() == "relay test: not connected")
    assert await left(pool) == 1


async def test_the_lock_is_given_back(pool: Pool, empty_database: Database, amqp_vhost: Login) -> None:
    await put(pool, row("one"))
    async with running(*relaying(pool, empty_database, amqp_vhost)):
        await eventually(lambda: none_left(pool))

    async def no_lock() -> bool:
        return not await pool.fetch("SELECT pid FROM pg_locks WHERE locktype = 'advisory'")

    await eventually(no_lock)


def test_an_outbox_row_knows_its_shard() -> None:
    assert f"submit.{row('x', account='somebody').shard}" == ORDERS.key("submit", "somebody")
    assert SHORT.family("orders").status == "orders.status"
