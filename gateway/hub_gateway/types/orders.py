"""Orders and what became of them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from hub_gateway.types.common import Answer, AveragePrice, Decimal, Id, PageToken, Symbol, Time, described

Side = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT", "STOP_LOSS", "STOP_LIMIT", "TRAILING_STOP"]
TimeInForce = Literal["DAY", "GTC", "IOC", "FOK"]
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
REASONS: Final = """Why it ended, where its status does not say that alone:
- `PRICE_PROTECTION`: the market went beyond what the purchase may cost
- `STALE`: there was no price for too long
- `ABANDONED`: it never became durable
- `INSUFFICIENT_FUNDS`: it waited for the open, and opened beyond the cash there is
- `NOT_FILLED_AT_ONCE`: what an IOC or FOK order did not get at once
- `REJECTED_BY_VENUE`: the venue did not take it
- `NOT_REPLACED`: it was to come in the place of another order, and the venue did not put it there: that
  one was filled first, or filled beyond the new quantity, or the venue would not
- `SESSION_ENDED`: a DAY order, at the end of its session
- `CORPORATE_ACTION`: the instrument is not what it was"""


class Order(Answer, frozen=True):
    """An order as it is now."""

    order_id: Id
    account_id: Id
    client_order_id: Annotated[str | None, described("The name you gave it; unique for ever.")]
    symbol: Symbol
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Annotated[Decimal, described("With notional: an estimate, until it is filled.", "10")]
    notional: Annotated[Decimal | None, described("The cash to spend or to get, instead of a quantity.")]
    limit_price: Decimal | None
    stop_price: Annotated[
        Decimal | None, described("Where the market sets it off; of a TRAILING_STOP, where it was set off.")
    ]
    trail_amount: Decimal | None
    trail_percent: Decimal | None
    extended_hours: Annotated[bool, described("Whether it works outside of the regular session too.")]
    protection_price: Annotated[
        Decimal | None, described("A purchase at the market, or by a stop, never costs more.")
    ]
    status: Status
    cancel_requested: Annotated[
        bool, described("Its end was asked of the venue that has it, which has not answered yet.")
    ]
    replace_requested: Annotated[
        bool,
        described("A venue was asked to put another order in its place, or it in the place of `replaces`."),
    ]
    reason: Annotated[str | None, described(REASONS, "PRICE_PROTECTION")]
    filled_quantity: Decimal
    average_price: AveragePrice
    version: Annotated[int, described("Grows with every change: keep the highest.")]
    accepted_at: Time | None
    updated_at: Time | None
    expires_at: Annotated[
        Time | None, described("When it ends by itself, by the market's clock; null where it does not.")
    ]
    triggered_at: Annotated[Time | None, described("When the market reached its stop.")]
    replaces: Annotated[Id | None, described("The order that it came in the place of.")]
    replaced_by: Annotated[Id | None, described("The order that came in its place.")]


class OrderStatus(Answer, frozen=True):
    """What changes of an order."""

    order_id: Id
    status: Status
    cancel_requested: bool
    replace_requested: bool
    reason: str | None
    filled_quantity: Decimal
    average_price: AveragePrice
    version: int
    updated_at: Time | None
    triggered_at: Time | None
    replaced_by: Id | None


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


class CancelledOrders(Answer, frozen=True):
    """The orders that were open, as they are now: cancelled, or with cancel_requested."""

    orders: list[Order]
    more: Annotated[bool, described("There may be more that are open: ask again.")]


class OrderEvent(Answer, frozen=True):
    """One record of what happened to an order."""

    version: Annotated[int, described("Counts up from 1.", 1)]
    kind: Annotated[str, described("What happened.", "accepted", "working", "triggered", "executed")]
    status: Annotated[Status, described("What it was afterwards.")]
    reason: str | None
    actor: Annotated[str, described("Who did it.", "worker", "venue:simulated")]
    occurred_at: Time | None
    detail: Annotated[dict[str, str], described("What belongs to it.", {"stop_price": "99.5"})]
    quote: Annotated[
        dict[str, str], described("The quote that was used; empty where none was.", {"bid": "99.5"})
    ]
    hash: Annotated[
        str,
        described(
            "SHA-256 of this record and of the hash before it, in hexadecimal: what was changed later shows.",
            pattern="^[0-9a-f]*$",
        ),
    ]


class OrderEvents(Answer, frozen=True):
    """The audit chain of an order, oldest first."""

    order_id: Id
    events: list[OrderEvent]
