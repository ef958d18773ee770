"""Takes one order in: rules, a hold, the accepting transaction. What it waits for, it shares with others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from hub_batching import Batcher
from hub_errors import Conflict, HubError, Refused, Timeout, Unavailable
from hub_identity import Principal
from hub_money import to_text
from hub_order import mapping
from hub_order.clients import HoldAnswer, HoldRequest, Market
from hub_order.domain import Order, OrderType, Side, accepted, hold_id_of
from hub_order.mapping import Submission
from hub_order.risk import Facts, Limits, refusal, unit_price
from hub_order.store import Newcomer
from hub_order.usecases.answers import Answer, Claim, Found
from hub_order.usecases.telling import ORDERS
from hub_runtime import Clock, current_traceparent, get_logger

DEADLINE_S = 5.0
LONGEST_DEADLINE_S = 30.0
LOOK_AGAIN_S = 0.05

log = get_logger("submit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a submission needs: facts and rules, and the batches it joins."""

    market: Market
    limits: Limits
    answers: Batcher[Claim, Found]
    holds: Batcher[HoldRequest, HoldAnswer]
    accepts: Batcher[Newcomer, Answer]
    remember: timedelta
    clock: Clock


async def submit(submission: Submission, principal: Principal, *, desk: Desk) -> Answer:
    """The order once it is durable, or the first answer to its key. Raises what it is refused for."""
    patience = _Patience.of(submission, desk)
    facts = desk.market.facts(submission.draft, desk.limits)
    no = refusal(facts)
    if no is not None:
        return await _first_answer_or(no, submission, principal, patience, desk)
    newcomer = _newcomer(submission, principal, facts, desk)
    order = newcomer.order
    hold = await desk.holds.submit(_hold_request(newcomer, facts), patience.left_s())
    if not hold.granted:
        return await _first_answer_or(_hold_refused(hold, order), submission, principal, patience, desk)
    if hold.standing_hold_id != order.hold_id:
        return await _answer_of_the_first(submission, principal, patience, desk)
    answer = await desk.accepts.submit(newcomer, patience.left_s())
    if not answer.repeated:
        ORDERS.labels("accepted", "").inc()
        log.info("order_accepted", **_told(order), highlight=True, text=f"order accepted: {described(order)}")
    return answer


@dataclass(frozen=True, slots=True)
class _Patience:
    """Until when the caller of this item waits."""

    until: float

    @classmethod
    def of(cls, submission: Submission, desk: Desk) -> _Patience:
        wait_s = DEADLINE_S
        if submission.deadline is not None:
            wait_s = min((submission.deadline - desk.clock()).total_seconds(), LONGEST_DEADLINE_S)
        return cls(asyncio.get_running_loop().time() + wait_s)

    def left_s(self) -> float:
        left = self.until - asyncio.get_running_loop().time()
        if left <= 0:
            raise Timeout("The time for this order has run out.", code="deadline_exceeded")
        return left


async def _first_answer_or(
    no: HubError, submission: Submission, principal: Principal, patience: _Patience, desk: Desk
) -> Answer:
    """A stored answer comes before any refusal: the first submission changed what the rules look at."""
    found = await desk.answers.submit(_claim(submission, principal), patience.left_s())
    if isinstance(found, Answer):
        return found
    if found is not None and found.code != "client_order_id_taken":
        raise found
    raise no


async def _answer_of_the_first(
    submission: Submission, principal: Principal, patience: _Patience, desk: Desk
) -> Answer:
    """Another submission with this key holds the money already: its answer is ours, once there is one."""
    while True:
        found = await desk.answers.submit(_claim(submission, principal), patience.left_s())
        if isinstance(found, Answer):
            return found
        if found is not None:
            raise found
        if patience.left_s() <= 2 * LOOK_AGAIN_S:
            raise Unavailable("An order with this key is on its way; ask again.", code="order_in_flight")
        await asyncio.sleep(LOOK_AGAIN_S)


def _claim(submission: Submission, principal: Principal) -> Claim:
    return Claim(
        order_id=submission.order_id,
        account_id=UUID(principal.account_id),
        idempotency_key=submission.idempotency_key,
        client_order_id=submission.client_order_id,
        body_hash=submission.body_hash,
    )


def _newcomer(submission: Submission, principal: Principal, facts: Facts, desk: Desk) -> Newcomer:
    draft, now = submission.draft, desk.clock()
    order = Order(
        order_id=submission.order_id,
        account_id=UUID(principal.account_id),
        user_id=UUID(principal.user_id),
        client_order_id=submission.client_order_id,
        symbol=draft.symbol,
        side=draft.side,
        type=draft.type,
        time_in_force=draft.time_in_force,
        quantity=draft.quantity,
        limit_price=draft.limit_price,
        protection_price=unit_price(facts) if draft.type is OrderType.MARKET else None,
        hold_id=hold_id_of(submission.order_id),
        body_hash=submission.body_hash,
        traceparent=current_traceparent(),
        accepted_at=now,
        market_time=desk.market.time(),
        updated_at=now,
    )
    change = accepted(order, quote=facts.quote)
    return Newcomer(
        change=change,
        idempotency_key=submission.idempotency_key,
        answer=mapping.order_message(change.order).SerializeToString() if submission.idempotency_key else b"",
        remember_until=now + desk.remember,
    )


def _hold_request(newcomer: Newcomer, facts: Facts) -> HoldRequest:
    order = newcomer.order
    return HoldRequest(
        hold_id=order.hold_id,
        order_id=order.order_id,
        account_id=order.account_id,
        user_id=order.user_id,
        side=order.side,
        symbol=order.symbol,
        quantity=order.quantity,
        unit_price=unit_price(facts),
        idempotency_key=newcomer.idempotency_key,
        traceparent=order.traceparent,
    )


def _hold_refused(hold: HoldAnswer, order: Order) -> HubError:
    """The numbers are the caller's own, so they may be told."""
    needed, there = _amount(hold.required), _amount(hold.available)
    if hold.code == "insufficient_funds":
        return Refused(
            f"The order needs {needed} in cash, and {there} is available.", code=hold.code, field="quantity"
        )
    if hold.code == "insufficient_shares":
        return Refused(
            f"The order sells {needed} {order.symbol}, and {there} can be sold.",
            code=hold.code,
            field="quantity",
        )
    if hold.code == "hold_released":
        return Conflict("The order came too late and was given up.", code="order_abandoned")
    if hold.code == "hold_conflict":
        return Conflict("This order id is taken.", code="order_id_taken", field="order_id")
    return Refused("The account may not send this order now.", code=hold.code or "hold_refused")


def _amount(value: Decimal | None) -> str:
    return "nothing" if value is None else to_text(value)


def described(order: Order) -> str:
    """The order in words."""
    price = "at market" if order.limit_price is None else f"at {to_text(order.limit_price)} or better"
    verb = "buy" if order.side is Side.BUY else "sell"
    return f"{verb} {to_text(order.quantity)} {order.symbol} {price}"


def _told(order: Order) -> dict[str, str]:
    return {
        "order_id": str(order.order_id),
        "account_id": str(order.account_id),
        "symbol": order.symbol,
        "side": str(order.side),
        "type": str(order.type),
        "quantity": to_text(order.quantity),
    }
