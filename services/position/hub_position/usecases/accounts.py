"""Accounts come into being when they are first touched."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from hub_errors import NotFound
from hub_position.domain import ledger
from hub_position.domain.account import Balance
from hub_position.store import Books, Reads
from hub_postgres import Pool, transaction


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
        raise NotFound("There is no such account.", code="account_not_found")
    return balance
