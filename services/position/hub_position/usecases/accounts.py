"""Accounts come into being when they are first touched; administrators say what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hub_errors import NotFound
from hub_position.domain import ledger
from hub_position.domain.account import AccountState, AccountStatus, Balance, TradingState
from hub_position.domain.batch import Batch
from hub_position.store import Books, Reads
from hub_position.usecases.writing import write
from hub_postgres import Pool, transaction
from hub_runtime import uuid7


async def open_accounts(users: Mapping[UUID, UUID], *, pool: Pool, deposit: Decimal) -> None:
    """Opens those accounts (account -> user) that do not exist, each with its paper deposit in the ledger.

    A transaction of its own that locks nothing else: opening under other accounts' locks could deadlock.
    """
    async with transaction(pool) as connection:
        books = Books(connection)
        opened = await books.open_accounts(users, deposit)
        await books.post([line for account_id in opened for line in ledger.deposit(account_id, deposit)])


async def get_balance(account_id: UUID, user_id: UUID, *, pool: Pool, deposit: Decimal) -> Balance:
    reads = Reads(pool)
    balance = await reads.balance(account_id)
    if balance is None:
        await open_accounts({account_id: user_id}, pool=pool, deposit=deposit)
        balance = await reads.balance(account_id)
    if balance is None or balance.account.user_id != user_id:
        raise _not_found()
    return balance


async def get_account(account_id: UUID, *, pool: Pool) -> AccountState:
    found = await Reads(pool).account_state(account_id)
    if found is None:
        raise _not_found()
    return found


async def set_account_state(
    account_id: UUID,
    *,
    status: AccountStatus | None,
    trading_state: TradingState | None,
    reason: str,
    actor: str,
    pool: Pool,
    now: datetime,
) -> AccountState:
    """What is None stays. The same once more changes and records nothing."""
    async with transaction(pool) as connection:
        books = Books(connection)
        found = await books.lock_state(account_id)
        if found is None:
            raise _not_found()
        before = found.account
        wanted = replace(
            before, status=status or before.status, trading_state=trading_state or before.trading_state
        )
        if (wanted, reason, actor) == (before, found.reason, found.actor):
            return found
        batch = Batch(accounts={account_id: before}, positions={}, holds={}, new_id=uuid7, now=now)
        batch.set_state(wanted, reason=reason, actor=actor)
        await write(batch, books=books, causes={})
    return AccountState(batch.accounts[account_id], reason, actor, now)


def _not_found() -> NotFound:
    return NotFound("There is no such account.", code="account_not_found")
