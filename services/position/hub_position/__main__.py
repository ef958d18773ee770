"""All wiring of the position service. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from hub.position.v1 import (
    activities_pb2_grpc,
    books_pb2_grpc,
    corporate_actions_pb2_grpc,
    position_pb2_grpc,
    reconciliation_pb2_grpc,
    views_pb2_grpc,
)
from hub_batching import Batcher
from hub_events import CHANNEL, POSITIONS, TOPOLOGY, Amqp, Relay, consume
from hub_identity import Trust
from hub_market_client import QuoteCache
from hub_position.clients import Market
from hub_position.domain.placing import HoldAnswer, HoldRequest
from hub_position.rpc import PositionRpc
from hub_position.rpc_actions import CorporateActionRpc
from hub_position.rpc_activities import ActivityRpc
from hub_position.rpc_books import BooksRpc
from hub_position.rpc_reconciliation import ReconciliationRpc
from hub_position.rpc_views import ViewRpc
from hub_position.settings import PositionSettings
from hub_position.settler import restrict_for_ever, settle_for_ever
from hub_position.usecases import place_holds_of_calls
from hub_position.worker import handle
from hub_postgres import DatabaseProbe, Pool, Wakeup, migrate, pooled
from hub_rpc import CallTable, Server, connect
from hub_runtime import Process, main, utc_now

CALLS_PER_BATCH = 8
DESCRIPTION = "keeps accounts, the cash ledger, holds, positions and trades"
JOBS = {
    "serve": "PositionService over gRPC: holds, balance, positions, ledger",
    "work": "books executions and the ends of orders",
    "settle": "settles the trades whose settlement day has come, restricts accounts that stay oversold",
    "relay": "moves the outbox to the broker (one of many instances does)",
}
CALL_TABLE: CallTable = {
    "hub.position.v1.PositionService": {
        "PlaceHolds": frozenset({"order"}),
        "RepriceHolds": frozenset({"order"}),
        "ListUnconfirmedHolds": frozenset({"order"}),
        "SettleHolds": frozenset({"order"}),
        "GetAccount": frozenset({"gateway"}),
        "SetAccountState": frozenset({"gateway"}),
        "GetBalance": frozenset({"gateway", "portfolio"}),
        "ListPositions": frozenset({"gateway", "portfolio"}),
        "GetBooks": frozenset({"portfolio"}),
        "ListPostings": frozenset({"gateway", "portfolio"}),
        "Deposit": frozenset({"gateway"}),
        "Withdraw": frozenset({"gateway"}),
        "AdjustCash": frozenset({"gateway"}),
        "ListCashMovements": frozenset({"gateway", "portfolio"}),
    },
    "hub.position.v1.ActivityService": {
        "ListActivities": frozenset({"gateway"}),
        "CutLedger": frozenset({"portfolio"}),
        "ListActivitiesBetween": frozenset({"portfolio"}),
    },
    "hub.position.v1.ViewService": {"*": frozenset({"gateway"})},
    "hub.position.v1.BooksService": {"*": frozenset({"portfolio"})},
    "hub.position.v1.ReconciliationService": {"*": frozenset({"order"})},
    "hub.position.v1.CorporateActionService": {"*": frozenset({"order"})},
}


async def run(settings: PositionSettings, jobs: frozenset[str], process: Process) -> None:
    pool = await process.stack.enter_async_context(pooled(settings, application_name="hub_position"))
    probe = DatabaseProbe(pool, package="hub_position")
    process.spawn(probe.run(), "database probe")
    process.ready("database", probe.state)
    topology = TOPOLOGY.with_waits(POSITIONS.name, settings.retry_steps)
    amqp = Amqp(settings.amqp_url, settings.amqp_password, topology=topology, name="position")
    information = dict[str, Callable[[], str]]()
    if jobs & {"work", "relay"}:
        process.ready("broker", amqp.state)
        information["broker"] = amqp.state
    if "relay" in jobs:
        wakeup = Wakeup(settings.database_url, settings.database_password, CHANNEL)
        process.spawn(wakeup.run(), "relay wakeup")
        process.spawn(Relay(pool, wakeup, amqp, "position").run(), "relay")
    if jobs & {"work", "settle"}:
        market = await _follow_market(settings, process)
        information["market"] = market.state
    if "settle" in jobs:
        settle = settle_for_ever(
            pool=pool, market=market, clock=utc_now, interval_s=settings.settle_interval_s
        )
        process.spawn(settle, "settle")
        restrict = restrict_for_ever(
            pool=pool,
            clock=utc_now,
            oversold_for=settings.oversold_for,
            interval_s=settings.settle_interval_s,
        )
        process.spawn(restrict, "restrict")
    if "work" in jobs:
        book = partial(handle, pool=pool, market=market, deposit=settings.paper_deposit, clock=utc_now)
        updates = POSITIONS.queues_of("updates")
        process.spawn(consume(amqp, updates, book, family=POSITIONS.name), "work")
    if "serve" in jobs:
        await _serve(settings, process, pool, probe, information=information)
    await process.drained()


async def _follow_market(settings: PositionSettings, process: Process) -> Market:
    cache = QuoteCache()
    market = Market(cache, settings.fees)
    channel = connect(settings.market_data_target, settings.tls, "market-data")
    await process.stack.enter_async_context(channel)
    process.spawn(cache.follow(channel), "quotes")
    process.ready("market", market.state)
    return market


async def _serve(
    settings: PositionSettings,
    process: Process,
    pool: Pool,
    probe: DatabaseProbe,
    *,
    information: Mapping[str, Callable[[], str]],
) -> None:
    enter = process.stack.enter_async_context
    trust = Trust()
    process.ready("trust", trust.state)
    auth = await enter(connect(settings.auth_target, settings.tls, "auth"))
    process.spawn(trust.watch(auth), "trust")
    place = partial(place_holds_of_calls, pool=pool, deposit=settings.paper_deposit, clock=utc_now)
    batcher: Batcher[Sequence[HoldRequest], Sequence[HoldAnswer]] = Batcher(
        place, limit=CALLS_PER_BATCH, in_flight=2, name="holds"
    )
    service = PositionRpc(
        pool=pool,
        trust=trust,
        holds=await enter(batcher),
        deposit=settings.paper_deposit,
        most_deposit=settings.most_deposit,
        fees=settings.fees,
        clock=utc_now,
    )
    server = Server(
        settings.grpc_address,
        settings.tls,
        CALL_TABLE,
        [
            partial(position_pb2_grpc.add_PositionServiceServicer_to_server, service),
            partial(
                activities_pb2_grpc.add_ActivityServiceServicer_to_server, ActivityRpc(pool=pool, trust=trust)
            ),
            partial(
                views_pb2_grpc.add_ViewServiceServicer_to_server,
                ViewRpc(pool=pool, trust=trust, clock=utc_now),
            ),
            partial(books_pb2_grpc.add_BooksServiceServicer_to_server, BooksRpc(pool)),
            partial(
                reconciliation_pb2_grpc.add_ReconciliationServiceServicer_to_server, ReconciliationRpc(pool)
            ),
            partial(
                corporate_actions_pb2_grpc.add_CorporateActionServiceServicer_to_server,
                CorporateActionRpc(pool, utc_now),
            ),
        ],
        reflection=settings.environment == "local",
        checks={"trust": trust.state, "database": probe.state},
        information=information,
    )
    await enter(server)


async def _migrate(settings: PositionSettings) -> None:
    await migrate(settings.database_url, settings.database_password, "hub_position")


if __name__ == "__main__":
    main("position", DESCRIPTION, JOBS, PositionSettings, run, _migrate)
