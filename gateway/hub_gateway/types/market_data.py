"""What can be traded, and at what price."""

from __future__ import annotations

from typing import Annotated, Literal

from hub_gateway.types.common import Answer, Decimal, PageToken, Symbol, Time, described

AssetClass = Literal["UNSPECIFIED", "STOCK", "ETF", "BOND", "CRYPTO", "FUND"]


class Instrument(Answer, frozen=True):
    """Something that can be traded."""

    symbol: Symbol
    name: Annotated[str, described("The issuer's name.", "Apple Inc.")]
    asset_class: AssetClass
    exchange: Annotated[str, described("Market identifier code.", "XNAS")]
    currency: Annotated[str, described("ISO 4217.", "USD")]
    tick_size: Annotated[Decimal, described("Smallest step of a price.", "0.01")]
    lot_size: Annotated[Decimal, described("Smallest step of a quantity where it is not fractionable.", "1")]
    min_quantity: Annotated[Decimal, described("Smallest quantity of an order.", "0.00000001")]
    max_quantity: Annotated[Decimal, described("Largest quantity of an order.", "1000000")]
    fractionable: Annotated[bool, described("Whether quantities to 8 places are allowed.")]
    tradable: Annotated[bool, described("Whether orders are accepted at all.")]
    shortable: Annotated[bool, described("Whether it may be sold short.")]
    halted: Annotated[bool, described("Whether trading is halted at the moment.")]
    halt_reason: str | None
    calendar: Annotated[str, described("The trading calendar in force.", "XNYS")]
    settlement_calendar: Annotated[str | None, described("Says when trades settle.", "US")]
    sector: str | None
    description: str | None


class Instruments(Answer, frozen=True):
    """A page of the catalogue, in symbol order."""

    instruments: list[Instrument]
    next_page_token: PageToken | None


class Quote(Answer, frozen=True):
    """A price at which one can buy and one at which one can sell."""

    symbol: Symbol
    epoch: Annotated[int, described("Which feeder made it; grows.")]
    seq: Annotated[int, described("Counts up per symbol within an epoch.")]
    bid: Annotated[Decimal, described("The highest price somebody buys at.", "432.69")]
    bid_size: Decimal
    ask: Annotated[Decimal, described("The lowest price somebody sells at.", "432.71")]
    ask_size: Decimal
    last: Annotated[Decimal, described("The last traded price.", "432.7")]
    open: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    volume: Decimal
    market_time: Annotated[Time | None, described("When, by the market's own clock.")]
    received_at: Annotated[Time | None, described("When, by wall time: tells how old it is.")]


class Quotes(Answer, frozen=True):
    """The quotes of a batch."""

    quotes: list[Quote]
    unknown: Annotated[list[str], described("Symbols that no instrument has.")]
    unpriced: Annotated[list[str], described("Instruments that have not had a price yet.")]


class InstrumentDetails(Answer, frozen=True):
    """An instrument and what its daily history says; null where there is none."""

    instrument: Instrument
    high_52_weeks: Decimal | None
    low_52_weeks: Decimal | None
    average_volume: Annotated[Decimal | None, described("Mean of the last 30 trading days.", "1200000")]
    dividends_52_weeks: Annotated[Decimal | None, described("Cash per share.", "10.6")]
    previous_close: Annotated[Decimal | None, described("Of the last finished trading day.", "430.47")]
