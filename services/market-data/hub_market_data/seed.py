"""The instruments of a new database."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hub_market_data.domain.instruments import AssetClass, Instrument


def stock(symbol: str, name: str, exchange: str, sector: str = "", description: str = "") -> Instrument:
    return Instrument(
        symbol=symbol,
        name=name,
        asset_class=AssetClass.STOCK,
        exchange=exchange,
        currency="USD",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        min_quantity=Decimal("0.00000001"),
        max_quantity=Decimal(1_000_000),
        fractionable=True,
        tradable=True,
        shortable=False,
        halted=False,
        calendar="XNYS",
        settlement_calendar="US",
        sector=sector,
        description=description,
    )


INSTRUMENTS: Final = (
    stock(
        "AAPL",
        "Apple Inc.",
        "XNAS",
        "Information Technology",
        "Makes computers, telephones and music players, their software, and the stores that sell for them.",
    ),
    stock(
        "FB",
        "Facebook, Inc.",
        "XNAS",
        "Communication Services",
        "Runs a social network that lives on advertising.",
    ),
    stock(
        "GOOG",
        "Google Inc.",
        "XNAS",
        "Communication Services",
        "Runs a search engine and other services on the web that live on advertising.",
    ),
    stock(
        "IBM",
        "International Business Machines Corporation",
        "XNYS",
        "Information Technology",
        "Sells computers, software and services to companies.",
    ),
    stock(
        "MSFT",
        "Microsoft Corporation",
        "XNAS",
        "Information Technology",
        "Makes operating systems, office and server software, and games consoles.",
    ),
)
