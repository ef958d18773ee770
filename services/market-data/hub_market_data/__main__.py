"""Wiring of the market-data service: the only place that builds pools, servers, channels and jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from hub.market_data.v1 import market_data_pb2_grpc
from hub_market_data import usecases
from hub_market_data.board import Board
from hub_market_data.clients import FeederClient
from hub_market_data.feed import Feed
from hub_market_data.replay import History, Replay
from hub_market_data.rpc import CALL_TABLE, MarketDataRpc
from hub_market_data.settings import MarketDataSettings
from hub_market_data.store import FeedState, Store
from hub_market_data.worker import Feeder
from hub_postgres import migrate as apply_migrations
from hub_postgres import pooled
from hub_rpc import Server, connect
from hub_runtime import Process, SettingsError, gauge, get_logger, main, supervised, utc_now

DESCRIPTION = "Instruments, trading calendars, bars and live quotes"
JOBS = {
    "serve": "answers gRPC; without feed it follows the feeder at HUB_FEED_TARGET",
    "feed": "plays prices (one process at a time, others stand by) and answers gRPC as well",
}
REFRESH_S = 10.0

log = get_logger("market_data")


async def run(settings: MarketDataSettings, jobs: frozenset[str], process: Process) -> None:
    pool = await process.stack.enter_async_context(pooled(settings, application_name="market-data"))
    board = Board()
    store = Store(pool)
    process.spawn(supervised("catalogue", partial(_keep_catalogue, board, store, settings)), "catalogue")
    checks: dict[str, Callable[[], str]] = {"catalogue": board.state}
    if "feed" in jobs:
        feeder = Feeder(
            kind=Replay.kind,
            make_feed=partial(_replay, settings, board, store),
            board=board,
            store=store,
            clock=utc_now,
        )
        process.spawn(feeder.run(settings.database_url, settings.database_password), "feed")
        checks["feed"] = feeder.state
    else:
        checks["feed"] = await _follow(settings, board, process)
    for name, check in checks.items():
        process.ready(name, check)
    gauge("hub_market_streams", "Open StreamQuotes calls").set_function(lambda: board.streams)
    server = Server(
        settings.grpc_address,
        settings.tls,
        CALL_TABLE,
        [partial(market_data_pb2_grpc.add_MarketDataServiceServicer_to_server, MarketDataRpc(board))],
        reflection=settings.environment != "production",
        checks=checks,
        drain_s=0.0,
    )
    async with server:
        await process.drained()


async def _keep_catalogue(board: Board, store: Store, settings: MarketDataSettings) -> None:
    refresh = partial(usecases.refresh, board, store=store, clock=utc_now, market_hours=settings.market_hours)
    await refresh()
    await usecases.restore(board, store=store)
    while True:
        await asyncio.sleep(REFRESH_S)
        await refresh()


async def _follow(settings: MarketDataSettings, board: Board, process: Process) -> Callable[[], str]:
    if not settings.feed_target:
        raise SettingsError(["HUB_FEED_TARGET: is required by serve without feed"])
    channel = await process.stack.enter_async_context(
        connect(settings.feed_target, settings.tls, peer="market-data")
    )
    feeder = FeederClient(channel, board)
    process.spawn(supervised("follow", feeder.follow), "follow")
    return feeder.state


async def _replay(settings: MarketDataSettings, board: Board, store: Store, state: FeedState) -> Feed:
    histories = {
        symbol: History(tick_size=board.instruments[symbol].tick_size, bars=bars)
        for symbol, bars in (await store.bars()).items()
        if symbol in board.instruments
    }
    return Replay(
        histories,
        seed=settings.feed_seed,
        speed=settings.feed_speed,
        clock=utc_now,
        place=state.place,
        market_time=state.market_time,
    )


async def migrate(settings: MarketDataSettings) -> None:
    await apply_migrations(settings.database_url, settings.database_password, "hub_market_data")
    async with pooled(settings, application_name="market-data migrate") as pool:
        bars = await usecases.seed(Store(pool), clock=utc_now)
    log.info("seeded", bars=bars)


if __name__ == "__main__":
    main("market-data", DESCRIPTION, JOBS, MarketDataSettings, run, migrate)
