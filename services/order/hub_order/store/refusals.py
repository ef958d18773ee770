"""What was refused: written in batches, one statement each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hub_order.audit import Refusal
from hub_postgres import Pool, acquire, array_parameters, column_arrays

# The trigger on the table gives each its number and its place in the chain.
INSERT_REFUSALS = f"""
    INSERT INTO refusals (order_id, account_id, request, code, field, sentence, actor, occurred_at, detail,
                          quote, hash, number, prev_hash)
    SELECT *, 0, ''
    FROM unnest({array_parameters("uuid uuid text text text text text timestamptz jsonb jsonb bytea")})
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class RefusalBook:
    pool: Pool

    async def add(self, refusals: Sequence[Refusal]) -> list[None]:
        """As a batch runs it. Everybody takes the locks in the order of the ids."""
        ordered = sorted(refusals, key=lambda refusal: refusal.order_id)
        async with acquire(self.pool) as connection:
            await connection.execute(INSERT_REFUSALS, *column_arrays(_values(refusal) for refusal in ordered))
        return [None] * len(refusals)


def _values(refusal: Refusal) -> tuple[object, ...]:
    return (
        *(refusal.order_id, refusal.account_id, refusal.request, refusal.code, refusal.field),
        *(refusal.sentence, refusal.actor, refusal.occurred_at, json.dumps(dict(refusal.detail))),
        *(None if refusal.quote is None else json.dumps(dict(refusal.quote)), refusal.content_hash),
    )
