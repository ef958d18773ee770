"""Setting cash and shares aside, at other prices too, and giving back what no order will ever use."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from uuid import UUID

from hub_errors import Unavailable
from hub_position.domain.account import Account
from hub_position.domain.batch import Batch
from hub_position.domain.placing import HoldAnswer, HoldRequest, Placing
from hub_position.domain.repricing import Repricing
from hub_position.domain.trade import Side
from hub_position.store import Books
from hub_position.usecases.accounts import open_accounts
from hub_position.usecases.writing import write
from hub_postgres import Pool, transaction
from hub_runtime import Clock, crash_point, uuid7


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
                answers = await _place(requests, books=books, accounts=accounts, now=now)
                crash_point("position.holds.before_commit")
        if not missing:
            crash_point("position.holds.after_commit")
            return answers
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
    existing = await books.holds(
        {hold_id for r in requests for hold_id in (r.hold_id, r.replaced_hold_id) if hold_id is not None},
        {(r.account_id, r.idempotency_key) for r in requests if r.idempotency_key},
    )
    limited = {r.key for r in requests if r.most_position is not None and r.side is Side.BUY}
    placing = Placing(
        accounts=accounts,
        positions=positions,
        existing=existing,
        purchases=await books.purchases(limited) if limited else {},
        now=now,
    )
    answers = [placing.decide(request) for request in requests]
    if placing.outlived:
        await books.give_up_keys(placing.outlived)
    if not placing.placed:
        return answers
    placed = {new.request.hold_id for new in placing.placed}
    lost = placed - await books.place_holds(placing.placed)
    return [_lost(answer) if answer.standing_hold_id in lost else answer for answer in answers]


def _lost(answer: HoldAnswer) -> HoldAnswer:
    """Its id was taken by another account's hold at the same moment."""
    return HoldAnswer(answer.hold_id, granted=False, code="hold_conflict")


async def reprice_holds(prices: Sequence[tuple[UUID, Decimal]], *, pool: Pool) -> list[HoldAnswer]:
    """`prices` has hold and unit price; an answer per item, in order, decided on locked rows."""
    hold_ids = {hold_id for hold_id, _ in prices}
    async with transaction(pool) as connection:
        books = Books(connection)
        accounts = await books.lock_accounts_of_holds(hold_ids)
        repricing = Repricing(accounts=accounts, holds=await books.holds(hold_ids))
        answers = [repricing.decide(hold_id, unit_price) for hold_id, unit_price in prices]
        if repricing.repriced:
            await books.reprice_holds(list(repricing.repriced.values()), repricing.rises)
        crash_point("position.reprice.before_commit")
    crash_point("position.reprice.after_commit")
    return answers


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
        batch = Batch(accounts=accounts, positions=positions, holds=holds, new_id=uuid7, now=now)
        for hold in holds.values():
            batch.release(hold)
        await write(batch, books=books, causes={})
    return marked, len(batch.changed_holds)
