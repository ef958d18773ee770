"""Setting cash and shares aside, and giving back what no order will ever use."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from uuid import UUID

from hub_errors import Unavailable
from hub_position.domain.account import Account
from hub_position.domain.batch import Batch
from hub_position.domain.hold import HoldAnswer, HoldRequest, Placing
from hub_position.domain.trade import Side
from hub_position.store import Books
from hub_position.usecases.accounts import open_accounts
from hub_position.usecases.writing import write
from hub_postgres import Pool, transaction
from hub_runtime import Clock, uuid7


async def place_holds(
    requests: Sequence[HoldRequest], *, pool: Pool, deposit: Decimal, now: datetime
) -> list[HoldAnswer]:
    """An answer per request, in order, decided on locked rows."""
    users = {request.account_id: request.user_id for request in requests}
    for _ in range(2):
        async with transaction(pool) as connection:
            books = Books(connection)
            accounts = await books.lock_accounts(users)
            missing = users.keys() - accounts.keys()
            if not missing:
                return await _place(requests, books=books, accounts=accounts, now=now)
        await open_accounts({account: users[account] for account in missing}, pool=pool, deposit=deposit)
    raise Unavailable("The account could not be opened.", code="account_not_opened")


async def place_holds_of_calls(
    calls: Sequence[Sequence[HoldRequest]], *, pool: Pool, deposit: Decimal, clock: Clock
) -> list[list[HoldAnswer]]:
    """Calls that came at the same time share a transaction."""
    requests = [request for call in calls for request in call]
    answers = iter(await place_holds(requests, pool=pool, deposit=deposit, now=clock()))
    return [list(islice(answers, len(call))) for call in calls]


async def _place(
    requests: Sequence[HoldRequest], *, books: Books, accounts: dict[UUID, Account], now: datetime
) -> list[HoldAnswer]:
    positions = await books.lock_positions(
        {(r.account_id, r.symbol) for r in requests if r.side is Side.SELL}
    )
    existing = await books.holds({r.hold_id for r in requests})
    existing += await books.holds_by_key(
        {(r.account_id, r.idempotency_key) for r in requests if r.idempotency_key}
    )
    placing = Placing(accounts=accounts, positions=positions, existing=existing, now=now)
    answers = [placing.decide(request) for request in requests]
    if placing.outlived:
        await books.give_up_keys(placing.outlived)
    if not placing.placed:
        return answers
    # `held` grows by the rows that were really inserted, nothing else.
    inserted = await books.insert_holds(placing.placed)
    cash: dict[UUID, Decimal] = {}
    shares: dict[UUID, Decimal] = {}
    for request in placing.placed:
        if request.hold_id not in inserted:
            continue
        if request.side is Side.BUY:
            cash[request.account_id] = cash.get(request.account_id, Decimal(0)) + request.amount
        else:
            position = positions[(request.account_id, request.symbol)]
            shares[position.position_id] = shares.get(position.position_id, Decimal(0)) + request.amount
    await books.hold_cash(cash)
    await books.hold_shares(shares)
    lost = {request.hold_id for request in placing.placed} - inserted
    return [_lost(answer) if answer.standing_hold_id in lost else answer for answer in answers]


def _lost(answer: HoldAnswer) -> HoldAnswer:
    """Its id was taken by another account's hold at the same moment."""
    return replace(answer, granted=False, standing_hold_id=None, code="hold_conflict")


async def settle_holds(
    *, confirmed: Collection[UUID], released: Collection[UUID], pool: Pool, now: datetime
) -> tuple[int, int]:
    """Marks holds whose order exists, frees those whose order never will; answers how many of each."""
    async with transaction(pool) as connection:
        books = Books(connection)
        found = await books.holds({*confirmed, *released})
        accounts = await books.lock_accounts({hold.account_id for hold in found})
        positions = await books.lock_positions(
            {(hold.account_id, hold.symbol) for hold in found if hold.side is Side.SELL}
        )
        marked = await books.confirm_holds(confirmed)
        holds = {hold.hold_id: hold for hold in await books.holds(released)}
        batch = Batch(
            accounts=accounts, positions=positions, holds=holds, histories={}, new_id=uuid7, now=now
        )
        for hold in holds.values():
            batch.release(hold)
        await write(batch, books=books, causes={})
    return marked, len(batch.changed_holds)
