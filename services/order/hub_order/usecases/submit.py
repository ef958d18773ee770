"""Takes one order in: rules, a hold, the accepting transaction. What it waits for, it shares with others."""

from __future__ import annotations

from hub_errors import Conflict
from hub_identity import Principal
from hub_order import mapping
from hub_order.domain import OrderType, Side, TimeInForce, hold_id_of
from hub_order.mapping import Close, Submission
from hub_order.risk import Draft, Facts, refusal, refused_part
from hub_order.usecases.answers import Answer
from hub_order.usecases.desk import (
    Desk,
    Patience,
    Wanted,
    answer_of_the_first,
    first_answer_or,
    give_back,
    hold_request,
    new_order,
    newcomer,
    refused_hold,
    tell_accepted,
)
from hub_runtime import crash_point

# A name is taken for ever, a key by another order: none will come of the hold. An order id may be our own.
TAKEN = frozenset({"client_order_id_taken", "idempotency_key_reused"})


async def submit(submission: Submission, principal: Principal, *, desk: Desk) -> Answer:
    """The order once it is durable, or the first answer to its key. Raises what it is refused for."""
    patience = Patience.of(submission.deadline, desk.clock)
    wanted = Wanted(
        order_id=submission.order_id,
        hold_id=hold_id_of(submission.order_id),
        client_order_id=submission.client_order_id,
        idempotency_key=submission.idempotency_key,
        body_hash=submission.body_hash,
    )
    facts = await desk.facts(submission.draft, mapping.id_of(principal.account_id))
    return await _take(wanted, principal, facts, patience, desk)


async def close_position(close: Close, principal: Principal, *, desk: Desk) -> Answer:
    """Sells at the market what can be sold, or a part of it. How much that is, the hold says."""
    patience = Patience.of(None, desk.clock)
    wanted = Wanted(
        order_id=close.order_id,
        hold_id=hold_id_of(close.order_id),
        client_order_id="",
        idempotency_key=close.idempotency_key,
        body_hash=close.body_hash,
    )
    draft = Draft(
        symbol=close.symbol,
        side=Side.SELL,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        quantity=close.quantity,
        closing=True,
    )
    facts = await desk.facts(draft, mapping.id_of(principal.account_id))
    return await _take(wanted, principal, facts, patience, desk, close)


async def _take(  # noqa: PLR0917 - who asks for what, by when
    wanted: Wanted,
    principal: Principal,
    facts: Facts,
    patience: Patience,
    desk: Desk,
    close: Close | None = None,
) -> Answer:
    claim = wanted.claim(mapping.id_of(principal.account_id))
    no = refusal(facts)
    if no is not None:
        return await first_answer_or(no, claim, patience, desk)
    percentage = None if close is None else close.percentage
    asked = hold_request(wanted, principal, facts, percentage=percentage)
    hold = await desk.holds.submit(asked, patience.left_s())
    crash_point("order.submit.after_hold")
    if not hold.granted:
        no = refused_hold(hold, facts)
        if hold.code == "insufficient_shares" and percentage is not None:
            no = refused_part(facts.draft.symbol, percentage, hold.available, hold.required)
        return await first_answer_or(no, claim, patience, desk)
    if hold.standing_hold_id != wanted.hold_id:
        return await answer_of_the_first(claim, patience, desk)
    order = new_order(wanted, principal, facts, hold, desk=desk)
    accepting = newcomer(order, facts, idempotency_key=wanted.idempotency_key, desk=desk)
    try:
        answer = await desk.accepts.submit(accepting, patience.left_s())
    except Conflict as taken:
        if taken.code in TAKEN:
            await give_back(wanted.hold_id, desk)
        raise
    if not answer.repeated:
        tell_accepted(accepting.order)
    return answer
