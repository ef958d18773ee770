"""What happened in an account, one line for each event."""

from __future__ import annotations

from typing import Annotated

from hub_gateway.types.common import Answer, Decimal, Id, PageToken, Symbol, Time, described
from hub_gateway.types.orders import Side

ActivityType = Annotated[
    str,
    described(
        "fill, deposit, withdrawal, adjustment, dividend, split or settlement; others may come.", "fill"
    ),
]


class Activity(Answer, frozen=True):
    """One event, as it was booked. Amounts that it did not touch are 0."""

    activity_id: Annotated[int, described("Counts up.", 42)]
    transaction_id: Annotated[Id, described("Its transaction in the ledger.")]
    type: ActivityType
    posted_at: Annotated[Time | None, described("When it was booked.")]
    symbol: Symbol | None
    side: Annotated[
        Side | None, described("Of a fill; of a settlement and of a late fill's adjustment, its.")
    ]
    quantity: Decimal | None
    price: Decimal | None
    ratio: Annotated[Decimal | None, described("Of a split: new shares for each old one.", "4")]
    quantity_before: Annotated[
        Decimal | None,
        described(
            "Shares of the position before a split; of an adjustment those there would be if what came late "
            "had come in time for no split.",
            "10",
        ),
    ]
    quantity_after: Annotated[
        Decimal | None,
        described("After it. Executions and these differences come to what is held.", "40"),
    ]
    net_amount: Annotated[Decimal, described("What it did to the cash, fee included.", "-1000.5")]
    settled: Annotated[Decimal, described("What of it was, or became, settled cash.", "0")]
    cost: Annotated[Decimal, described("What it did to the position's cost.", "1000")]
    realised_pnl: Annotated[Decimal, described("Proceeds less the cost removed, before fees.", "0")]
    fee: Annotated[Decimal, described("What it cost beside the price.", "0.5")]
    dividend: Annotated[Decimal, described("What it paid out.", "0")]
    order_id: Id | None
    trade_id: Annotated[Id | None, described("The execution's id.")]
    executed_at: Annotated[Time | None, described("When the execution was recorded: a late one long before.")]
    reason: Annotated[
        str | None, described("Why, of an adjustment, and of a split that moved cash.", "goodwill")
    ]


class Activities(Answer, frozen=True):
    """A page, newest first."""

    activities: list[Activity]
    next_page_token: PageToken | None


ActivitiesFile = Annotated[
    str,
    described(
        "Comma-separated values (RFC 4180) with a row of names first: a row for each activity. A text that a "
        "spreadsheet would take for a formula has an apostrophe before it.",
        "activity_id,posted_at,...\r\n",
    ),
]
