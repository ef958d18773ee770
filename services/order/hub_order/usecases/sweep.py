"""Puts right what was left halfway: holds without an order, orders without a price, keys past their time."""

from __future__ import annotations

from datetime import datetime, timedelta

from hub_order.clients import Market, Position, UnconfirmedHold
from hub_order.domain import (
    Change,
    Order,
    OrderType,
    Reason,
    Status,
    TimeInForce,
    abandoned,
    ask_end,
    close,
)
from hub_order.store import Orders, Sweeping
from hub_order.usecases.telling import tell_all
from hub_runtime import Clock, counter, get_logger

MOST = 500
HOLDS = counter("hub_order_swept_holds_total", "Holds settled by the sweeper", ("outcome",))

log = get_logger("sweep")


async def sweep_holds(*, position: Position, sweeping: Sweeping, clock: Clock, max_age: timedelta) -> int:
    """Vouches for holds whose order exists. Where none does, its id is taken first, so that it can never
    come; only then the hold is released. How many were settled."""
    now = clock()
    holds = await position.unconfirmed_holds(placed_before=now - max_age, limit=MOST)
    if not holds:
        return 0
    order_ids = [hold.order_id for hold in holds]
    existing = await sweeping.existing(order_ids)
    missing = [hold for hold in holds if hold.order_id not in existing]
    if missing:
        # A replacement may have held more than once before it was given up.
        once = {hold.order_id: hold for hold in missing}
        taken = await sweeping.abandon([abandoned(_never_came(hold, now)) for hold in once.values()])
        existing = await sweeping.existing(order_ids)
        log.warning("orders_abandoned", orders=[str(order_id) for order_id in taken])
    known = [hold for hold in holds if hold.order_id in existing]
    confirmed = [hold.hold_id for hold in known if existing[hold.order_id] == hold.hold_id]
    # A replacement that met a fill has held more than once; its order points to the last of them.
    released = [hold.hold_id for hold in known if existing[hold.order_id] != hold.hold_id]
    await position.settle_holds(confirmed=confirmed, released=released)
    HOLDS.labels("confirmed").inc(len(confirmed))
    HOLDS.labels("released").inc(len(released))
    return len(confirmed) + len(released)


async def fail_stale(*, orders: Orders, sweeping: Sweeping, market: Market, max_age: timedelta) -> int:
    """Market orders that found no price in time, wherever they got stuck. Time without trading is no time."""
    if not market.loaded:
        return 0
    due = await sweeping.old_market_orders(market.traded_before(max_age), limit=MOST)

    def decide(order: Order, now: datetime) -> list[Change]:
        if order.final or order.route is not None:
            return []
        return [close(order, Status.FAILED, reason=Reason.STALE, actor="sweeper", now=now)]

    changes = await orders.change(due, decide)
    tell_all(changes, {})
    return len(changes)


async def expire(*, orders: Orders, market: Market) -> int:
    """Orders whose session has ended, by the market's clock. What a venue has, the venue is asked to end."""
    if not market.loaded:
        return 0
    market_time = market.time()
    due = await orders.expired(market_time, limit=MOST)

    def decide(order: Order, now: datetime) -> list[Change]:
        if order.final or order.ending or order.expires_at is None or order.expires_at > market_time:
            return []
        if order.route is not None:
            return [ask_end(order, Status.EXPIRED, actor="sweeper", now=now)]
        reason = Reason.SESSION_ENDED
        return [close(order, Status.EXPIRED, reason=reason, actor="sweeper", now=now)]

    changes = await orders.change(due, decide)
    tell_all(changes, {})
    return len(changes)


async def forget_keys(*, sweeping: Sweeping, clock: Clock) -> int:
    """Idempotency keys whose time is over, a bounded number."""
    return await sweeping.forget_keys(now=clock(), limit=MOST)


def _never_came(hold: UnconfirmedHold, now: datetime) -> Order:
    """All that is known of the order; its type is not, and does not matter any more."""
    return Order(
        order_id=hold.order_id,
        account_id=hold.account_id,
        user_id=hold.user_id,
        client_order_id="",
        symbol=hold.symbol,
        side=hold.side,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        quantity=hold.quantity,
        limit_price=None,
        protection_price=None,
        hold_id=hold.hold_id,
        accepted_at=now,
        market_time=None,
        updated_at=now,
    )
