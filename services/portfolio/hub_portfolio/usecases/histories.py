"""What an account was worth over a period, beside a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hub_errors import HubError, NotFound
from hub_portfolio.clients import Accounts, Bars, BooksOfMany, Market, Prices
from hub_portfolio.domain import history
from hub_portfolio.domain.benchmark import compare, first_needed
from hub_portfolio.domain.history import Period, Recorded, Told
from hub_portfolio.store import Histories
from hub_portfolio.usecases.valuations import marks_of
from hub_runtime import Clock, get_logger

log = get_logger("history")


@dataclass(frozen=True)
class Archive:
    """What every history needs."""

    store: Histories
    accounts: Accounts
    books: BooksOfMany
    prices: Prices
    market: Market
    bars: Bars
    clock: Clock


@dataclass(frozen=True)
class History:
    """`benchmark` has the change of its price for each of the points, in per cent."""

    told: Sequence[Told]
    benchmark: Sequence[Decimal | None]


async def get_history(
    archive: Archive, account_id: UUID, token: str, *, period: Period, benchmark: str
) -> History:
    """Of an account that was never valued: what it is worth now. It is followed from then on."""
    now = archive.market.time()
    found = await _recorded(archive, account_id, period, now)
    if found is None:
        found = await _first(archive, account_id, token, period, now)
    told = history.history(found)
    return History(told, await _beside(archive, told, period, benchmark))


async def _recorded(archive: Archive, account_id: UUID, period: Period, now: datetime) -> Recorded | None:
    if period is Period.DAY:
        return await archive.store.within_day(account_id, now)
    return await archive.store.closes(account_id, period.start(now.date()))


async def _first(archive: Archive, account_id: UUID, token: str, period: Period, now: datetime) -> Recorded:
    """The account is opened on first touch; whose it is, the token says."""
    await archive.accounts.books(token)
    found = await archive.books.of_accounts([account_id])
    if account_id not in found:
        raise NotFound("There is no such account.", code="account_not_found")
    books = found[account_id]
    await archive.store.hear({account_id: books.version}, ())
    marks, day = marks_of(found, archive.prices), now.date()
    point = history.valued(books, marks, before=None, at=now, day=day)
    opened = history.opened_on(books.opened_at, at=now, now=archive.clock())
    start = day - timedelta(days=1) if period is Period.DAY else period.start(day)
    return Recorded(opened, start, before=None, points=[point])


async def _beside(
    archive: Archive, told: Sequence[Told], period: Period, benchmark: str
) -> Sequence[Decimal | None]:
    """Nothing where there are no bars, also where the instrument is not known or nobody can be asked: the
    account's own history is the answer."""
    if not benchmark:
        return [None] * len(told)
    points, within_day = [each.point for each in told], period is Period.DAY
    try:
        bars = await archive.bars.since(
            benchmark, first_needed(points[0], within_day=within_day), within_day=within_day
        )
    except NotFound:
        bars = []
    except HubError as error:
        log.warning("benchmark_unknown", symbol=benchmark, code=error.code)
        bars = []
    return compare(points, bars, within_day=within_day)
