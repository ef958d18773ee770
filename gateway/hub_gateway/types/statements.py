"""Monthly statements."""

from __future__ import annotations

from typing import Annotated

from hub_gateway.types.activities import Activity
from hub_gateway.types.common import Answer, Day, Decimal, Id, PageToken, Symbol, Time, described

Month = Annotated[
    str,
    described("A calendar month in New York.", "2026-11", pattern=r"^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])$"),
]
ContentHash = Annotated[
    str | None, described("SHA-256 of what was issued, in hexadecimal; null until then, and of a draft.")
]


class StatementMonth(Answer, frozen=True):
    """A month that there is a statement of."""

    month: Month
    final: Annotated[bool, described("The month is over.")]
    issued_at: Annotated[Time | None, described("null until it is first asked for.")]
    content_hash: ContentHash


class StatementMonths(Answer, frozen=True):
    """A page, newest first."""

    statements: list[StatementMonth]
    next_page_token: PageToken | None


class StatementCash(Answer, frozen=True):
    """Cash as the month begins or ends."""

    settled: Decimal
    unsettled: Annotated[Decimal, described("Proceeds and payments still to settle, either sign.", "-500")]
    total: Decimal


class StatementPosition(Answer, frozen=True):
    """A position as the month begins or ends."""

    symbol: Symbol
    quantity: Decimal
    total_cost: Decimal
    price: Annotated[
        Decimal | None, described("The close of the month's last trading day, of a draft the last price.")
    ]
    price_day: Annotated[Day | None, described("The day of that close; null of a draft.")]
    market_value: Decimal | None


class StatementSums(Answer, frozen=True):
    """Over the month; cash that went out is negative."""

    deposits: Decimal
    withdrawals: Annotated[Decimal, described("Zero or negative.", "-50")]
    adjustments: Decimal
    trades: Annotated[Decimal, described("What executions brought and cost, fees included.", "-622")]
    dividends: Decimal
    other: Annotated[Decimal, described("What else moved cash.", "0")]
    net_change: Annotated[Decimal, described("All of these: closing cash less opening cash.", "99583")]
    fees: Decimal
    realised_pnl: Annotated[Decimal, described("Proceeds less the cost removed, before fees.", "40")]
    realised_net: Annotated[Decimal, described("realised_pnl less fees.", "38")]
    cost_change: Annotated[Decimal, described("Closing cost of positions less opening cost.", "660")]


class Statement(Answer, frozen=True):
    """A month, with a page of what happened in it."""

    month: Month
    final: Annotated[bool, described("It is issued, and never changes; a draft is of the running month.")]
    account_id: Id
    currency: Annotated[str, described("ISO 4217.", "USD")]
    starts_at: Time | None
    ends_at: Annotated[Time | None, described("Not included.")]
    issued_at: Annotated[Time | None, described("Of a draft: when it was drawn up.")]
    content_hash: ContentHash
    opening_cash: StatementCash
    closing_cash: StatementCash
    opening_positions: Annotated[list[StatementPosition], described("In symbol order.")]
    closing_positions: Annotated[list[StatementPosition], described("In symbol order.")]
    sums: StatementSums
    opening_value: Annotated[
        Decimal, described("Cash and positions; one without a price counts at its cost.")
    ]
    closing_value: Decimal
    return_percent: Annotated[
        Decimal | None, described("Time-weighted; null where there are no valuations of the month.", "2.50")
    ]
    return_from: Annotated[Day | None, described("The day of the valuation that it begins at.")]
    return_until: Annotated[Day | None, described("The day of the valuation that it ends at.")]
    line_count: Annotated[int, described("How many lines there are on all pages.", 42)]
    lines: Annotated[list[Activity], described("What happened, oldest first: a page of it.")]
    next_page_token: PageToken | None


StatementFile = Annotated[
    str,
    described(
        "Comma-separated values (RFC 4180) with a row of names first: opening_cash, opening_position for "
        "each, what happened, closing_position for each, closing_cash. A text that a spreadsheet would take "
        "for a formula has an apostrophe before it.",
        "record,at,symbol,...\r\n",
    ),
]
