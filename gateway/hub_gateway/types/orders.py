"""Orders and what became of them."""

from __future__ import annotations

from typing import Annotated, Literal

from hub_gateway.types.common import Answer, Decimal, Id, PageToken, Symbol, Time, described

Side = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT"]
TimeInForce = Literal["DAY", "GTC"]
Status = Literal[
    "PENDING",
    "PROCESSING",
    "PARTIALLY_EXECUTED",
    "EXECUTED",
    "CANCELLED",
    "EXPIRED",
    "REPLACED",
    "FAILED",
]


class Order(Answer, frozen=True):
    """An order as it is now."""

    order_id: Id
    account_id: Id
    client_order_id: Annotated[str | None, described("The name you gave it; unique for ever.")]
    symbol: Symbol
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    protection_price: Annotated[Decimal | None, described("A purchase at the market never costs more.")]
    status: Status
    reason: Annotated[str | None, described("Why it failed.", "PRICE_PROTECTION")]
    filled_quantity: Decimal
    average_price: Decimal | None
    version: Annotated[int, described("Grows with every change: keep the highest.")]
    accepted_at: Time | None
    updated_at: Time | None


class OrderStatus(Answer, frozen=True):
    """What changes of an order."""

    order_id: Id
    status: Status
    reason: str | None
    filled_quantity: Decimal
    average_price: Decimal | None
    version: int
    updated_at: Time | None


class QuoteUsed(Answer, frozen=True):
    """The quote that an execution came from."""

    epoch: int
    seq: int
    bid: Decimal
    ask: Decimal


class Execution(Answer, frozen=True):
    """What a venue did to an order: a fact."""

    execution_id: Id
    quantity: Decimal
    price: Decimal
    executed_at: Time | None
    quote: QuoteUsed


class OrderWithExecutions(Answer, frozen=True):
    """An order and everything a venue did to it, oldest first."""

    order: Order
    executions: list[Execution]


class Orders(Answer, frozen=True):
    """A page of orders, newest first."""

    orders: list[Order]
    next_page_token: PageToken | None
