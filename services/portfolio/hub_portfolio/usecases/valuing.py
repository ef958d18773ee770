"""Cash and positions at current prices. A price that is missing or old is shown as that, never an error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from hub_errors import HubError
from hub_portfolio.clients import Books, Prices
from hub_portfolio.domain import valuation
from hub_portfolio.domain.mark import Mark
from hub_portfolio.domain.valuation import Cash, Holding, Summary, Valued


async def get_summary(token: str, *, books: Books, prices: Prices, now: datetime) -> Summary:
    cash, holdings = await _read(token, books)
    return valuation.summarise(cash, holdings, _marks(holdings, prices), now=now)


async def list_positions(token: str, *, include_closed: bool, books: Books, prices: Prices) -> list[Valued]:
    holdings = await books.holdings(token)
    shown = [holding for holding in holdings if include_closed or not holding.is_closed]
    return valuation.value(shown, _marks(shown, prices))


async def _read(token: str, books: Books) -> tuple[Cash, Sequence[Holding]]:
    try:
        async with asyncio.TaskGroup() as group:
            cash = group.create_task(books.cash(token))
            holdings = group.create_task(books.holdings(token))
    except* HubError as failed:
        error: BaseException = failed.exceptions[0]
    else:
        return cash.result(), holdings.result()
    raise error


def _marks(holdings: Sequence[Holding], prices: Prices) -> dict[str, Mark]:
    return {holding.symbol: prices.mark(holding.symbol) for holding in holdings}
