"""Watchlists: made, read, changed and deleted. What comes in is checked against the instruments known now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_errors import Conflict, Invalid, NotFound
from hub_portfolio.clients import Prices
from hub_portfolio.domain import watchlist as rules
from hub_portfolio.domain.mark import Mark
from hub_portfolio.domain.watchlist import Owner, Watchlist
from hub_portfolio.store import NameTakenError, Watchlists
from hub_runtime import uuid7
from hub_texts import read_name


@dataclass(frozen=True)
class Watched:
    """A watchlist, and what the market says of each of its symbols."""

    watchlist: Watchlist
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Desk:
    """What every one of these needs."""

    store: Watchlists
    prices: Prices


async def create(desk: Desk, owner: Owner, *, name: str, symbols: Sequence[str], now: datetime) -> Watched:
    new = Watchlist(
        watchlist_id=uuid7(),
        owner=owner,
        name=read_name(name),
        symbols=rules.read_symbols(symbols),
        created_at=now,
        updated_at=now,
    )
    rules.check_known(new.symbols, desk.prices.unknown, field="symbols")
    try:
        await desk.store.add(new, rules.admit)
    except NameTakenError:
        raise _name_taken() from None
    return _watched(desk, new)


async def list_all(desk: Desk, owner: Owner) -> list[Watched]:
    return [_watched(desk, each) for each in await desk.store.of_user(owner.user_id)]


async def get(desk: Desk, owner: Owner, watchlist_id: UUID) -> Watched:
    return _watched(desk, _there(await desk.store.one(owner.user_id, watchlist_id)))


async def update(
    desk: Desk,
    owner: Owner,
    watchlist_id: UUID,
    *,
    name: str | None,
    symbols: Sequence[str] | None,
    version: int,
    now: datetime,
) -> Watched:
    """What is None stays. A symbol that is in the list already may stay there, whatever became of it."""
    if name is None and symbols is None:
        raise Invalid("Nothing is said to change.", code="nothing_to_change")
    new_name = None if name is None else read_name(name)
    new_symbols = None if symbols is None else rules.read_symbols(symbols)

    def decide(found: Watchlist) -> Watchlist:
        rules.check_version(found, version)
        added = [symbol for symbol in new_symbols or () if symbol not in found.symbols]
        rules.check_known(added, desk.prices.unknown, field="symbols")
        return rules.changed(found, name=new_name, symbols=new_symbols, now=now)

    return await _change(desk, owner, watchlist_id, decide)


async def add_symbol(desk: Desk, owner: Owner, watchlist_id: UUID, *, symbol: str, now: datetime) -> Watched:
    symbol = rules.read_symbol(symbol)

    def decide(found: Watchlist) -> Watchlist:
        if symbol not in found.symbols:
            rules.check_known([symbol], desk.prices.unknown, field="symbol")
        return rules.with_symbol(found, symbol, now=now)

    return await _change(desk, owner, watchlist_id, decide)


async def remove_symbol(
    desk: Desk, owner: Owner, watchlist_id: UUID, *, symbol: str, now: datetime
) -> Watched:
    return await _change(
        desk, owner, watchlist_id, lambda found: rules.without_symbol(found, symbol, now=now)
    )


async def delete(desk: Desk, owner: Owner, watchlist_id: UUID) -> None:
    if not await desk.store.delete(owner.user_id, watchlist_id):
        raise _not_found()


async def _change(
    desk: Desk, owner: Owner, watchlist_id: UUID, decide: Callable[[Watchlist], Watchlist]
) -> Watched:
    try:
        return _watched(desk, _there(await desk.store.change(owner.user_id, watchlist_id, decide)))
    except NameTakenError:
        raise _name_taken() from None


def _watched(desk: Desk, watchlist: Watchlist) -> Watched:
    return Watched(watchlist, [desk.prices.mark(symbol) for symbol in watchlist.symbols])


def _there(found: Watchlist | None) -> Watchlist:
    if found is None:
        raise _not_found()
    return found


def _not_found() -> NotFound:
    return NotFound("There is no such watchlist.", code="watchlist_not_found")


def _name_taken() -> Conflict:
    return Conflict("There is a watchlist of this name.", code="watchlist_name_taken", field="name")
