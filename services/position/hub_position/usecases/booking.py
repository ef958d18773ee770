"""Booking what venues did and how orders ended: a batch over several accounts is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hub_errors import Unavailable
from hub_position.domain.account import Account
from hub_position.domain.batch import Batch, Ending, Entry
from hub_position.domain.trade import Trade
from hub_position.store import Books
from hub_position.usecases.accounts import open_accounts
from hub_position.usecases.writing import write
from hub_postgres import Pool, transaction
from hub_runtime import uuid7


@dataclass(frozen=True)
class Executed:
    trade: Trade
    user_id: UUID
    traceparent: str = ""


@dataclass(frozen=True)
class Ended:
    ending: Ending
    traceparent: str = ""


async def book(
    executed: Sequence[Executed], ended: Sequence[Ended], *, pool: Pool, deposit: Decimal, now: datetime
) -> list[Entry]:
    """Books every execution once, whatever the order and number of deliveries; answers what was new."""
    users = {item.trade.account_id: item.user_id for item in executed}
    wanted = users.keys() | {item.ending.account_id for item in ended}
    for _ in range(2):
        async with transaction(pool) as connection:
            books = Books(connection)
            accounts = await books.lock_accounts(wanted)
            missing = users.keys() - accounts.keys()
            if not missing:
                batch = await _book(executed, ended, books=books, accounts=accounts, now=now)
                await write(batch, books=books, causes=_causes(executed, ended))
                return batch.entries
        await open_accounts({account: users[account] for account in missing}, pool=pool, deposit=deposit)
    raise Unavailable("The account could not be opened.", code="account_not_opened")


async def _book(
    executed: Sequence[Executed],
    ended: Sequence[Ended],
    *,
    books: Books,
    accounts: dict[UUID, Account],
    now: datetime,
) -> Batch:
    trades = {item.trade.trade_id: item.trade for item in executed}
    endings = [item.ending for item in ended if item.ending.account_id in accounts]
    facts: list[Trade | Ending] = [*trades.values(), *endings]
    positions = await books.lock_positions({(fact.account_id, fact.symbol) for fact in facts})
    known = await books.known_trades(trades) if trades else set()
    new = sorted(
        (trade for trade in trades.values() if trade.trade_id not in known), key=lambda trade: trade.key
    )
    holds = await books.holds({fact.hold_id for fact in facts})
    late = {
        position.position_id
        for trade in new
        if (position := positions.get((trade.account_id, trade.symbol))) and position.is_late(trade)
    }
    batch = Batch(
        accounts=accounts,
        positions=positions,
        holds={hold.hold_id: hold for hold in holds},
        histories=await books.histories(late) if late else {},
        new_id=uuid7,
        now=now,
    )
    for trade in new:
        batch.book(trade)
    for ending in endings:
        batch.end(ending)
    return batch


def _causes(executed: Sequence[Executed], ended: Sequence[Ended]) -> dict[UUID, str]:
    """The trace that each changed thing goes on in: by trade, and by account."""
    causes = {item.ending.account_id: item.traceparent for item in ended}
    causes |= {item.trade.account_id: item.traceparent for item in executed}
    return causes | {item.trade.trade_id: item.traceparent for item in executed}
