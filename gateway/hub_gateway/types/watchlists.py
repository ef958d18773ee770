"""What a user keeps an eye on."""

from __future__ import annotations

from typing import Annotated

from hub_gateway.types.common import Answer, Decimal, Id, Symbol, Time, described


class WatchedSymbol(Answer, frozen=True):
    """A symbol of a watchlist, and what the market says of it. Where there is no quote, there is null."""

    symbol: Symbol
    name: str | None
    asset_class: str | None
    price: Annotated[Decimal | None, described("The last price.", "441.75")]
    price_at: Time | None
    stale: Annotated[bool, described("The price is old or missing.")]
    change: Annotated[Decimal | None, described("Since the previous close.", "-1.25")]
    change_percent: Annotated[Decimal | None, described("Of the previous close.", "-0.28")]


class Watchlist(Answer, frozen=True):
    """A list of symbols, in its owner's order."""

    watchlist_id: Id
    name: Annotated[str, described("Unique among its owner's.", "Technology")]
    symbols: list[WatchedSymbol]
    version: Annotated[int, described("Counts every change of the list.", 3)]
    created_at: Time | None
    updated_at: Time | None


class Watchlists(Answer, frozen=True):
    """All of a user's, in the order they were made in."""

    watchlists: list[Watchlist]
