"""All wiring of the portfolio service. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from grpc import aio

from hub.portfolio.v1 import (
    history_pb2_grpc,
    portfolio_pb2_grpc,
    statements_pb2_grpc,
    watchlist_pb2_grpc,
)
from hub_events import PORTFOLIO, TOPOLOGY, Amqp, consume
from hub_identity import Trust
from hub_market_client import QuoteCache
from hub_portfolio.clients import (
    LivePrices,
    Market,
    MarketBars,
    PositionAccounts,
    PositionBooks,
    PositionLedger,
)
from hub_portfolio.rpc import HistoryRpc, PortfolioRpc, WatchlistRpc
from hub_portfolio.rpc_statements import StatementRpc
from hub_portfolio.settings import PortfolioSettings
from hub_portfolio.snapshot import snapshot_for_ever
from hub_portfolio.store import Histories, Statements, Watchlists
from hub_portfolio.usecases.histories import Archive
from hub_portfolio.usecases.statements import Office
from hub_portfolio.usecases.valuations import Valuer
from hub_portfolio.usecases.watchlists import Desk
from hub_portfolio.worker import handle
from hub_postgres import DatabaseProbe, Pool, migrate, pooled
from hub_rpc import Breaker, CallTable, Server, connect, peer_state
from hub_runtime import Process, main, utc_now

# Nobody waits for what is only noted: few large batches leave the machine to those who do.
LINGER_S = 0.25
DESCRIPTION = "tells users what they own and what it was worth, and keeps their statements and watchlists"
JOBS = {
    "serve": "PortfolioService (summary, allocation, positions), history, statements, watchlists over gRPC",
    "work": "hears which accounts have changed",
    "snapshot": "values the accounts that changed or hold something, for their history (one instance does)",
}
CALL_TABLE: CallTable = {
    "hub.portfolio.v1.PortfolioService": {"*": frozenset({"gateway"})},
    "hub.portfolio.v1.HistoryService": {"*": frozenset({"gateway"})},
    "hub.portfolio.v1.StatementService": {"*": frozenset({"gateway"})},
    "hub.portfolio.v1.WatchlistService": {"*": frozenset({"gateway"})},
}


@dataclass(frozen=True)
class Peers:
    """What several jobs need of others."""

    cache: QuoteCache
    market_data: aio.Channel
    position: aio.Channel
    breaker: Breaker


async def run(settings: PortfolioSettings, jobs: frozenset[str], process: Process) -> None:
    pool = await process.stack.enter_async_context(pooled(settings, application_name="hub_portfolio"))
    probe = DatabaseProbe(pool, package="hub_portfolio")
    process.spawn(probe.run(), "database probe")
    # The tables have to be there once; an outage later takes watchlists and histories away, and nothing else.
    process.ready("schema", probe.schema)
    information = {"database": probe.state}
    if "work" in jobs:
        topology = TOPOLOGY.with_waits(PORTFOLIO.name, settings.retry_steps)
        amqp = Amqp(settings.amqp_url, settings.amqp_password, topology=topology, name="portfolio")
        process.ready("broker", amqp.state)
        information["broker"] = amqp.state
        hear = partial(handle, store=Histories(pool))
        changes = PORTFOLIO.queues_of("changes")
        hearing = consume(amqp, changes, hear, family=PORTFOLIO.name, linger_s=LINGER_S)
        process.spawn(hearing, "work")
    if jobs & {"serve", "snapshot"}:
        peers = await _peers(settings, process)
        if "snapshot" in jobs:
            _snapshot(settings, process, pool, peers)
        if "serve" in jobs:
            await _serve(settings, process, pool, peers, information=information)
    await process.drained()


async def _peers(settings: PortfolioSettings, process: Process) -> Peers:
    breaker, cache = Breaker("position"), QuoteCache()
    market_data = await _channel(settings, process, settings.market_data_target, "market-data")
    position = await _channel(settings, process, settings.position_target, "position", breaker)
    process.spawn(cache.follow(market_data), "quotes")
    return Peers(cache, market_data, position, breaker)


def _snapshot(settings: PortfolioSettings, process: Process, pool: Pool, peers: Peers) -> None:
    valuer = Valuer(
        store=Histories(pool),
        books=PositionBooks(peers.position),
        prices=_prices(settings, peers),
        market=Market(peers.cache, settings.history_calendar),
        clock=utc_now,
        every=settings.snapshot_step,
        kept=settings.points_kept,
    )
    url, password = settings.database_url, settings.database_password
    valuing = snapshot_for_ever(valuer, url=url, password=password, poll_s=settings.snapshot_poll_s)
    process.spawn(valuing, "snapshot")


async def _serve(
    settings: PortfolioSettings,
    process: Process,
    pool: Pool,
    peers: Peers,
    *,
    information: Mapping[str, Callable[[], str]],
) -> None:
    trust = Trust()
    process.ready("trust", trust.state)
    auth = await _channel(settings, process, settings.auth_target, "auth")
    process.spawn(trust.watch(auth), "trust")
    prices = _prices(settings, peers)
    accounts = await process.stack.enter_async_context(PositionAccounts(peers.position))
    archive = Archive(
        store=Histories(pool),
        accounts=accounts,
        books=PositionBooks(peers.position),
        prices=prices,
        market=Market(peers.cache, settings.history_calendar),
        bars=MarketBars(peers.market_data),
        clock=utc_now,
    )
    office = Office(
        store=Statements(pool),
        accounts=accounts,
        books=archive.books,
        ledger=PositionLedger(peers.position),
        closes=MarketBars(peers.market_data),
        prices=prices,
        clock=utc_now,
    )
    portfolio = PortfolioRpc(trust=trust, accounts=accounts, prices=prices, clock=utc_now)
    watchlists = WatchlistRpc(trust=trust, desk=Desk(Watchlists(pool), prices), clock=utc_now)
    # Prices are not part of being ready: without them the answers are partial, and say so.
    server = Server(
        settings.grpc_address,
        settings.tls,
        CALL_TABLE,
        [
            partial(portfolio_pb2_grpc.add_PortfolioServiceServicer_to_server, portfolio),
            partial(history_pb2_grpc.add_HistoryServiceServicer_to_server, HistoryRpc(trust, archive)),
            partial(statements_pb2_grpc.add_StatementServiceServicer_to_server, StatementRpc(trust, office)),
            partial(watchlist_pb2_grpc.add_WatchlistServiceServicer_to_server, watchlists),
        ],
        reflection=settings.environment == "local",
        checks={"trust": trust.state},
        information={
            **information,
            "market": peers.cache.state,
            "auth": peer_state(auth),
            "market-data": peer_state(peers.market_data),
            "position": peer_state(peers.position, peers.breaker),
        },
    )
    await process.stack.enter_async_context(server)


def _prices(settings: PortfolioSettings, peers: Peers) -> LivePrices:
    return LivePrices(peers.cache, fresh_for_s=settings.price_fresh_for.total_seconds())


async def _migrate(settings: PortfolioSettings) -> None:
    await migrate(settings.database_url, settings.database_password, "hub_portfolio")


async def _channel(
    settings: PortfolioSettings, process: Process, target: str, peer: str, breaker: Breaker | None = None
) -> aio.Channel:
    return await process.stack.enter_async_context(connect(target, settings.tls, peer, breaker=breaker))


if __name__ == "__main__":
    main("portfolio", DESCRIPTION, JOBS, PortfolioSettings, run, _migrate)
