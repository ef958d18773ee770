"""Deposits, withdrawals and adjustments: each carried out once, on the account's locked row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub_errors import NotFound
from hub_position.domain.batch import Batch
from hub_position.domain.cash import Movement
from hub_position.store import Books, Cash
from hub_position.usecases.writing import write
from hub_postgres import Pool, transaction
from hub_runtime import crash_point, uuid7


@dataclass(frozen=True)
class Moved:
    """`replayed`: it is the first answer to the same request."""

    movement: Movement
    replayed: bool


async def move_cash(movement: Movement, *, pool: Pool, now: datetime) -> Moved:
    """Raises NotFound where there is no such account, Conflict where the key was used for something else,
    Refused where the account does not allow it."""
    async with transaction(pool) as connection:
        cash = Cash(connection)
        balance = await cash.lock_balance(movement.account_id)
        if balance is None:
            raise NotFound("There is no such account.", code="account_not_found")
        first = await cash.by_key(movement.account_id, movement.actor, movement.key) if movement.key else None
        if first is not None:
            movement.check_repeats(first)
            return Moved(first, replayed=True)
        refusal = movement.refusal(balance)
        if refusal is not None:
            raise refusal
        accounts = {movement.account_id: balance.account}
        batch = Batch(accounts=accounts, positions={}, holds={}, new_id=uuid7, now=now)
        batch.move(movement)
        await cash.insert(movement)
        await write(batch, books=Books(connection), causes={})
        crash_point("position.cash.before_commit")
    crash_point("position.cash.after_commit")
    return Moved(movement, replayed=False)
