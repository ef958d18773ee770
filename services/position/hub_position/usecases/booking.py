"""Booking what venues did and how orders ended: a batch over several accounts is one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hub_errors import Unavailable
from hub_position.domain.account import Account
from hub_position.domain.actions import folds_anew
from hub_position.domain.batch import Batch, Ending, Entry, Replacement
from hub_position.domain.hold import Drawn, Hold, Terms
from hub_position.domain.position import Position, PositionKey
from hub_position.domain.trade import Trade
from hub_position.store import Actions, Books
from hub_position.usecases.accounts import open_accounts
from hub_position.usecases.actions import read_histories
from hub_position.usecases.writing import write
from hub_postgres import Connection, Pool, transaction
from hub_runtime import counter, crash_point, uuid7

RESTRICTED = counter("hub_position_restricted_accounts_total", "Accounts restricted by what was executed")


@dataclass(frozen=True)
class Executed:
    trade: Trade
    user_id: UUID
    traceparent: str = ""


@dataclass(frozen=True)
class Ended:
    ending: Ending
    traceparent: str = ""


@dataclass(frozen=True)
class Replaced:
    replacement: Replacement
    user_id: UUID
    traceparent: str = ""


@dataclass(frozen=True)
class Facts:
    """What one transaction books."""

    executed: Sequence[Executed] = ()
    ended: Sequence[Ended] = ()
    replaced: Sequence[Replaced] = ()

    @property
    def users(self) -> dict[UUID, UUID]:
        """The accounts that they open, where they are the first to touch them, and their users."""
        users = {item.trade.account_id: item.user_id for item in self.executed}
        return users | {item.replacement.account_id: item.user_id for item in self.replaced}

    @property
    def causes(self) -> dict[UUID, str]:
        """The trace that each changed thing goes on in: by trade, and by account."""
        causes = {item.ending.account_id: item.traceparent for item in self.ended}
        causes |= {item.replacement.account_id: item.traceparent for item in self.replaced}
        causes |= {item.trade.account_id: item.traceparent for item in self.executed}
        return causes | {item.trade.trade_id: item.traceparent for item in self.executed}


async def book(facts: Facts, *, pool: Pool, deposit: Decimal, now: datetime) -> list[Entry]:
    """Books every execution once, whatever the order and number of deliveries; answers what was new."""
    users = facts.users
    wanted = users.keys() | {item.ending.account_id for item in facts.ended}
    for _ in range(2):
        async with transaction(pool) as connection:
            books = Books(connection)
            accounts = await books.lock_accounts(wanted, to_book=True)
            missing = users.keys() - accounts.keys()
            if not missing:
                batch = await _book(facts, connection, accounts=accounts, now=now)
                await write(batch, books=books, causes=facts.causes)
                crash_point("position.book.before_commit")
        if not missing:
            crash_point("position.book.after_commit")
            RESTRICTED.inc(len(batch.states))
            return batch.entries
        await open_accounts({account: users[account] for account in missing}, pool=pool, deposit=deposit)
    raise Unavailable("The account could not be opened.", code="account_not_opened")


async def _book(
    facts: Facts, connection: Connection, *, accounts: dict[UUID, Account], now: datetime
) -> Batch:
    books = Books(connection)
    trades = {item.trade.trade_id: item.trade for item in facts.executed}
    endings = [item.ending for item in facts.ended if item.ending.account_id in accounts]
    replacements = [item.replacement for item in facts.replaced]
    terms = _terms(endings, replacements)
    about: list[Trade | Terms] = [*trades.values(), *terms.values()]
    positions = await books.lock_positions({(each.account_id, each.symbol) for each in about})
    symbols = {trade.symbol for trade in trades.values()}
    known, actions = await books.known_facts(trades, symbols) if trades else (set(), {})
    new = sorted(
        (trade for trade in trades.values() if trade.trade_id not in known), key=lambda trade: trade.key
    )
    holds = {hold.hold_id: hold for hold in await books.holds({each.hold_id for each in about})}
    late = {
        position.position_id
        for trade in new
        if (position := positions.get((trade.account_id, trade.symbol)))
        and folds_anew(position, trade, actions.get(trade.symbol, ()))
    }
    batch = Batch(
        accounts=accounts,
        positions=positions,
        holds=holds,
        histories=await read_histories(late, actions, books=books, actions=Actions(connection)),
        new_id=uuid7,
        now=now,
    )
    await _make_missing(terms, holds, positions, books=books, batch=batch)
    for replacement in replacements:
        batch.swap(replacement)
    for trade in new:
        batch.book(trade)
    for ending in endings:
        batch.end(ending)
    return batch


def _terms(endings: Sequence[Ending], replacements: Sequence[Replacement]) -> dict[UUID, Terms]:
    """Every hold that is known to be needed; what a replacement says of its successor is the most exact."""
    terms = {ending.hold.hold_id: ending.hold for ending in endings}
    terms |= {each.ending.hold.hold_id: each.ending.hold for each in replacements}
    return terms | {each.successor.hold_id: each.successor for each in replacements}


async def _make_missing(
    terms: Mapping[UUID, Terms],
    holds: Mapping[UUID, Hold],
    positions: Mapping[PositionKey, Position],
    *,
    books: Books,
    batch: Batch,
) -> None:
    """An end or a swap may come before the hold it is about was ever written: then they make it, so that the
    order of events does not matter."""
    missing = {
        each.hold_id: each for each in terms.values() if each.hold_id not in holds and each.quantity > 0
    }
    if not missing:
        return
    keys = {(each.account_id, each.symbol) for each in missing.values()} & positions.keys()
    drawn = await books.drawn(missing, {positions[key].position_id for key in keys})
    for hold_id, each in missing.items():
        batch.make(each, drawn.get(hold_id, Drawn()))
