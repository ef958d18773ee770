"""What a portfolio was worth."""

from __future__ import annotations

from typing import Annotated, Literal

from hub_gateway.types.common import Answer, Day, Decimal, Symbol, Time, described

Period = Literal["1D", "1W", "1M", "3M", "1A", "ALL"]


class EquityPoint(Answer, frozen=True):
    """A valuation; what changed is since the start of the period."""

    at: Annotated[Time | None, described("By the market's clock.")]
    day: Annotated[Day, described("The session day it belongs to.")]
    equity: Annotated[Decimal, described("Cash and market value.", "100250.5")]
    cash: Decimal
    market_value: Annotated[Decimal, described("A position without a price counts at what it cost.")]
    net_flow: Annotated[
        Decimal, described("What came in less what went out: deposits, withdrawals, adjustments.", "0")
    ]
    profit_loss: Annotated[Decimal, described("The change of equity, less net_flow.", "250.5")]
    return_percent: Annotated[
        Decimal | None,
        described("Time-weighted: flows are no return. null where nothing was there to have one.", "0.25"),
    ]
    benchmark_percent: Annotated[
        Decimal | None,
        described("What the benchmark's price did since the first point; null where it has no bars.", "0.12"),
    ]


class EquityHistory(Answer, frozen=True):
    """Valuations over a period, oldest first. What came of the whole period is in the last one."""

    period: Annotated[Period, described("As it was asked for.", "1M")]
    benchmark: Annotated[Symbol | None, described("As it was asked for.", "SPY")]
    points: Annotated[
        list[EquityPoint],
        described("A valuation that changed nothing is left out: until the next, it stays as it was."),
    ]
