"""Order and position as they are, over two real databases in one process: their stores and use cases, their
rules and servicers. Between them are a wire and a broker that a test steers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_batching import Batcher
from hub_identity import Principal, Trust
from hub_order import worker as order_worker
from hub_order.clients import Market, Position
from hub_order.domain import Order
from hub_order.resting import RestingOrders
from hub_order.risk import Limits, Policy
from hub_order.rpc import MOST_ITEMS, OrderService
from hub_order.store import (
    Acceptance,
    Blotter,
    Orders,
    OwnOrders,
    RefusalBook,
    Replacing,
    Resting,
    Sweeping,
)
from hub_order.usecases.accept import accept
from hub_order.usecases.answers import Claim, Found, earlier
from hub_order.usecases.desk import Desk
from hub_order.usecases.execute import Floor
from hub_order.usecases.refusals import BATCH, Refusals
from hub_order.usecases.replace import Exchange
from hub_order.usecases.standing import AccountDesk
from hub_order.usecases.sweep import expire, fail_stale, sweep_holds
from hub_order.usecases.venue_reports import VenueDesk
from hub_order.venue import Venue
from hub_position import worker as position_worker
from hub_position.clients import Market as SettlementDays
from hub_position.domain.fees import FeeSchedule
from hub_position.domain.placing import HoldAnswer, HoldRequest
from hub_position.rpc import PositionRpc
from hub_position.usecases import open_accounts, place_holds_of_calls
from hub_postgres import Pool, connect_pool
from hub_runtime import utc_now
from tests.adversity.broker import Broker
from tests.adversity.venues import InterruptedVenue
from tests.adversity.wire import Wire
from tests.order import build
from tests.order.peers import Tape
from tests.support.servers import Database
from tests.support.tokens import Signer
from tests.support.tokens import TokenUser as User

MAX_AGE = timedelta(seconds=120)
# As a sweeper would for which every hold is old.
AT_ONCE = timedelta(seconds=-1)


@dataclass
class PositionProcess:
    """One process of the position service: its pool, its batches, its servicer."""

    pool: Pool
    rpc: PositionRpc
    market: SettlementDays
    deposit: Decimal

    async def handle(self, events: Sequence[event_pb2.Envelope]) -> None:
        await position_worker.handle(
            events, pool=self.pool, market=self.market, deposit=self.deposit, clock=utc_now
        )


@dataclass
class OrderProcess:
    """One process of the order service, with all that it keeps in memory."""

    desk: Desk
    service: OrderService
    memory: RestingOrders = field(default_factory=RestingOrders)


@dataclass
class Platform:
    order_pool: Pool
    books: PositionProcess
    tape: Tape
    keys: Signer
    trust: Trust
    wire: Wire
    limits: Limits
    deposit: Decimal
    venue: Venue = field(default_factory=InterruptedVenue)
    broker: Broker = field(default_factory=Broker)
    process: OrderProcess = field(init=False)
    life: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        pool = self.order_pool
        self.orders, self.acceptance, self.sweeping = Orders(pool), Acceptance(pool), Sweeping(pool)
        self.resting = Resting(pool)
        self.position = Position(self.wire.channel)
        self.market = Market(self.tape.cache, max_age_s=10)
        self.exchange = Exchange(orders=self.orders, replacing=Replacing(pool))

    async def restart(self) -> None:
        """Order's process has died: what it knew is gone."""
        await self.life.aclose()
        self.life = AsyncExitStack()
        self.process = await order_process(self, self.life)

    @property
    def desk(self) -> Desk:
        return self.process.desk

    @property
    def floor(self) -> Floor:
        return Floor(
            orders=self.orders,
            market=self.market,
            venue=self.venue,
            position=self.position,
            max_age=MAX_AGE,
            price_protection=self.limits.price_protection,
            pauses_s=(),
        )

    @property
    def venue_desk(self) -> VenueDesk:
        return VenueDesk(
            venue=self.venue, orders=self.orders, clock=utc_now, reconcile_after=timedelta(seconds=-1)
        )

    async def user(self, deposit: Decimal | None = None) -> User:
        """With an account that is open."""
        user = self.keys.user()
        amount = self.deposit if deposit is None else deposit
        await open_accounts({user.account_id: user.user_id}, pool=self.books.pool, deposit=amount)
        return user

    def principal(self, user: User) -> Principal:
        return self.trust.verify(user.token)

    async def submit(self, *items: order_pb2.OrderSubmission) -> list[order_pb2.SubmissionResult]:
        request = order_pb2.SubmitOrdersRequest(items=items)
        context: Any = None
        return list((await self.process.service.SubmitOrders(request, context)).results)

    async def order(self, order_id: UUID) -> Order:
        return (await self.orders.read([order_id]))[order_id]

    async def work(self, events: Sequence[event_pb2.Envelope]) -> None:
        """What order's worker does with a batch."""
        await order_worker.handle(events, floor=self.floor, desk=self.venue_desk)

    async def relay(self, *, dies: bool = False) -> int:
        """Both outboxes."""
        moved = await self.broker.relay(self.order_pool, dies=dies)
        return moved + await self.broker.relay(self.books.pool, dies=dies)

    async def through(self) -> None:
        """Everything that is under way arrives, once and in order."""
        while await self.relay() or any(self.broker.lines.values()):
            for exchange, handle in (("orders", self.work), ("positions", self.books.handle)):
                await self.broker.deliver(exchange, handle, count=1000, chance=None)

    async def sweep(self, max_age: timedelta = AT_ONCE) -> None:
        sweeping, market = self.sweeping, self.market
        await sweep_holds(position=self.position, sweeping=sweeping, clock=utc_now, max_age=max_age)
        await expire(orders=self.orders, market=market)
        await fail_stale(orders=self.orders, sweeping=sweeping, market=market, max_age=MAX_AGE)

    async def count(self, table: str, condition: str = "true") -> int:
        pool = self.books.pool if table in {"holds", "trades", "positions", "accounts"} else self.order_pool
        return int(await pool.fetchval(f"SELECT count(*) FROM {table} WHERE {condition}"))


@asynccontextmanager
async def position_process(
    pool: Pool, *, trust: Trust, tape: Tape, deposit: Decimal
) -> AsyncIterator[PositionProcess]:
    async def place(calls: Sequence[Sequence[HoldRequest]]) -> Sequence[Sequence[HoldAnswer]]:
        return await place_holds_of_calls(calls, pool=pool, deposit=deposit, clock=utc_now)

    holds: Batcher[Sequence[HoldRequest], Sequence[HoldAnswer]] = Batcher(place, limit=8, in_flight=2)
    async with holds:
        rpc = PositionRpc(
            pool=pool,
            trust=trust,
            holds=holds,
            deposit=deposit,
            most_deposit=deposit,
            fees=FeeSchedule(),
            clock=utc_now,
        )
        yield PositionProcess(pool, rpc, SettlementDays(tape.cache), deposit)


async def order_process(of: Platform, life: AsyncExitStack) -> OrderProcess:
    """As `hub_order.__main__` wires it."""
    enter, acceptance, pool = life.enter_async_context, of.acceptance, of.order_pool

    async def find(claims: Sequence[Claim]) -> list[Found]:
        return await earlier(claims, acceptance=acceptance, now=utc_now())

    take = partial(accept, acceptance=acceptance, clock=utc_now)
    questions = Batcher(OwnOrders(pool).of, limit=MOST_ITEMS, name="own orders")
    desk = Desk(
        market=of.market,
        policy=Policy(of.limits),
        accounts=AccountDesk(own_limits=lambda _: None, own_orders=await enter(questions)),
        answers=await enter(Batcher(find, limit=MOST_ITEMS, name="answers")),
        holds=await enter(Batcher(of.position.place_holds, limit=MOST_ITEMS, name="holds")),
        accepts=await enter(Batcher(take, limit=MOST_ITEMS, name="accepts")),
        give_back=await enter(Batcher(of.position.give_back, limit=MOST_ITEMS, name="holds given back")),
        remember=timedelta(hours=24),
        clock=utc_now,
    )
    kept = await enter(Batcher(RefusalBook(pool).add, name="refusals", **BATCH))
    service = OrderService(
        trust=of.trust,
        desk=desk,
        exchange=of.exchange,
        refusals=await enter(Refusals(kept, utc_now)),
        blotter=Blotter(pool),
    )
    return OrderProcess(desk, service)


@dataclass(frozen=True)
class Databases:
    order: Database
    position: Database


@asynccontextmanager
async def pools(databases: Databases) -> AsyncIterator[tuple[Pool, Pool]]:
    """Order's and position's."""
    order, position = databases.order.runtime, databases.position.runtime
    async with (
        await connect_pool(order.url, order.password) as order_pool,
        await connect_pool(position.url, position.password) as position_pool,
    ):
        yield order_pool, position_pool


@asynccontextmanager
async def platform(
    order_pool: Pool,
    position_pool: Pool,
    *,
    keys: Signer,
    deposit: Decimal = Decimal(100_000),
    limits: Limits = build.LIMITS,
    venue: Venue | None = None,
    tape: Tape | None = None,
) -> AsyncIterator[Platform]:
    tape, trust = tape or Tape(), keys.trust()
    async with position_process(position_pool, trust=trust, tape=tape, deposit=deposit) as books:
        made = Platform(
            *(order_pool, books, tape, keys, trust, Wire(books.rpc), limits, deposit),
            venue=venue or InterruptedVenue(),
        )
        await made.restart()
        try:
            yield made
        finally:
            await made.life.aclose()
