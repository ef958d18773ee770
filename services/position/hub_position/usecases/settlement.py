"""Trades whose settlement day has come: what they brought or cost becomes settled cash, once."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from hub_position import mapping
from hub_position.domain.batch import Batch
from hub_position.store import Books, Cash
from hub_position.usecases.writing import write
from hub_postgres import Pool, transaction
from hub_runtime import crash_point, uuid7

TRADES_AT_ONCE: Final = 200


async def settle_trades(until: date, *, pool: Pool, now: datetime) -> int:
    """Settles the oldest trades that are due, and says so to the order service; answers how many were looked
    at: as long as there are some, there may be more."""
    async with transaction(pool) as connection:
        cash, books = Cash(connection), Books(connection)
        due = await cash.due(until, TRADES_AT_ONCE)
        if not due:
            return 0
        accounts = await books.lock_accounts(set(due.values()))
        settled = await cash.settle(due, now)
        batch = Batch(accounts=accounts, positions={}, holds={}, new_id=uuid7, now=now)
        for each in settled:
            batch.settle(each)
        await write(batch, books=books, causes={})
        await books.tell([mapping.settled_trade(each, now) for each in settled])
        crash_point("position.settle.before_commit")
    crash_point("position.settle.after_commit")
    return len(due)
