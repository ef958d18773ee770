"""All wiring of the order service. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from grpc import aio

from hub.order.v1 import order_pb2_grpc
from hub_batching import Batcher
from hub_events import CHANNEL, ORDERS, TOPOLOGY, Amqp, Publisher, Relay, consume
from hub_identity import Trust
from hub_market_client import QuoteCache
from hub_order import reconcile, verify
from hub_order.actor import Actor
from hub_order.audit import Refusal
from hub_order.auditor import Auditor
from hub_order.books import Books
from hub_order.clients import Market, Position
from hub_order.corporate_actions import ActionBooks, DueActions
from hub_order.handover import hand_over
from hub_order.reconciler import Reconciler
from hub_order.rpc import MOST_ITEMS, OrderService
from hub_order.rpc_admin import OrderAdminService
from hub_order.settings import OrderSettings
from hub_order.settlement import handle_settlements
from hub_order.store import (
    LEADERSHIP,
    LIMITS_CHANNEL,
    RESTING_CHANNEL,
    Acceptance,
    Anchors,
    Blotter,
    LimitsStore,
    Reconciling,
    RefusalBook,
    Settlements,
)
from hub_order.stores import Stores
from hub_order.sweeper import Sweeper
from hub_order.trigger import Trigger
from hub_order.usecases.accept import accept
from hub_order.usecases.answers import Claim, Found, earlier
from hub_order.usecases.corporate_actions import CorporateActions
from hub_order.usecases.desk import Desk
from hub_order.usecases.execute import Floor
from hub_order.usecases.limits import LimitsCopy
from hub_order.usecases.refusals import BATCH, Refusals
from hub_order.usecases.replace import Exchange
from hub_order.usecases.standing import AccountDesk
from hub_order.usecases.venue_reports import VenueDesk
from hub_order.worker import handle
from hub_postgres import DatabaseProbe, Pool, Wakeup, holding_lock, leading, migrate, pooled
from hub_rpc import Breaker, CallTable, Server, connect, peer_state
from hub_runtime import Command, Process, main, supervised, utc_now

DESCRIPTION = "accepts orders, brings them to a venue and records what became of them"
JOBS = {
    "serve": "OrderService over gRPC: submit, read, list, cancel, replace, close",
    "work": "executes new orders and resting ones that can be filled, stamps settled executions",
    "trigger": "watches resting orders against the live quotes (one of many instances does)",
    "relay": "moves the outbox to the broker (one of many instances does)",
    "sweep": "releases holds without an order, fails market orders without a price",
    "audit": "anchors each day of the history once it is over (one of many instances does)",
    "actions": "carries splits and dividends out when their day comes (one of many instances does)",
    "reconcile": "holds orders against the books of positions (one of many instances does)",
}
CALL_TABLE: CallTable = {
    "hub.order.v1.OrderService": {"*": frozenset({"gateway"})},
    "hub.order.v1.OrderAdminService": {"*": frozenset({"gateway"})},
}


async def run(settings: OrderSettings, jobs: frozenset[str], process: Process) -> None:
    pool = await process.stack.enter_async_context(pooled(settings, application_name="hub_order"))
    probe = DatabaseProbe(pool, package="hub_order")
    process.spawn(probe.run(), "database probe")
    process.ready("database", probe.state)
    stores = Stores.over(pool)
    topology = TOPOLOGY.with_waits(ORDERS.name, settings.retry_steps)
    amqp = Amqp(settings.amqp_url, settings.amqp_password, topology=topology, name="order")
    information = {"database": probe.state}
    if jobs & {"work", "trigger", "relay"}:
        process.ready("broker", amqp.state)
        information["broker"] = amqp.state
    if "relay" in jobs:
        _relay(settings, process, pool, amqp)
    if "work" in jobs:
        stamp = partial(handle_settlements, settlements=Settlements(pool))
        process.spawn(consume(amqp, ORDERS.queues_of("settlement"), stamp, family=ORDERS.name), "settlement")
    if "audit" in jobs:
        _audit(settings, process, pool)
    if "reconcile" in jobs:
        await _reconcile(settings, process, pool)
    if jobs & {"serve", "work", "trigger", "sweep", "actions"}:
        await _with_market(settings, jobs, process, stores, amqp, information)
    await process.drained()


async def _with_market(  # noqa: PLR0917 - what is left of `run`
    settings: OrderSettings,
    jobs: frozenset[str],
    process: Process,
    stores: Stores,
    amqp: Amqp,
    information: dict[str, Callable[[], str]],
) -> None:
    """The jobs that look at the market."""
    market = await _follow_market(settings, process)
    if "trigger" in jobs:
        _trigger(settings, process, stores, amqp, market)
    if "actions" in jobs:
        await _actions(settings, process, stores, market)
    if not jobs & {"serve", "work", "sweep"}:
        return
    breaker = Breaker("position")
    channel = await _channel(settings, process, settings.position_target, "position", breaker)
    information["position"] = peer_state(channel, breaker)
    position = Position(channel)
    if "work" in jobs:
        _work(settings, process, amqp, _floor(settings, stores, position, market))
    if "sweep" in jobs:
        _sweep(settings, process, stores, position, market)
    if "serve" in jobs:
        await _serve(settings, process, stores, position, market, information=information)


async def _serve(
    settings: OrderSettings,
    process: Process,
    stores: Stores,
    position: Position,
    market: Market,
    *,
    information: Mapping[str, Callable[[], str]],
) -> None:
    enter = process.stack.enter_async_context
    trust = Trust()
    process.ready("trust", trust.state)
    process.spawn(trust.watch(await _channel(settings, process, settings.auth_target, "auth")), "trust")
    find = partial(_earlier, acceptance=stores.acceptance)
    take = partial(accept, acceptance=stores.acceptance, clock=utc_now)
    limits = _limits(settings, process, stores.limits)
    own_orders = await enter(Batcher(stores.own_orders.of, limit=MOST_ITEMS, name="own orders"))
    desk = Desk(
        market=market,
        policy=settings.policy,
        accounts=AccountDesk(own_limits=limits.of, own_orders=own_orders),
        answers=await enter(Batcher(find, limit=MOST_ITEMS, name="answers")),
        holds=await enter(Batcher(position.place_holds, limit=MOST_ITEMS, name="holds")),
        accepts=await enter(Batcher(take, limit=MOST_ITEMS, name="accepts")),
        give_back=await enter(Batcher(position.give_back, limit=MOST_ITEMS, name="holds given back")),
        remember=settings.idempotency_ttl,
        clock=utc_now,
    )
    exchange = Exchange(orders=stores.orders, replacing=stores.replacing)
    pool = stores.orders.pool
    kept: Batcher[Refusal, None] = await enter(Batcher(RefusalBook(pool).add, name="refusals", **BATCH))
    service = OrderService(
        trust=trust,
        desk=desk,
        exchange=exchange,
        refusals=await enter(Refusals(kept, utc_now)),
        blotter=Blotter(pool),
    )
    admin = OrderAdminService(
        trust=trust, limits=stores.limits, orders=stores.orders, reconciling=Reconciling(pool)
    )
    server = Server(
        settings.grpc_address,
        settings.tls,
        CALL_TABLE,
        [
            partial(order_pb2_grpc.add_OrderServiceServicer_to_server, service),
            partial(order_pb2_grpc.add_OrderAdminServiceServicer_to_server, admin),
        ],
        reflection=settings.environment == "local",
        checks={"trust": trust.state, "market": market.state, "limits": limits.state},
        information=information,
    )
    await enter(server)


def _limits(settings: OrderSettings, process: Process, store: LimitsStore) -> LimitsCopy:
    """What single accounts may do, as it is now."""
    wakeup = Wakeup(settings.database_url, settings.database_password, LIMITS_CHANNEL)
    copy = LimitsCopy(store, wakeup)
    process.spawn(wakeup.run(), "limits wakeup")
    process.spawn(supervised("limits", copy.watch), "limits")
    process.ready("limits", copy.state)
    return copy


def _floor(settings: OrderSettings, stores: Stores, position: Position, market: Market) -> Floor:
    return Floor(
        orders=stores.orders,
        market=market,
        venue=settings.venue_of(),
        position=position,
        max_age=settings.order_max_age,
        price_protection=settings.price_protection,
    )


def _work(settings: OrderSettings, process: Process, amqp: Amqp, floor: Floor) -> None:
    venue = floor.venue
    desk = VenueDesk(venue=venue, orders=floor.orders, clock=utc_now)
    queues = [*ORDERS.queues_of("submit"), *ORDERS.queues_of("processing")]
    process.spawn(consume(amqp, queues, partial(handle, floor=floor, desk=desk), family=ORDERS.name), "work")
    if venue.keeps_orders:
        process.spawn(desk.follow(), "venue reports")
        process.spawn(desk.reconcile(settings.reconcile_interval_s), "venue reconciliation")


def _trigger(settings: OrderSettings, process: Process, stores: Stores, amqp: Amqp, market: Market) -> None:
    password = settings.database_password
    wakeup = Wakeup(settings.database_url, password, RESTING_CHANNEL)
    publisher = Publisher(amqp, "trigger")

    async def watch() -> None:
        async with leading(settings.database_url, password, LEADERSHIP) as leadership:
            trigger = Trigger(
                resting=stores.resting,
                market=market,
                wakeup=wakeup,
                hand_over=partial(hand_over, publisher=publisher),
            )
            await trigger.lead(leadership)

    process.spawn(wakeup.run(), "trigger wakeup")
    process.spawn(publisher.run(), "trigger publisher")
    process.spawn(supervised("trigger", watch), "trigger")


def _relay(settings: OrderSettings, process: Process, pool: Pool, amqp: Amqp) -> None:
    wakeup = Wakeup(settings.database_url, settings.database_password, CHANNEL)
    process.spawn(wakeup.run(), "relay wakeup")
    process.spawn(Relay(pool, wakeup, amqp, "order").run(), "relay")


def _audit(settings: OrderSettings, process: Process, pool: Pool) -> None:
    url, password = settings.database_url, settings.database_password
    auditor = Auditor(anchors=Anchors(pool), database_url=url, database_password=password)

    async def look() -> None:
        async with holding_lock(url, password, "hub_order audit") as lock:
            await auditor.lead(lock)

    process.spawn(supervised("audit", look), "audit")


async def _actions(settings: OrderSettings, process: Process, stores: Stores, market: Market) -> None:
    # Breakers of their own: who waits for the rows of many accounts says nothing about holds.
    channel = partial(_channel, settings, process)
    books = await channel(settings.position_target, "position", Breaker("actions"))
    due = await channel(settings.market_data_target, "market-data", Breaker("due actions"))
    actions = CorporateActions(stores.orders, market, DueActions(due), ActionBooks(books))
    actor = Actor(actions, settings.database_url, settings.database_password, settings.actions_interval_s)
    process.spawn(supervised("actions", actor.run), "actions")


async def _reconcile(settings: OrderSettings, process: Process, pool: Pool) -> None:
    # A breaker of its own: a check that takes too long says nothing about holds.
    channel = await _channel(settings, process, settings.position_target, "position", Breaker("books"))
    url, password = settings.database_url, settings.database_password
    reconciler = Reconciler(
        store=Reconciling(pool), books=Books(channel), interval_s=settings.books_interval_s
    )

    async def look() -> None:
        async with holding_lock(url, password, "hub_order reconcile") as lock:
            await reconciler.lead(lock)

    process.spawn(supervised("reconcile", look), "reconcile")


def _sweep(
    settings: OrderSettings, process: Process, stores: Stores, position: Position, market: Market
) -> None:
    sweeper = Sweeper(
        position=position,
        orders=stores.orders,
        sweeping=stores.sweeping,
        market=market,
        clock=utc_now,
        hold_max_age=settings.hold_max_age,
        order_max_age=settings.order_max_age,
    )
    process.spawn(supervised("sweep", partial(sweeper.run, settings.sweep_interval_s)), "sweep")


async def _follow_market(settings: OrderSettings, process: Process) -> Market:
    cache = QuoteCache()
    channel = await _channel(settings, process, settings.market_data_target, "market-data")
    market = Market(cache, max_age_s=settings.quote_max_age_s, extended=settings.extended_hours)
    process.spawn(cache.follow(channel), "quotes")
    process.spawn(market.watch(), "trading times")
    process.ready("market", market.state)
    return market


async def _channel(
    settings: OrderSettings, process: Process, target: str, peer: str, breaker: Breaker | None = None
) -> aio.Channel:
    channel = connect(target, settings.tls, peer, breaker=breaker)
    return await process.stack.enter_async_context(channel)


async def _earlier(claims: Sequence[Claim], *, acceptance: Acceptance) -> Sequence[Found]:
    return await earlier(claims, acceptance=acceptance, now=utc_now())


async def _migrate(settings: OrderSettings) -> None:
    await migrate(settings.database_url, settings.database_password, "hub_order")


if __name__ == "__main__":
    commands = {
        verify.NAME: Command(verify.MEANING, verify.verify_audit),
        reconcile.NAME: Command(reconcile.MEANING, reconcile.reconcile),
    }
    main("order", DESCRIPTION, JOBS, OrderSettings, run, _migrate, commands)
