"""A process of market-data without its process: board, catalogue job, cache and both services, wired as the
service wires them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from grpc import aio
from redis.asyncio import Redis

from hub.market_data.v1 import (
    corporate_actions_pb2_grpc,
    market_data_admin_pb2_grpc,
    market_data_pb2_grpc,
)
from hub_market_data.board import Board
from hub_market_data.cache import TIMEOUT_S, Cache
from hub_market_data.rpc import CALL_TABLE, MarketDataAdminRpc, MarketDataRpc, register
from hub_market_data.rpc_actions import CorporateActionRpc
from hub_market_data.store import CHANNEL, Actions, Admin, Bars, Catalogue, DailyStatistics, Feeding
from hub_market_data.usecases.administering import Market
from hub_market_data.usecases.announcing import Announcing
from hub_market_data.usecases.keeping import keep, refresh
from hub_market_data.usecases.looking_up import Lookups, Reading, lookups
from hub_postgres import Pool, connect_pool, listen
from hub_rpc import Server, calling_as, connect
from hub_runtime import Address, utc_now
from tests.support.jobs import running
from tests.support.servers import Login
from tests.support.tls import Tls
from tests.support.tokens import Signer

READERS = "hub.market_data.v1.MarketDataService"
TABLE_OF_READERS = {READERS: CALL_TABLE[READERS]}


class House:
    """`stub` and `admin` call it as the gateway would."""

    def __init__(
        self, *, market: Market, lookups: Lookups, channel: aio.Channel, port: int, signer: Signer
    ) -> None:
        self.market = market
        self.port = port
        self.board = market.board
        self.cache = market.cache
        self.lookups = lookups
        self.stub = market_data_pb2_grpc.MarketDataServiceStub(channel)
        self.admin = market_data_admin_pb2_grpc.MarketDataAdminServiceStub(channel)
        self.actions = corporate_actions_pb2_grpc.CorporateActionServiceStub(channel)
        self.administrator = signer.user(roles=["user", "admin"])

    @contextmanager
    def administered(self) -> Iterator[None]:
        """Calls inside are those of an administrator."""
        with calling_as(self.administrator.token):
            yield

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        database: Login,
        redis_dsn: str,
        tls: Tls,
        signer: Signer,
        market_hours: str = "24x7",
        production: bool = False,
        caller: str = "gateway",
    ) -> AsyncIterator[House]:
        async with (
            await connect_pool(database.url, database.password, 5, "test") as pool,
            listen(database.url, database.password, CHANNEL) as wakeup,
            Redis.from_url(redis_dsn, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as redis,
        ):
            board = Board(outdated=wakeup.event)
            read = partial(
                refresh, board, catalogue=Catalogue(pool), clock=utc_now, market_hours=market_hours
            )
            cache = Cache(redis)
            reading = Reading(board=board, cache=cache, store=DailyStatistics(pool), clock=utc_now)
            market = Market(
                board=board,
                admin=Admin(pool),
                cache=cache,
                reading=reading,
                refresh=read,
                clock=utc_now,
                market_hours=market_hours,
                production=production,
            )
            async with (
                lookups(reading) as batches,
                running(keep(board, read=read, feeding=Feeding(pool), wakeup=wakeup)),
            ):
                await board.loaded.wait()
                async with (
                    _server(market, batches, pool, tls, signer) as server,
                    connect(f"127.0.0.1:{server.port}", tls.files(caller), "market-data") as channel,
                ):
                    yield cls(
                        market=market, lookups=batches, channel=channel, port=server.port, signer=signer
                    )


def market_data_rpc(board: Board, pool: Pool, **more: Any) -> MarketDataRpc:
    """With what is not said as for a board that has no cache and no database to speak of."""
    if "lookups" not in more:
        cache = Cache(Redis.from_url("redis://127.0.0.1:1/0"))
        more["lookups"] = lookups(
            Reading(board=board, cache=cache, store=DailyStatistics(pool), clock=utc_now)
        )
    known = {"catalogue": Catalogue(pool), "bars": Bars(pool), "clock": utc_now, "market_hours": "24x7"}
    return MarketDataRpc(board=board, **{**known, **more})


def _server(market: Market, batches: Lookups, pool: Pool, tls: Tls, signer: Signer) -> Server:
    readers = market_data_rpc(market.board, pool, lookups=batches, market_hours=market.market_hours)
    announcing = Announcing(board=market.board, actions=Actions(pool), clock=market.clock)
    administrators = MarketDataAdminRpc(market=market, announcing=announcing, trust=signer.trust())
    actions = CorporateActionRpc(announcing)
    return Server(
        Address("127.0.0.1", 0),
        tls.files("market-data"),
        CALL_TABLE,
        [
            partial(register, readers),
            partial(market_data_admin_pb2_grpc.add_MarketDataAdminServiceServicer_to_server, administrators),
            partial(corporate_actions_pb2_grpc.add_CorporateActionServiceServicer_to_server, actions),
        ],
        drain_s=0,
    )
