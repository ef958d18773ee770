"""What an account has, cash and positions together."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from hub_errors import NotFound
from hub_position.store.snapshot import AccountBooks, read_books
from hub_position.usecases.accounts import open_accounts
from hub_postgres import Pool


async def get_books(account_id: UUID, user_id: UUID, *, pool: Pool, deposit: Decimal) -> AccountBooks:
    """Opens the account on first touch; once more opens nothing."""
    books = await read_books(pool, account_id)
    if books is None:
        await open_accounts({account_id: user_id}, pool=pool, deposit=deposit)
        books = await read_books(pool, account_id)
    if books is None or books.balance.account.user_id != user_id:
        raise NotFound("There is no such account.", code="account_not_found")
    return books
