"""Watchlists: how they are named, and what may be in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from hub_errors import Conflict, Invalid, NotFound, Refused
from hub_texts import Name

MOST_WATCHLISTS: Final = 50
MOST_SYMBOLS: Final = 20
_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,15}")

Unknown = Callable[[Iterable[str]], list[str]]
"""Answers which of some symbols no instrument has."""


@dataclass(frozen=True)
class Owner:
    user_id: UUID
    account_id: UUID


@dataclass(frozen=True)
class Watchlist:
    watchlist_id: UUID
    owner: Owner
    name: Name
    symbols: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    version: int = 1


def read_symbol(text: str, *, field: str = "symbol") -> str:
    if not _SYMBOL.fullmatch(text):
        raise Invalid(f"{field} must be a symbol such as AAPL.", code="invalid_symbol", field=field)
    return text


def read_symbols(texts: Sequence[str]) -> tuple[str, ...]:
    """Each once, at its first place."""
    symbols = tuple(dict.fromkeys(read_symbol(text, field="symbols") for text in texts))
    if len(symbols) > MOST_SYMBOLS:
        raise _full("symbols")
    return symbols


def admit(count: int) -> None:
    """Whether a user who has so many may have one more."""
    if count >= MOST_WATCHLISTS:
        sentence = f"There are {MOST_WATCHLISTS} watchlists, which is as many as there may be."
        raise Refused(sentence, code="too_many_watchlists")


def check_version(found: Watchlist, wanted: int) -> None:
    if wanted and wanted != found.version:
        sentence = f"The watchlist has changed: it is at version {found.version}."
        raise Conflict(sentence, code="watchlist_changed", field="version")


def check_known(symbols: Iterable[str], unknown: Unknown, *, field: str) -> None:
    strangers = unknown(symbols)
    if strangers:
        sentence = f"There are no such instruments: {', '.join(strangers)}."
        raise Refused(sentence, code="unknown_symbol", field=field)


def changed(
    found: Watchlist, *, name: Name | None, symbols: tuple[str, ...] | None, now: datetime
) -> Watchlist:
    return _after(
        found,
        replace(found, name=name or found.name, symbols=found.symbols if symbols is None else symbols),
        now,
    )


def with_symbol(found: Watchlist, symbol: str, *, now: datetime) -> Watchlist:
    if symbol in found.symbols:
        return found
    if len(found.symbols) >= MOST_SYMBOLS:
        raise _full("symbol")
    return _after(found, replace(found, symbols=(*found.symbols, symbol)), now)


def without_symbol(found: Watchlist, symbol: str, *, now: datetime) -> Watchlist:
    if symbol not in found.symbols:
        raise NotFound("The watchlist has no such symbol.", code="symbol_not_watched", field="symbol")
    rest = tuple(each for each in found.symbols if each != symbol)
    return _after(found, replace(found, symbols=rest), now)


def _after(before: Watchlist, after: Watchlist, now: datetime) -> Watchlist:
    """What changes nothing is no change."""
    return before if after == before else replace(after, version=before.version + 1, updated_at=now)


def _full(field: str) -> Refused:
    return Refused(f"A watchlist has at most {MOST_SYMBOLS} symbols.", code="watchlist_full", field=field)
