"""What every request for an order meets: the facts and rules, the hold, and the first answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hub_batching import Batcher
from hub_errors import HubError, Timeout, Unavailable
from hub_identity import Principal
from hub_money import to_text
from hub_order import mapping
from hub_order.clients import HoldAnswer, HoldRequest, Market
from hub_order.domain import Order, OrderType, Side, TimeInForce, accepted, requested
from hub_order.risk import Draft, Facts, Policy, hold_refusal, lot_of, protection_of, quantity_of, set_aside
from hub_order.store import Newcomer
from hub_order.usecases.answers import Answer, Claim, Found
from hub_order.usecases.refusals import judged_by
from hub_order.usecases.standing import AccountDesk
from hub_order.usecases.telling import ORDERS
from hub_runtime import Clock, counted, current_traceparent, get_logger

DEADLINE_S = 5.0
LONGEST_DEADLINE_S = 30.0
LOOK_AGAIN_S = 0.05
GIVE_BACK_S = 1.0

log = get_logger("submit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a request needs: facts and rules, and the batches it joins."""

    market: Market
    policy: Policy
    accounts: AccountDesk
    answers: Batcher[Claim, Found]
    holds: Batcher[HoldRequest, HoldAnswer]
    accepts: Batcher[Newcomer, Answer]
    give_back: Batcher[UUID, None]
    remember: timedelta
    clock: Clock

    async def facts(self, draft: Draft, account_id: UUID) -> Facts:
        """All that the rules may look at."""
        instrument = self.market.instrument(draft.symbol)
        own = self.accounts.limits(account_id)
        limits = self.policy.limits(None if instrument is None else instrument.asset_class, own)
        traded = self.market.trades(draft.symbol)
        standing = await self.accounts.standing(account_id, draft, limits, traded=traded)
        facts = self.market.facts(
            draft,
            limits,
            retry_after_s=standing.retry_after_s,
            open_orders=standing.open_orders,
            opposing_price=standing.opposing_price,
        )
        judged_by(facts.quote)
        return facts


@dataclass(frozen=True, slots=True)
class Patience:
    """Until when the caller of this item waits."""

    until: float

    @classmethod
    def of(cls, deadline: datetime | None, clock: Clock) -> Patience:
        wait_s = DEADLINE_S
        if deadline is not None:
            wait_s = min((deadline - clock()).total_seconds(), LONGEST_DEADLINE_S)
        return cls(asyncio.get_running_loop().time() + wait_s)

    def left_s(self) -> float:
        left = self.until - asyncio.get_running_loop().time()
        if left <= 0:
            raise Timeout("The time for this order has run out.", code="deadline_exceeded")
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An order that somebody asks for, and what the request is known by."""

    order_id: UUID
    hold_id: UUID
    client_order_id: str
    idempotency_key: str
    body_hash: bytes

    def claim(self, account_id: UUID) -> Claim:
        return Claim(
            order_id=self.order_id,
            account_id=account_id,
            idempotency_key=self.idempotency_key,
            client_order_id=self.client_order_id,
            body_hash=self.body_hash,
        )


def new_order(wanted: Wanted, principal: Principal, facts: Facts, hold: HoldAnswer, *, desk: Desk) -> Order:
    """The order as it would be accepted now. Of a hold that an earlier try has placed, at another price, it
    never needs more than there is."""
    draft, now = facts.draft, desk.clock()
    quantity, protection = quantity_of(facts), protection_of(facts)
    if not draft.by_value:
        quantity = hold.quantity or quantity
        protection = protection if protection is None else hold.unit_price or protection
    assert quantity is not None  # noqa: S101 - a rule or the hold has said it
    day = draft.time_in_force is TimeInForce.DAY
    unsure = not facts.session_open or facts.opening
    return Order(
        order_id=wanted.order_id,
        account_id=mapping.id_of(principal.account_id),
        user_id=mapping.id_of(principal.user_id),
        client_order_id=wanted.client_order_id,
        symbol=draft.symbol,
        side=draft.side,
        type=draft.type,
        time_in_force=draft.time_in_force,
        quantity=quantity,
        limit_price=draft.limit_price,
        protection_price=protection,
        hold_id=wanted.hold_id,
        stop_price=draft.stop_price,
        trail_amount=draft.trail_amount,
        trail_percent=draft.trail_percent,
        notional=draft.notional,
        extended_hours=draft.extended_hours,
        replaces=draft.replaces,
        body_hash=wanted.body_hash,
        traceparent=current_traceparent(),
        reprice=draft.type is OrderType.MARKET and draft.side is Side.BUY and unsure,
        expires_at=desk.market.closes_at(draft.symbol, extended=draft.extended_hours) if day else None,
        accepted_at=now,
        market_time=desk.market.time(),
        updated_at=now,
    )


def newcomer(order: Order, facts: Facts, *, idempotency_key: str, desk: Desk) -> Newcomer:
    """Ready to become durable, with the answer that its key will be given. One that waits for another's place
    is accepted when it has it."""
    become = requested if order.waits else accepted
    change = become(order, quote=facts.quote)
    return Newcomer(
        change=change,
        idempotency_key=idempotency_key,
        message=mapping.order_message(change.order),
        remember_until=order.accepted_at + desk.remember,
    )


def hold_request(
    wanted: Wanted,
    principal: Principal,
    facts: Facts,
    *,
    percentage: Decimal | None = None,
    replaced: Order | None = None,
) -> HoldRequest:
    """What is to be set aside for it; beside what the order holds that it replaces."""
    aside, limits = set_aside(facts), facts.limits
    return HoldRequest(
        hold_id=wanted.hold_id,
        order_id=wanted.order_id,
        account_id=mapping.id_of(principal.account_id),
        user_id=mapping.id_of(principal.user_id),
        side=facts.draft.side,
        symbol=facts.draft.symbol,
        quantity=aside.quantity or Decimal(0),
        unit_price=aside.unit_price,
        # A replacement is found by its id: its attempts hold under different ids.
        idempotency_key=wanted.idempotency_key if replaced is None else "",
        traceparent=current_traceparent(),
        percentage=percentage,
        lot_size=None if percentage is None else lot_of(facts.instrument),
        by_value=aside.by_value,
        replaced_hold_id=None if replaced is None else replaced.hold_id,
        replaced_filled_quantity=None if replaced is None else replaced.filled_quantity,
        replaced_may_fill=replaced is not None and replaced.route is not None,
        most_position=limits.most_position if facts.draft.side is Side.BUY else None,
        asset_class="" if facts.instrument is None else facts.instrument.asset_class,
    )


def refused_hold(hold: HoldAnswer, facts: Facts) -> HubError:
    return hold_refusal(
        hold.code,
        draft=facts.draft,
        required=hold.required,
        available=hold.available,
        most_position=facts.limits.most_position,
    )


async def give_back(hold_id: UUID, desk: Desk) -> None:
    """No order will come of it. What fails here the sweeper gives back."""
    try:
        await desk.give_back.submit(hold_id, GIVE_BACK_S)
    except HubError as error:
        log.warning("hold_not_given_back", code=error.code)


async def first_answer_or(no: HubError, claim: Claim, patience: Patience, desk: Desk) -> Answer:
    """A stored answer comes before any refusal: the first request changed what the rules look at."""
    found = await desk.answers.submit(claim, patience.left_s())
    if isinstance(found, Answer):
        return found
    if found is not None and found.code != "client_order_id_taken":
        raise found
    raise no


async def answer_of_the_first(claim: Claim, patience: Patience, desk: Desk) -> Answer:
    """Another request with this key holds the money already: its answer is ours, once there is one."""
    while True:
        found = await desk.answers.submit(claim, patience.left_s())
        if isinstance(found, Answer):
            return found
        if found is not None:
            raise found
        if patience.left_s() <= 2 * LOOK_AGAIN_S:
            raise Unavailable("An order with this key is on its way; ask again.", code="order_in_flight")
        await asyncio.sleep(LOOK_AGAIN_S)


def tell_accepted(order: Order) -> None:
    counted(ORDERS, "accepted", "").inc()
    log.info(
        "order_accepted",
        order_id=str(order.order_id),
        account_id=str(order.account_id),
        symbol=order.symbol,
        side=str(order.side),
        type=str(order.type),
        quantity=to_text(order.quantity),
        highlight=True,
        text=f"order accepted: {described(order)}",
    )


def described(order: Order) -> str:
    """The order in words."""
    verb = "buy" if order.side is Side.BUY else "sell"
    words = [verb, to_text(order.quantity), order.symbol]
    if order.stop_price is not None:
        words.append(f"once {to_text(order.stop_price)} is reached,")
    elif order.awaits_stop:
        words.append("once the market has turned,")
    price = order.limit_price
    words.append("at market" if price is None else f"at {to_text(price)} or better")
    return " ".join(words)
