"""Cash and positions at current prices. A price that is missing or old is shown as that, never an error."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub_portfolio.clients import Accounts, Asker, Prices
from hub_portfolio.domain import valuation
from hub_portfolio.domain.mark import Mark
from hub_portfolio.domain.valuation import Holding, Summary, Valued


async def get_summary(asker: Asker, *, accounts: Accounts, prices: Prices, now: datetime) -> Summary:
    books = await accounts.own_books(asker)
    return valuation.summarise(books, _marks(books.holdings, prices), now=now)


async def list_positions(
    asker: Asker, *, include_closed: bool, accounts: Accounts, prices: Prices
) -> list[Valued]:
    books = await accounts.own_books(asker)
    shown = [holding for holding in books.holdings if include_closed or not holding.is_closed]
    return valuation.value(shown, _marks(shown, prices))


def _marks(holdings: Sequence[Holding], prices: Prices) -> dict[str, Mark]:
    return {holding.symbol: prices.mark(holding.symbol) for holding in holdings}
