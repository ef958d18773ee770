"""All wiring of the portfolio service. Nothing here decides anything."""

from __future__ import annotations

from functools import partial

from grpc import aio

from hub.portfolio.v1 import portfolio_pb2_grpc, watchlist_pb2_grpc
from hub_identity import Trust
from hub_market_client import QuoteCache
from hub_portfolio.clients import LivePrices, PositionAccounts
from hub_portfolio.rpc import PortfolioRpc, WatchlistRpc
from hub_portfolio.settings import PortfolioSettings
from hub_portfolio.store import Watchlists
from hub_portfolio.usecases.watchlists import Desk
from hub_postgres import DatabaseProbe, migrate, pooled
from hub_rpc import Breaker, CallTable, Server, connect, peer_state
from hub_runtime import Process, main, utc_now

DESCRIPTION = "tells users what they own, at current prices, and keeps their watchlists"
JOBS = {"serve": "PortfolioService (summary, allocation, positions) and WatchlistService over gRPC"}
CALL_TABLE: CallTable = {
    "hub.portfolio.v1.PortfolioService": {"*": frozenset({"gateway"})},
    "hub.portfolio.v1.WatchlistService": {"*": frozenset({"gateway"})},
}


async def run(settings: PortfolioSettings, jobs: frozenset[str], process: Process) -> None:  # noqa: ARG001
    trust, cache = Trust(), QuoteCache()
    process.ready("trust", trust.state)
    pool = await process.stack.enter_async_context(pooled(settings, application_name="hub_portfolio"))
    probe = DatabaseProbe(pool, package="hub_portfolio")
    process.spawn(probe.run(), "database probe")
    # The tables have to be there once; an outage later takes the watchlists away, and nothing else.
    process.ready("schema", probe.schema)
    auth = await _channel(settings, process, settings.auth_target, "auth")
    market_data = await _channel(settings, process, settings.market_data_target, "market-data")
    breaker = Breaker("position")
    position = await _channel(settings, process, settings.position_target, "position", breaker)
    process.spawn(trust.watch(auth), "trust")
    process.spawn(cache.follow(market_data), "quotes")
    prices = LivePrices(cache, fresh_for_s=settings.price_fresh_for.total_seconds())
    portfolio = PortfolioRpc(trust=trust, accounts=PositionAccounts(position), prices=prices, clock=utc_now)
    watchlists = WatchlistRpc(trust=trust, desk=Desk(Watchlists(pool), prices), clock=utc_now)
    # Prices are not part of being ready: without them the answers are partial, and say so.
    server = Server(
        settings.grpc_address,
        settings.tls,
        CALL_TABLE,
        [
            partial(portfolio_pb2_grpc.add_PortfolioServiceServicer_to_server, portfolio),
            partial(watchlist_pb2_grpc.add_WatchlistServiceServicer_to_server, watchlists),
        ],
        reflection=settings.environment == "local",
        checks={"trust": trust.state},
        information={
            "database": probe.state,
            "market": cache.state,
            "auth": peer_state(auth),
            "market-data": peer_state(market_data),
            "position": peer_state(position, breaker),
        },
    )
    await process.stack.enter_async_context(server)
    await process.drained()


async def _migrate(settings: PortfolioSettings) -> None:
    await migrate(settings.database_url, settings.database_password, "hub_portfolio")


async def _channel(
    settings: PortfolioSettings, process: Process, target: str, peer: str, breaker: Breaker | None = None
) -> aio.Channel:
    return await process.stack.enter_async_context(connect(target, settings.tls, peer, breaker=breaker))


if __name__ == "__main__":
    main("portfolio", DESCRIPTION, JOBS, PortfolioSettings, run, _migrate)
