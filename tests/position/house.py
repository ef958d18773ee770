"""PositionService in process: the real servicer over a real database, with the real call table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from grpc import aio

from hub.position.v1 import (
    activities_pb2_grpc,
    books_pb2_grpc,
    corporate_actions_pb2_grpc,
    position_pb2_grpc,
    reconciliation_pb2_grpc,
    views_pb2_grpc,
)
from hub_batching import Batcher
from hub_position.__main__ import CALL_TABLE
from hub_position.domain.fees import FeeSchedule
from hub_position.domain.placing import HoldAnswer, HoldRequest
from hub_position.rpc import PositionRpc
from hub_position.rpc_actions import CorporateActionRpc
from hub_position.rpc_activities import ActivityRpc
from hub_position.rpc_books import BooksRpc
from hub_position.rpc_reconciliation import ReconciliationRpc
from hub_position.rpc_views import ViewRpc
from hub_position.usecases import place_holds_of_calls
from hub_rpc import Server, connect
from hub_runtime import Address, utc_now
from tests.position.world import DEPOSIT, Owner, World
from tests.support.tls import Tls
from tests.support.tokens import Signer, TokenUser


@dataclass(frozen=True)
class House:
    world: World
    signer: Signer
    tls: Tls
    target: str
    order: Any
    gateway: Any
    batches: list[int]

    def channel(self, caller: str) -> aio.Channel:
        return connect(self.target, self.tls.files(caller), "position")

    async def owner(self) -> tuple[TokenUser, Owner]:
        user = self.signer.user()
        owner = Owner(user.account_id, user.user_id)
        await self.world.balance(owner)
        return user, owner


@asynccontextmanager
async def position_house(world: World, tls: Tls, *, has_books: bool = True) -> AsyncIterator[House]:
    """`has_books`: its BooksService is served."""
    signer, batches = Signer(), list[int]()

    async def place(calls: Sequence[Sequence[HoldRequest]]) -> Sequence[Sequence[HoldAnswer]]:
        batches.append(len(calls))
        return await place_holds_of_calls(calls, pool=world.pool, deposit=DEPOSIT, clock=utc_now)

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        holds: Batcher[Sequence[HoldRequest], Sequence[HoldAnswer]] = Batcher(place, limit=8, in_flight=2)
        service = PositionRpc(
            pool=world.pool,
            trust=signer.trust(),
            holds=await enter(holds),
            deposit=DEPOSIT,
            most_deposit=DEPOSIT,
            fees=FeeSchedule(by_class={"CRYPTO": Decimal("0.0025")}),
            clock=utc_now,
        )
        registrations = [
            partial(position_pb2_grpc.add_PositionServiceServicer_to_server, service),
            partial(
                activities_pb2_grpc.add_ActivityServiceServicer_to_server,
                ActivityRpc(pool=world.pool, trust=signer.trust()),
            ),
            partial(
                views_pb2_grpc.add_ViewServiceServicer_to_server,
                ViewRpc(pool=world.pool, trust=signer.trust(), clock=utc_now),
            ),
            partial(
                reconciliation_pb2_grpc.add_ReconciliationServiceServicer_to_server,
                ReconciliationRpc(world.pool),
            ),
            partial(
                corporate_actions_pb2_grpc.add_CorporateActionServiceServicer_to_server,
                CorporateActionRpc(world.pool, utc_now),
            ),
        ]
        table = dict(CALL_TABLE)
        if has_books:
            books = BooksRpc(world.pool)
            registrations.append(partial(books_pb2_grpc.add_BooksServiceServicer_to_server, books))
        else:
            del table["hub.position.v1.BooksService"]
        address = Address("127.0.0.1", 0)
        server = await enter(
            Server(address, tls.files("position"), table, registrations, drain_s=0, grace_s=0.5)
        )
        target = f"127.0.0.1:{server.port}"
        order = await enter(connect(target, tls.files("order"), "position"))
        gateway = await enter(connect(target, tls.files("gateway"), "position"))
        stub = position_pb2_grpc.PositionServiceStub
        yield House(world, signer, tls, target, stub(order), stub(gateway), batches)
