"""Values the accounts that are followed, in batches: each once in a step of the market's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from hub_portfolio.clients import BooksOfMany, Market, Prices
from hub_portfolio.domain import history
from hub_portfolio.domain.history import OpenBooks, Valuation
from hub_portfolio.domain.mark import Mark
from hub_portfolio.store import Histories
from hub_runtime import Clock

ACCOUNTS_AT_ONCE: Final = 200
FORGOTTEN_AT_ONCE: Final = 5_000


@dataclass(frozen=True)
class Valuer:
    """What valuing needs. `every` is the length of a step, `kept` how long points within days are."""

    store: Histories
    books: BooksOfMany
    prices: Prices
    market: Market
    clock: Clock
    every: timedelta
    kept: timedelta


def running_step(valuer: Valuer) -> datetime:
    """The step of the market's clock that is running. Raises Unavailable before anything was heard of it."""
    return history.step_of(valuer.market.time(), valuer.every)


async def value_all(valuer: Valuer, step: datetime) -> int:
    """Those who were not valued in this step, and hold something or have changed. Whoever is left out by a
    failure is still there in the next try."""
    await valuer.store.note_days(valuer.market.session_days())
    day, count = await valuer.store.day_of(step), 0
    while done := await _value_some(valuer, step, day):
        count += done
    return count


async def forget_old(valuer: Valuer, step: datetime) -> None:
    while await valuer.store.forget((step - valuer.kept).date(), FORGOTTEN_AT_ONCE) == FORGOTTEN_AT_ONCE:
        pass


async def _value_some(valuer: Valuer, step: datetime, day: date) -> int:
    due = await valuer.store.due(step, ACCOUNTS_AT_ONCE)
    if not due:
        return 0
    found = await valuer.books.of_accounts([each.account_id for each in due])
    marks = marks_of(found, valuer.prices)
    now = valuer.clock()
    valuations = [
        Valuation(
            followed=each,
            point=history.valued(books, marks, before=each.last, at=step, day=day),
            version=books.version,
            holds=bool(books.positions),
            opened_on=history.opened_on(books.opened_at, at=step, now=now),
        )
        for each in due
        if (books := found.get(each.account_id)) is not None
    ]
    missing = [each.account_id for each in due if each.account_id not in found]
    await valuer.store.write(valuations, missing=missing, at=step)
    return len(due)


def marks_of(found: Mapping[UUID, OpenBooks], prices: Prices) -> dict[str, Mark]:
    """Each symbol once, whoever has it: so all accounts are valued at the same prices."""
    symbols = {owned.symbol for books in found.values() for owned in books.positions}
    return {symbol: prices.mark(symbol) for symbol in symbols}
