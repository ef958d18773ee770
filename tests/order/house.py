"""The order service in process: its real parts over a real database, with neighbours a test can steer."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from grpc import aio

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2, order_pb2_grpc
from hub.position.v1 import position_pb2_grpc
from hub_batching import Batcher
from hub_order.clients import HoldAnswer, HoldRequest, Market, Position
from hub_order.domain import Order, Side, hold_id_of
from hub_order.hours import ExtendedHours
from hub_order.risk import Policy
from hub_order.rpc import MOST_ITEMS, OrderService
from hub_order.rpc_admin import OrderAdminService
from hub_order.store import (
    LIMITS_CHANNEL,
    Acceptance,
    Blotter,
    LimitsStore,
    Orders,
    OwnOrders,
    Reconciling,
    RefusalBook,
    Replacing,
    Sweeping,
)
from hub_order.usecases.accept import accept
from hub_order.usecases.answers import Claim, Found, earlier
from hub_order.usecases.desk import Desk
from hub_order.usecases.execute import Floor, execute
from hub_order.usecases.limits import LimitsCopy
from hub_order.usecases.plan import Task
from hub_order.usecases.refusals import BATCH, Refusals
from hub_order.usecases.replace import Exchange
from hub_order.usecases.standing import AccountDesk
from hub_order.usecases.sweep import sweep_holds
from hub_order.usecases.venue_reports import VenueDesk
from hub_order.venue import SimulatedVenue, Venue
from hub_postgres import Pool, Wakeup, connect_pool
from hub_rpc import Server, calling_as, connect
from hub_runtime import Address, utc_now, uuid7
from tests.order import build
from tests.order.peers import Books, Tape
from tests.support.servers import Database
from tests.support.tls import Tls
from tests.support.tokens import Signer
from tests.support.tokens import TokenUser as User

ANYWHERE = Address("127.0.0.1", 0)
GATEWAY = {
    "hub.order.v1.OrderService": {"*": frozenset({"gateway"})},
    "hub.order.v1.OrderAdminService": {"*": frozenset({"gateway"})},
}
ORDER = {"hub.position.v1.PositionService": {"*": frozenset({"order"})}}


@dataclass
class House:
    """`submit` goes over the wire as the gateway would; `work` does what the worker does with the outbox."""

    database: Database
    pool: Pool
    books: Books
    tape: Tape
    keys: Signer
    position: Position
    channel: aio.Channel
    target: str
    limits: LimitsCopy
    holds: Batcher[HoldRequest, HoldAnswer]
    extended_hours: ExtendedHours | None
    """Read on when a test says so."""
    orders: Orders = field(init=False)
    acceptance: Acceptance = field(init=False)
    sweeping: Sweeping = field(init=False)
    floor: Floor = field(init=False)

    @property
    def market(self) -> Market:
        return Market(self.tape.cache, max_age_s=10, extended=self.extended_hours)

    def __post_init__(self) -> None:
        self.orders, self.acceptance = Orders(self.pool), Acceptance(self.pool)
        self.sweeping = Sweeping(self.pool)
        self.floor = self.floor_with()
        self.stub = order_pb2_grpc.OrderServiceStub(self.channel)
        self.admin = order_pb2_grpc.OrderAdminServiceStub(self.channel)

    def floor_with(self, **fields: Any) -> Floor:
        values: dict[str, Any] = {"market": self.market, "venue": SimulatedVenue(), "pauses_s": ()}
        values |= {"position": self.position, "price_protection": build.LIMITS.price_protection}
        return Floor(orders=self.orders, **{"max_age": timedelta(seconds=120), **values, **fields})

    def venue_desk(self, venue: Venue | None = None, **fields: Any) -> VenueDesk:
        return VenueDesk(venue=venue or self.floor.venue, orders=self.orders, clock=utc_now, **fields)

    async def submit_all(
        self, items: Sequence[order_pb2.OrderSubmission]
    ) -> list[order_pb2.SubmissionResult]:
        response = await self.stub.SubmitOrders(order_pb2.SubmitOrdersRequest(items=items), timeout=20)
        return list(response.results)

    async def submit(self, user: User, **fields: Any) -> order_pb2.SubmissionResult:
        return (await self.submit_all([submission(user, **fields)]))[0]

    async def accepted(self, user: User, **fields: Any) -> UUID:
        result = await self.submit(user, **fields)
        assert result.HasField("accepted"), result
        return UUID(result.accepted.order.order_id)

    async def resting(self, user: User, **fields: Any) -> UUID:
        """A limit purchase below the market, as the worker leaves it."""
        order_id = await self.accepted(user, **{"limit_price": "95", **fields})
        await self.execute(order_id)
        return order_id

    async def execute(self, *order_ids: UUID) -> None:
        await execute([Task(order_id, "") for order_id in order_ids], floor=self.floor)

    async def sweep_holds(self) -> int:
        """As a sweeper would for which every hold is old."""
        return await sweep_holds(
            position=self.position, sweeping=self.sweeping, clock=utc_now, max_age=timedelta(seconds=-1)
        )

    async def hold_only(self, item: order_pb2.OrderSubmission, user: User) -> UUID:
        """What a crash between the hold and the order leaves behind."""
        order_id = UUID(item.order_id)
        request = HoldRequest(
            hold_id=hold_id_of(order_id),
            order_id=order_id,
            account_id=user.account_id,
            user_id=user.user_id,
            side=Side.BUY,
            symbol=item.symbol,
            quantity=Decimal(item.quantity),
            unit_price=Decimal(105),
            idempotency_key=item.idempotency_key,
            traceparent="",
        )
        await self.position.place_holds([request])
        return request.hold_id

    async def order(self, order_id: UUID) -> Order:
        orders = await self.acceptance.orders([order_id])
        return orders[order_id]

    async def get(self, user: User, order_id: UUID | str) -> order_pb2.GetOrderResponse:
        with calling_as(user.token):
            return await self.stub.GetOrder(order_pb2.GetOrderRequest(order_id=str(order_id)))

    async def cancel(self, user: User, order_id: UUID) -> order_pb2.Order:
        with calling_as(user.token):
            answer = await self.stub.CancelOrder(order_pb2.CancelOrderRequest(order_id=str(order_id)))
        return answer.order

    async def events(self, exchange: str | None = None) -> list[event_pb2.Envelope]:
        """What waits for the relay, for one exchange or for all."""
        query = "SELECT envelope FROM outbox WHERE exchange = coalesce($1, exchange) ORDER BY id"
        return [event_pb2.Envelope.FromString(row[0]) for row in await self.pool.fetch(query, exchange)]

    async def tamper(self, statement: str) -> None:
        """What only somebody with all rights can do."""
        connection = await asyncpg.connect(self.database.superuser.dsn)
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(statement)
        await connection.close()

    async def count(self, table: str, condition: str = "true") -> int:
        return int(await self.pool.fetchval(f"SELECT count(*) FROM {table} WHERE {condition}"))


@asynccontextmanager
async def order_house(
    database: Database, tls: Tls, *, extended_hours: ExtendedHours | None = None
) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        pool = await enter(await connect_pool(database.runtime.url, database.runtime.password))
        books, tape, keys = Books(), Tape(), Signer()  # type: ignore[abstract]
        register = partial(position_pb2_grpc.add_PositionServiceServicer_to_server, books)
        server = await enter(_server(tls, "position", ORDER, register))
        to_position = await enter(connect(f"127.0.0.1:{server.port}", tls.files("order"), "position"))
        position = Position(to_position)
        login = database.runtime
        limits = LimitsCopy(LimitsStore(pool), Wakeup(login.url, login.password, LIMITS_CHANNEL))
        market = Market(tape.cache, max_age_s=10, extended=extended_hours)
        desk = await _desk(stack, pool, position, market, limits)
        exchange = Exchange(orders=Orders(pool), replacing=Replacing(pool))
        kept = await enter(Batcher(RefusalBook(pool).add, name="refusals", **BATCH))
        service = OrderService(
            trust=keys.trust(),
            desk=desk,
            exchange=exchange,
            refusals=await enter(Refusals(kept, utc_now)),
            blotter=Blotter(pool),
        )
        register = partial(order_pb2_grpc.add_OrderServiceServicer_to_server, service)
        admin = OrderAdminService(
            trust=keys.trust(), limits=limits.store, orders=Orders(pool), reconciling=Reconciling(pool)
        )
        register_admin = partial(order_pb2_grpc.add_OrderAdminServiceServicer_to_server, admin)
        server = await enter(_server(tls, "order", GATEWAY, register, register_admin))
        target = f"127.0.0.1:{server.port}"
        channel = await enter(connect(target, tls.files("gateway"), "order"))
        yield House(
            *(database, pool, books, tape, keys, position, channel, target, limits, desk.holds),
            extended_hours=extended_hours,
        )


def _server(tls: Tls, name: str, table: Any, *register: Any) -> Server:
    return Server(ANYWHERE, tls.files(name), table, [*register], drain_s=0, grace_s=0.5)


async def _desk(
    stack: AsyncExitStack, pool: Pool, position: Position, market: Market, limits: LimitsCopy
) -> Desk:
    acceptance = Acceptance(pool)

    async def find(claims: Sequence[Claim]) -> list[Found]:
        return await earlier(claims, acceptance=acceptance, now=utc_now())

    take = partial(accept, acceptance=acceptance, clock=utc_now)
    questions = Batcher(OwnOrders(pool).of, limit=MOST_ITEMS, name="own orders")
    enter = stack.enter_async_context
    return Desk(
        market=market,
        policy=Policy(build.LIMITS),
        accounts=AccountDesk(own_limits=limits.of, own_orders=await enter(questions)),
        answers=await enter(Batcher(find, limit=MOST_ITEMS, name="answers")),
        holds=await enter(Batcher(position.place_holds, limit=MOST_ITEMS, name="holds")),
        accepts=await enter(Batcher(take, limit=MOST_ITEMS, name="accepts")),
        give_back=await enter(Batcher(position.give_back, limit=MOST_ITEMS, name="holds given back")),
        remember=timedelta(hours=24),
        clock=utc_now,
    )


def submission(user: User, **fields: Any) -> order_pb2.OrderSubmission:
    """A purchase of 10 AAPL at the market, or with `limit_price` a limit one."""
    kind = order_pb2.ORDER_TYPE_LIMIT if fields.get("limit_price") else order_pb2.ORDER_TYPE_MARKET
    values = {"symbol": "AAPL", "side": order_pb2.SIDE_BUY, "type": kind, "quantity": "10", **fields}
    body = repr(sorted((name, value) for name, value in values.items() if name != "order_id"))
    values.setdefault("order_id", str(uuid7()))
    values.setdefault("body_hash", hashlib.sha256(body.encode()).digest())
    made = order_pb2.OrderSubmission(access_token=user.token, **values)
    if "deadline" not in fields:
        made.deadline.FromDatetime(datetime.now(UTC) + timedelta(seconds=10))
    return made
