"""What position tells its fan-out reaches the histories: by the relay, the broker and a queue that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

import pytest

from hub.event.v1 import event_pb2
from hub_errors import Invalid
from hub_events import CHANNEL, PORTFOLIO, POSITIONS, Amqp, Relay, consume, envelope
from hub_portfolio.snapshot import snapshot_for_ever
from hub_portfolio.store import Histories
from hub_portfolio.worker import handle
from hub_position.domain.trade import Side
from hub_postgres import Pool, Wakeup, connect_pool
from hub_runtime import uuid7
from tests.portfolio.front import Front
from tests.portfolio.street import MONDAY, Street, at, news
from tests.position.world import World
from tests.support.jobs import eventually, running
from tests.support.servers import Database, Login

QUEUES = PORTFOLIO.queues_of("changes")
FOLLOWED = "SELECT heard, valued, holds FROM followed_accounts WHERE account_id = $1"


async def followed(pool: Pool, account_id: UUID) -> tuple[int, int, bool] | None:
    async with pool.acquire() as connection:
        row = await connection.fetchrow(FOLLOWED, account_id)
    return None if row is None else (row["heard"], row["valued"], row["holds"])


def account_changed(account_id: UUID, version: int) -> event_pb2.Envelope:
    payload = event_pb2.AccountChanged(cash="1", version=version)
    return envelope("account.changed", str(account_id), str(account_id), payload)


def position_changed(account_id: UUID) -> event_pb2.Envelope:
    payload = event_pb2.PositionChanged(kind="updated", symbol="AAPL", quantity="1", version=1)
    return envelope("position.changed", str(uuid7()), str(account_id), payload)


async def test_what_is_booked_while_nobody_listens_is_heard_and_valued_afterwards(
    front: Front, amqp_vhost: Login, database: Callable[[str], Awaitable[Database]]
) -> None:
    """The relay of real books; the worker starts after it has told everything."""
    login = (await database("hub_position")).runtime
    amqp = Amqp(amqp_vhost.url, amqp_vhost.password, name="test")
    async with await connect_pool(login.url, login.password, size=4) as pool:
        world = World(pool)
        owner = await world.owner()
        await world.trade(owner, Side.BUY, "10", "100")
        wakeup = Wakeup(login.url, login.password, CHANNEL)

        async def told() -> bool:
            async with pool.acquire() as connection:
                return not await connection.fetchval("SELECT count(*) FROM outbox")

        async with running(wakeup.run(), Relay(pool, wakeup, amqp, "position").run()):
            await eventually(told)
        version = (await world.balance(owner)).account.version
    hear = partial(handle, store=Histories(front.pool))

    async def heard() -> bool:
        return await followed(front.pool, owner.account_id) == (version, 0, True)

    async with running(consume(amqp, QUEUES, hear, family=PORTFOLIO.name)):
        await eventually(heard)


async def test_from_a_trade_to_its_point_without_a_hand(
    front: Front, amqp_vhost: Login, portfolio_database: Database
) -> None:
    street, world = Street(front), front.books.world
    owner = await world.owner()
    await world.trade(owner, Side.BUY, "10", "100")
    front.cache.apply(news(at(MONDAY), AAPL="120"))
    amqp = Amqp(amqp_vhost.url, amqp_vhost.password, name="test")
    login = portfolio_database.runtime
    version = (await world.balance(owner)).account.version
    async with amqp.link("test") as link:
        body = event_pb2.EventBatch(events=[account_changed(owner.account_id, version)])
        await link.publish(POSITIONS.status, "", body.SerializeToString())
    hear = partial(handle, store=front.valuer.store)
    valuing = snapshot_for_ever(front.valuer, url=login.url, password=login.password, poll_s=0.01)
    async with running(consume(amqp, QUEUES, hear, family=PORTFOLIO.name), valuing):

        async def pointed() -> bool:
            """Whatever comes first, the event or the step: the next step has it."""
            now = front.cache.market_time() + front.valuer.every
            front.cache.apply(news(now))
            return bool(await street.rows("equity_points", owner.account_id))

        await eventually(pointed)
    [row] = await street.rows("equity_points", owner.account_id)
    assert (row["equity"], row["cash"]) == (100_200, 99_000)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 3, 1)])
async def test_the_order_and_the_number_of_events_do_not_matter(pool: Pool, order: Sequence[int]) -> None:
    account_id, store = uuid7(), Histories(pool)
    for version in order:
        await handle([account_changed(account_id, version)], store=store)
    await handle(
        [position_changed(account_id), *(account_changed(account_id, each) for each in order)], store=store
    )
    assert await followed(pool, account_id) == (3, 0, True)


async def test_what_is_heard_at_once_is_all_kept(pool: Pool) -> None:
    accounts, store = [uuid7() for _ in range(40)], Histories(pool)

    async def hear(version: int) -> None:
        events = [account_changed(each, version) for each in accounts[:: 1 if version % 2 else -1]]
        await handle(events, store=store)

    await asyncio.gather(*(hear(version) for version in range(1, 9)))
    assert {await followed(pool, each) for each in accounts} == {(8, 0, False)}


async def test_an_event_that_came_before_its_books_were_read_asks_for_nothing(front: Front) -> None:
    street = Street(front)
    _, owner = await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "10", "100")
    await front.books.world.trade(owner, Side.SELL, "10", "100", minute=1)
    version = (await front.books.world.balance(owner)).account.version
    await street.heard(owner, version=version)
    await street.step(at(MONDAY))
    assert await followed(front.pool, owner.account_id) == (version, version, False)
    await handle([account_changed(owner.account_id, version - 1)], store=front.valuer.store)
    due = await front.valuer.store.due(at(MONDAY, 23), 10_000)
    assert owner.account_id not in {each.account_id for each in due}
    await handle([position_changed(owner.account_id)], store=front.valuer.store)
    await street.step(at(MONDAY, 16))
    assert await followed(front.pool, owner.account_id) == (version, version, False)
    assert len(await street.rows("equity_points", owner.account_id)) == 1


async def test_what_is_not_for_histories_is_passed_over_and_what_cannot_be_read_is_refused(
    pool: Pool,
) -> None:
    store = Histories(pool)
    await handle([envelope("order.closed", "o", "a", event_pb2.OrderClosed())], store=store)
    with pytest.raises(Invalid):
        await handle([envelope("account.changed", "x", "x", event_pb2.AccountChanged())], store=store)
