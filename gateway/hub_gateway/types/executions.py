"""The trade blotter."""

from __future__ import annotations

from typing import Annotated

from hub_gateway.types.common import Answer, Decimal, Id, PageToken, Symbol, Time, described
from hub_gateway.types.orders import OrderType, QuoteUsed, Side


class BlotterEntry(Answer, frozen=True):
    """An execution, beside what the order was."""

    execution_id: Id
    order_id: Id
    account_id: Id
    client_order_id: Annotated[str | None, described("The name that the order has from you.")]
    symbol: Symbol
    side: Side
    type: Annotated[OrderType, described("The order's type.")]
    quantity: Decimal
    price: Decimal
    value: Annotated[Decimal, described("quantity * price, rounded to 8 places.", "4327.1")]
    executed_at: Time | None
    market_time: Annotated[Time | None, described("The same by the market's clock.")]
    settled_at: Annotated[Time | None, described("When it settled; null before.")]
    venue: Annotated[str, described("Where it was executed.", "simulated")]
    venue_execution_id: Annotated[str, described("The venue's own name for it.")]
    quote: QuoteUsed


class Blotter(Answer, frozen=True):
    """A page of executions, newest first."""

    executions: list[BlotterEntry]
    next_page_token: PageToken | None


BlotterFile = Annotated[
    str,
    described(
        "Comma-separated values (RFC 4180) with a row of names first. A text that a spreadsheet would take "
        "for a formula has an apostrophe before it.",
        "execution_id,order_id,...\r\n",
    ),
]
