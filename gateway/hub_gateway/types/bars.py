"""Prices of the past, and what companies did to their shares."""

from __future__ import annotations

from typing import Annotated, Literal

from hub_gateway.types.common import Answer, Day, Decimal, PageToken, Symbol, Time, described

Timeframe = Literal["1Min", "5Min", "15Min", "30Min", "1Hour", "1Day", "1Week", "1Month"]
Adjustment = Literal["raw", "split", "dividend", "all"]


class Bar(Answer, frozen=True):
    """Open, high, low and close of a stretch of time."""

    starts_at: Annotated[Time | None, described("In market time; a day and longer: midnight UTC.")]
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Annotated[Decimal, described("Quantity traded.", "1200")]


class Bars(Answer, frozen=True):
    """A page of bars, oldest first. The very last one may still be growing."""

    symbol: Symbol
    timeframe: Timeframe
    adjustment: Adjustment
    bars: list[Bar]
    next_page_token: PageToken | None


ActionStatus = Literal["HISTORY", "ANNOUNCED", "EFFECTIVE", "APPLIED"]


class CorporateAction(Answer, frozen=True):
    """A split or a dividend."""

    symbol: Symbol
    type: Literal["SPLIT", "DIVIDEND"]
    ex_date: Annotated[Day, described("The first day without it.", "2026-08-09")]
    ratio: Annotated[Decimal | None, described("New shares for each old one.", "2")]
    amount: Annotated[Decimal | None, described("Cash per share.", "2.65")]
    currency: str | None
    status: Annotated[
        ActionStatus,
        described(
            "ANNOUNCED: its day is still to come. EFFECTIVE: it is being applied to positions. APPLIED: it "
            "was. HISTORY: it was before anybody held anything here; only prices know of it.",
            "ANNOUNCED",
        ),
    ]


class CorporateActions(Answer, frozen=True):
    """A page of corporate actions, oldest first."""

    actions: list[CorporateAction]
    next_page_token: PageToken | None
