"""What a repeated submission is answered: the first answer, or why the key, id or name is not free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub.order.v1 import order_pb2
from hub_errors import Conflict
from hub_order import mapping
from hub_order.domain import Order, Reason, as_accepted
from hub_order.store import Acceptance, FirstAnswer


@dataclass(frozen=True, slots=True)
class Answer:
    """An accepted order, as it was answered first."""

    order: order_pb2.Order
    repeated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a submission wants to be the first with."""

    order_id: UUID
    account_id: UUID
    idempotency_key: str
    client_order_id: str
    body_hash: bytes


Found = Answer | Conflict | None


async def earlier(claims: Sequence[Claim], *, acceptance: Acceptance, now: datetime) -> list[Found]:
    """For each claim what stands in its way; None where nothing does."""
    keys = [(claim.account_id, claim.idempotency_key) for claim in claims if claim.idempotency_key]
    names = [(claim.account_id, claim.client_order_id) for claim in claims if claim.client_order_id]
    # Keys are read last: a name that was seen as taken must not hide the key of the same transaction.
    taken = await acceptance.taken_names(names) if names else set()
    orders = await acceptance.orders([claim.order_id for claim in claims])
    terms = await acceptance.terms(list(orders)) if orders else {}
    answers = await acceptance.first_answers(keys, now=now) if keys else {}

    def found(claim: Claim) -> Found:
        first = answers.get((claim.account_id, claim.idempotency_key))
        if first is not None:
            return _by_key(claim, first)
        order = orders.get(claim.order_id)
        if order is not None:
            return _by_id(claim, order, terms[order.order_id])
        return _name_taken() if (claim.account_id, claim.client_order_id) in taken else None

    return [found(claim) for claim in claims]


def _by_key(claim: Claim, first: FirstAnswer) -> Answer | Conflict:
    if first.body_hash != claim.body_hash:
        return Conflict(
            "This idempotency key was used for another order.",
            code="idempotency_key_reused",
            field="idempotency_key",
        )
    return Answer(order_pb2.Order.FromString(first.answer), repeated=True)


def _by_id(claim: Claim, order: Order, terms: Mapping[str, str]) -> Answer | Conflict:
    if order.account_id != claim.account_id:
        return Conflict("This order id is taken.", code="order_id_taken", field="order_id")
    if order.reason == Reason.ABANDONED:
        return Conflict("The order came too late and was given up.", code="order_abandoned")
    if order.body_hash != claim.body_hash:
        return Conflict("This order id is taken.", code="order_id_taken", field="order_id")
    message = mapping.order_message(as_accepted(order, terms))
    message.replace_requested = "whole_quantity" in terms
    return Answer(message, repeated=True)


def _name_taken() -> Conflict:
    return Conflict(
        "There is an order with this client_order_id.", code="client_order_id_taken", field="client_order_id"
    )
