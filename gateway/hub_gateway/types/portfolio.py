"""What a user owns, and the ledger behind it."""

from __future__ import annotations

from typing import Annotated

from hub_gateway.types.common import Answer, AveragePrice, Decimal, Id, PageToken, Symbol, Time, described


class Balance(Answer, frozen=True):
    """The account's cash, and what the account may do."""

    account_id: Id
    currency: Annotated[str, described("ISO 4217.", "USD")]
    status: Annotated[
        str,
        described("ACTIVE, RESTRICTED (may only close positions) or CLOSED (may send no orders).", "ACTIVE"),
    ]
    trading_state: Annotated[
        str | None,
        described(
            "The kill switch: ACTIVE, REDUCING (may only sell, or make an open purchase smaller or cheaper) "
            "or HALTED (may send no orders). Null where it is not known.",
            "ACTIVE",
        ),
    ]
    cash: Annotated[Decimal, described("Settled and unsettled.", "100000")]
    settled: Decimal
    unsettled: Decimal
    held: Annotated[Decimal, described("Set aside for open purchases.", "0")]
    buying_power: Annotated[Decimal, described("What new purchases may cost.", "100000")]
    withdrawable: Decimal


DayChange = Annotated[
    Decimal | None,
    described(
        "quantity now * (price - previous close): shares bought today count as if they had been held at the "
        "close. Of several positions it is the sum of those whose close and price are known.",
        "-12.5",
    ),
]
DayChangePercent = Annotated[
    Decimal | None, described("Per cent of what those positions were worth at the close.", "-0.28")
]

Weight = Annotated[
    Decimal | None,
    described(
        "Per cent of the market value of all positions. Each is rounded to two places by itself, so together "
        "they may be 99.99 or 100.01.",
        "25.00",
    ),
]


class Position(Answer, frozen=True):
    """A holding, valued at the current price."""

    symbol: Symbol
    name: str | None
    asset_class: str | None
    quantity: Decimal
    held: Annotated[Decimal, described("Set aside for open sales.", "0")]
    total_cost: Decimal
    average_price: AveragePrice
    price: Annotated[Decimal | None, described("The last price; null while there is none.")]
    price_at: Time | None
    stale: Annotated[bool, described("The price is old or missing.")]
    market_value: Decimal | None
    unrealised_pnl: Decimal | None
    realised_pnl: Decimal
    fees: Decimal
    status: Annotated[str, described("ACTIVE, PARTIAL (reduced since it was opened) or CLOSED.", "ACTIVE")]
    weight: Weight
    unrealised_pnl_percent: Annotated[Decimal | None, described("Of total_cost.", "12.50")]
    day_change: DayChange
    day_change_percent: Annotated[
        Decimal | None, described("The change of the price in per cent of the previous close.", "-0.28")
    ]


class Positions(Answer, frozen=True):
    """All holdings, in symbol order."""

    positions: list[Position]
    as_of: Time | None


class Posting(Answer, frozen=True):
    """One line of a ledger transaction; the lines of a transaction sum to zero."""

    posting_id: Annotated[int, described("Counts up.", 42)]
    transaction_id: Id
    kind: Annotated[
        str, described("deposit, withdrawal, trade, settlement, adjustment, dividend or split.", "trade")
    ]
    ledger_account: Annotated[str, described("Where it went.", "cash_unsettled")]
    amount: Decimal
    symbol: Symbol | None
    trade_id: Id | None
    posted_at: Time | None


class Ledger(Answer, frozen=True):
    """The ledger: totals, and a page of postings, newest first."""

    totals: Annotated[dict[str, Decimal], described("Per ledger account; together they are zero.")]
    postings: list[Posting]
    next_page_token: PageToken | None


LedgerFile = Annotated[
    str,
    described(
        "Comma-separated values (RFC 4180) with a row of names first: a row for each posting.",
        "posting_id,posted_at,...\r\n",
    ),
]


PnlPercent = Annotated[Decimal | None, described("Of the cost of what has a price.", "12.50")]


class Category(Answer, frozen=True):
    """The positions of one asset class. One without a price counts in `invested` alone."""

    asset_class: Annotated[str | None, described("null for instruments that are not known.", "STOCK")]
    invested: Decimal
    market_value: Decimal
    unrealised_pnl: Decimal
    unrealised_pnl_percent: PnlPercent
    day_change: DayChange
    day_change_percent: DayChangePercent
    weight: Weight
    positions: Annotated[int, described("How many.", 3)]
    stale: Annotated[bool, described("A price in it is old or missing.")]


class AllocatedPosition(Answer, frozen=True):
    """A position within its asset class."""

    symbol: Symbol
    name: str | None
    invested: Decimal
    market_value: Decimal | None
    unrealised_pnl: Decimal | None
    unrealised_pnl_percent: Annotated[Decimal | None, described("Of what was invested.", "12.50")]
    weight: Weight
    price_at: Time | None
    stale: Annotated[bool, described("The price is old or missing.")]


class AllocatedCategory(Answer, frozen=True):
    """An asset class and its positions. One without a price counts in `invested` alone."""

    asset_class: Annotated[str | None, described("null for instruments that are not known.", "STOCK")]
    invested: Decimal
    market_value: Decimal
    unrealised_pnl: Decimal
    unrealised_pnl_percent: PnlPercent
    weight: Weight
    stale: Annotated[bool, described("A price in it is old or missing.")]
    positions: list[AllocatedPosition]


class Allocation(Answer, frozen=True):
    """What is invested in what."""

    currency: Annotated[str, described("ISO 4217.", "USD")]
    invested: Annotated[Decimal, described("Cost of all positions.", "4327.1")]
    market_value: Decimal
    unrealised_pnl: Decimal
    unrealised_pnl_percent: PnlPercent
    stale: Annotated[bool, described("A price in it is old or missing.")]
    as_of: Time | None
    categories: Annotated[list[AllocatedCategory], described("By asset class, in the order of their names.")]


class Summary(Answer, frozen=True):
    """Cash and positions together, of one moment."""

    currency: Annotated[str, described("ISO 4217.", "USD")]
    cash: Decimal
    buying_power: Decimal
    invested: Annotated[Decimal, described("Cost of all positions.", "4327.1")]
    market_value: Decimal
    total: Annotated[Decimal, described("Cash and market value.", "100012.4")]
    unrealised_pnl: Decimal
    realised_pnl: Decimal
    fees: Decimal
    stale: Annotated[bool, described("A price in it is old or missing.")]
    as_of: Time | None
    positions: list[Position]
    unrealised_pnl_percent: PnlPercent
    day_change: DayChange
    day_change_percent: DayChangePercent
    categories: Annotated[list[Category], described("By asset class, in the order of their names.")]
