"""Wiring of the market-data service: the only place that builds pools, servers, channels and jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from redis.asyncio import Redis

from hub.market_data.v1 import corporate_actions_pb2_grpc, market_data_admin_pb2_grpc
from hub_identity import Trust
from hub_market_data import lean_actions
from hub_market_data.board import Board
from hub_market_data.cache import TIMEOUT_S, Cache
from hub_market_data.clients import FeederClient
from hub_market_data.feeds import feed_instruments, make_feed
from hub_market_data.replay import Replay
from hub_market_data.rpc import CALL_TABLE, MarketDataAdminRpc, MarketDataRpc, register
from hub_market_data.rpc_actions import CorporateActionRpc
from hub_market_data.settings import MarketDataSettings
from hub_market_data.store import (
    CHANNEL,
    Actions,
    Admin,
    Bars,
    Catalogue,
    DailyStatistics,
    Feeding,
    Seeding,
)
from hub_market_data.usecases.administering import Market
from hub_market_data.usecases.announcing import Announcing
from hub_market_data.usecases.bars import forget_minutes
from hub_market_data.usecases.keeping import keep, refresh
from hub_market_data.usecases.looking_up import Reading, lookups
from hub_market_data.usecases.seeding import seed
from hub_market_data.worker import Feeder
from hub_postgres import DatabaseProbe, Pool, Wakeup, pooled
from hub_postgres import migrate as apply_migrations
from hub_rpc import Registration, Server, connect, peer_state
from hub_runtime import Command, Process, SettingsError, gauge, get_logger, main, supervised, utc_now

DESCRIPTION = "Instruments, trading calendars, bars and live quotes"
JOBS = {
    "serve": "answers gRPC; without feed it follows the feeder at HUB_FEED_TARGET",
    "feed": "plays prices (one process at a time, others stand by) and answers gRPC as well",
}

log = get_logger("market_data")


async def run(settings: MarketDataSettings, jobs: frozenset[str], process: Process) -> None:
    enter = process.stack.enter_async_context
    pool = await enter(pooled(settings, application_name="market-data"))
    probe = DatabaseProbe(pool, package="hub_market_data")
    process.spawn(probe.run(), "database probe")
    wakeup = Wakeup(settings.database_url, settings.database_password, CHANNEL)
    process.spawn(wakeup.run(), "catalogue wakeup")
    board = Board(outdated=wakeup.event, extended_hours=settings.extended_hours)
    read = partial(
        refresh, board, catalogue=Catalogue(pool), clock=utc_now, market_hours=settings.market_hours
    )
    keeping = partial(keep, board, read=read, feeding=Feeding(pool), wakeup=wakeup)
    process.spawn(supervised("catalogue", keeping), "catalogue")
    trust = Trust()
    auth = await enter(connect(settings.auth_target, settings.tls, "auth"))
    process.spawn(trust.watch(auth), "trust")
    cache = _cache(settings, process)
    if "feed" in jobs:
        settings.require_feed()
        feed = _feed(settings, board, pool, read, process)
    else:
        feed = await _follow(settings, board, process)
    # Without its database it still knows the prices, so that calls go on to come; only readiness says it.
    process.ready("database", probe.state)
    checks = {"catalogue": board.state, "feed": feed, "trust": trust.state}
    for name, check in checks.items():
        process.ready(name, check)
    gauge("hub_market_streams", "Open StreamQuotes calls").set_function(lambda: board.streams)
    market = Market(
        board=board,
        admin=Admin(pool),
        cache=cache,
        reading=Reading(board=board, cache=cache, store=DailyStatistics(pool), clock=utc_now),
        refresh=read,
        clock=utc_now,
        market_hours=settings.market_hours,
        production=settings.environment == "production",
    )
    server = Server(
        settings.grpc_address,
        settings.tls,
        CALL_TABLE,
        await _services(market, pool, trust, process),
        reflection=not market.production,
        checks=checks,
        information={"database": probe.state, "redis": cache.state, "auth": peer_state(auth)},
        drain_s=0.0,
    )
    async with server:
        await process.drained()


def _cache(settings: MarketDataSettings, process: Process) -> Cache:
    redis = Redis.from_url(
        settings.redis_url,
        password=settings.redis_password,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
    )
    process.stack.push_async_callback(redis.aclose)
    cache = Cache(redis)
    process.spawn(cache.watch(), "cache")
    return cache


async def _services(market: Market, pool: Pool, trust: Trust, process: Process) -> list[Registration]:
    market_data = MarketDataRpc(
        board=market.board,
        catalogue=Catalogue(pool),
        bars=Bars(pool),
        lookups=await process.stack.enter_async_context(lookups(market.reading)),
        clock=market.clock,
        market_hours=market.market_hours,
    )
    announcing = Announcing(board=market.board, actions=Actions(pool), clock=market.clock)
    admin = MarketDataAdminRpc(market=market, announcing=announcing, trust=trust)
    actions = CorporateActionRpc(announcing)
    return [
        partial(register, market_data),
        partial(market_data_admin_pb2_grpc.add_MarketDataAdminServiceServicer_to_server, admin),
        partial(corporate_actions_pb2_grpc.add_CorporateActionServiceServicer_to_server, actions),
    ]


def _feed(
    settings: MarketDataSettings,
    board: Board,
    pool: Pool,
    read: Callable[[], Awaitable[None]],
    process: Process,
) -> Callable[[], str]:
    bars = Bars(pool)
    feeder = Feeder(
        kind=settings.feed,
        make_feed=partial(make_feed, settings, board, bars),
        refresh=read,
        stall_s=settings.feed_stall_s,
        board=board,
        feeding=Feeding(pool),
        bars=bars,
        clock=utc_now,
    )
    process.spawn(feeder.run(settings.database_url, settings.database_password), "feed")
    forgetting = partial(forget_minutes, bars, board, after=timedelta(days=settings.minute_bars_days))
    process.spawn(supervised("forget minutes", forgetting), "forget minutes")
    return feeder.state


async def _follow(settings: MarketDataSettings, board: Board, process: Process) -> Callable[[], str]:
    if not settings.feed_target:
        raise SettingsError(["HUB_FEED_TARGET: is required by serve without feed"])
    channel = await process.stack.enter_async_context(
        connect(settings.feed_target, settings.tls, peer="market-data")
    )
    feeder = FeederClient(channel, board)
    process.spawn(supervised("follow", feeder.follow), "follow")
    return feeder.state


async def migrate(settings: MarketDataSettings) -> None:
    instruments = feed_instruments(settings)
    await apply_migrations(settings.database_url, settings.database_password, "hub_market_data")
    async with pooled(settings, application_name="market-data migrate") as pool:
        bars = await seed(
            Seeding(pool),
            Bars(pool),
            clock=utc_now,
            instruments=instruments,
            history=settings.feed == Replay.kind,
        )
        log.info("seeded", bars=bars)
        await lean_actions.announce_at_start(pool, settings)


if __name__ == "__main__":
    commands = {lean_actions.NAME: Command(lean_actions.MEANING, lean_actions.lean_actions)}
    main("market-data", DESCRIPTION, JOBS, MarketDataSettings, run, migrate, commands)
