"""Makes a batch of orders durable, one transaction for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub_errors import Unavailable
from hub_order.store import Acceptance, Newcomer
from hub_order.usecases.answers import Answer, Claim, earlier
from hub_runtime import Clock, counter

ACCEPTING_TRANSACTIONS = counter(
    "hub_order_accepting_transactions_total", "Transactions that made orders durable"
)

Outcome = Answer | Exception


@dataclass(frozen=True, slots=True)
class _Waiting:
    position: int
    newcomer: Newcomer

    @property
    def claim(self) -> Claim:
        return claim_of(self.newcomer)


def claim_of(newcomer: Newcomer) -> Claim:
    order = newcomer.order
    return Claim(
        order_id=order.order_id,
        account_id=order.account_id,
        idempotency_key=newcomer.idempotency_key,
        client_order_id=order.client_order_id,
        body_hash=order.body_hash,
    )


async def accept(newcomers: Sequence[Newcomer], *, acceptance: Acceptance, clock: Clock) -> list[Outcome]:
    """An outcome for each, in their order. Those that collide among themselves come one after the other."""
    outcomes: dict[int, Outcome] = {}
    waiting = [_Waiting(position, newcomer) for position, newcomer in enumerate(newcomers)]
    while waiting:
        batch, waiting = _distinct(waiting)
        ACCEPTING_TRANSACTIONS.inc()
        durable = await acceptance.accept([item.newcomer for item in batch])
        lost = [item for item in batch if item.newcomer.order.order_id not in durable]
        for item in batch:
            if item.newcomer.order.order_id in durable:
                outcomes[item.position] = Answer(item.newcomer.message, repeated=False)
        late = [*lost, *waiting]
        if not late:
            continue
        found = await earlier([item.claim for item in late], acceptance=acceptance, now=clock())
        outcomes |= {item.position: answer for item, answer in zip(late, found, strict=True) if answer}
        for item in lost:
            outcomes.setdefault(item.position, _collided())
        waiting = [item for item in waiting if item.position not in outcomes]
    return [outcomes[position] for position in range(len(newcomers))]


def _distinct(items: Sequence[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """Those that share no id, key or name with one before them, and the others."""
    seen: set[tuple[object, ...]] = set()
    batch, rest = [], []
    for item in items:
        claim = item.claim
        marks: set[tuple[object, ...]] = {("id", claim.order_id)}
        if claim.idempotency_key:
            marks.add(("key", claim.account_id, claim.idempotency_key))
        if claim.client_order_id:
            marks.add(("name", claim.account_id, claim.client_order_id))
        if marks & seen:
            rest.append(item)
        else:
            batch.append(item)
        seen |= marks
    return batch, rest


def _collided() -> Unavailable:
    """It lost against something that is gone already: whoever asks again wins."""
    return Unavailable("The order met another one; ask again.", code="order_collided")
