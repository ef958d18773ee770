"""Accounts whose holding stays negative may only sell until an administrator has looked at them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hub_position.domain.account import OVERSOLD
from hub_position.domain.batch import Batch
from hub_position.store import Books, Overselling
from hub_position.usecases.booking import RESTRICTED
from hub_position.usecases.writing import write
from hub_postgres import Pool, transaction
from hub_runtime import uuid7

ACCOUNTS_AT_ONCE: Final = 100


async def restrict_oversold(before: datetime, *, pool: Pool, now: datetime) -> int:
    """Those with a holding that has been negative since `before` or longer; answers how many were looked at:
    as long as there are some, there may be more. However many processes look, each is restricted once."""
    async with transaction(pool) as connection:
        overselling, books = Overselling(connection), Books(connection)
        due = await overselling.due(before, ACCOUNTS_AT_ONCE)
        if not due:
            return 0
        accounts = await books.lock_accounts(due)
        batch = Batch(accounts=accounts, positions={}, holds={}, new_id=uuid7, now=now)
        # After the lock: a purchase that came meanwhile, or another process, has been here first.
        for account_id in sorted(await overselling.still(before, due)):
            batch.restrict(account_id, OVERSOLD)
        await write(batch, books=books, causes={})
    RESTRICTED.inc(len(batch.states))
    return len(due)
