"""The messages of /stream: what a client may say, as it is read; and what it is told, as it is documented."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from hub_gateway.codec import Schema
from hub_gateway.types.common import Decimal, Id, Symbol, Time
from hub_gateway.types.orders import Order
from hub_gateway.types.portfolio import Balance


class Authenticate(msgspec.Struct, tag="auth", forbid_unknown_fields=True, frozen=True):
    """The access token, where no Authorization header could be sent; or a newer one of the same account."""

    token: str


class Subscribe(msgspec.Struct, tag="subscribe", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Adds to what is followed. A symbol that is followed already comes as a snapshot again."""

    symbols: list[str] = []
    orders: bool = False


class Unsubscribe(msgspec.Struct, tag="unsubscribe", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Takes from what is followed."""

    symbols: list[str] = []
    orders: bool = False


Message = Authenticate | Subscribe | Unsubscribe
MESSAGE: Final[Schema[Message]] = Schema(Message)


# What the server says. The messages are written by hand where they are many (frames.py, follower.py); a test
# holds what really comes against these.


class FromServer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class Authenticated(FromServer, tag="authenticated"):
    """The token is good; the socket belongs to this account."""

    account_id: Id


class Subscribed(FromServer, tag="subscribed"):
    """The answer to every subscribe and unsubscribe: all that is followed now."""

    symbols: list[Symbol]
    orders: bool
    unknown: list[Symbol] | msgspec.UnsetType = msgspec.UNSET
    """Symbols that were asked for and that there are not."""


class StreamQuote(FromServer):
    """A quote as it stands in your document, at /quotes/{symbol}."""

    symbol: Symbol
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    last: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    volume: Decimal
    market_time: Time
    received_at: Time


class QuotesSnapshot(FromServer, tag="quotes_snapshot"):
    """Put the quote at /quotes/{symbol}, whatever was there."""

    symbol: Symbol
    epoch: int
    seq: int
    quote: StreamQuote


class Replace(FromServer):
    """An operation of RFC 6902, on your document."""

    op: Literal["replace"]
    path: Annotated[str, msgspec.Meta(pattern="^/quotes/[^/]+/[a-z_]+$")]
    value: str


class QuotePatch(FromServer):
    """One symbol: every field that can change is replaced, so a jump of seq is not a gap."""

    symbol: Symbol
    epoch: int
    seq: int
    ops: Annotated[list[Replace], msgspec.Meta(min_length=1)]


class QuotesPatch(FromServer, tag="quotes_patch"):
    """The symbols that have changed since the last message."""

    patches: Annotated[list[QuotePatch], msgspec.Meta(min_length=1)]


class Resync(FromServer, tag="resync"):
    """Snapshots of all that is followed come next: the feed began anew, or you were too slow."""

    reason: Literal["epoch", "slow"]


class Heartbeat(FromServer, tag="heartbeat"):
    """Nothing else was said for a while."""


class StreamError(FromServer, tag="error"):
    """The last message made no sense, an owner could not be asked, or why the socket is closed."""

    code: str
    detail: str | msgspec.UnsetType = msgspec.UNSET
    field: str | msgspec.UnsetType = msgspec.UNSET


class OrdersSnapshot(FromServer, tag="orders_snapshot"):
    """The open orders and the cash, from their owners: first, and whenever updates may have been missed."""

    orders: list[Order]
    balance: Balance
    complete: bool
    """False where there are more open orders than are sent."""


class OrderUpdate(FromServer, tag="order_update"):
    """An order as it is now. Keep the highest version."""

    event_id: Id
    order_id: Id
    version: int
    order: Order


class StreamPosition(FromServer):
    """A position as it is now."""

    kind: str
    symbol: Symbol
    quantity: Decimal
    total_cost: Decimal
    realised_pnl: Decimal
    version: int


class PositionUpdate(FromServer, tag="position_update"):
    """A position has changed."""

    event_id: Id
    symbol: Symbol
    version: int
    position: StreamPosition


class StreamAccount(FromServer):
    """The cash of an account, and what it may do."""

    cash: Decimal
    held: Decimal
    buying_power: Decimal
    status: str | None
    trading_state: str | None
    version: int


class AccountUpdate(FromServer, tag="account_update"):
    """The cash of the account has changed, or what it may do."""

    event_id: Id
    account_id: Id
    version: int
    account: StreamAccount


Told = (
    Authenticated
    | Subscribed
    | QuotesSnapshot
    | QuotesPatch
    | Resync
    | Heartbeat
    | StreamError
    | OrdersSnapshot
    | OrderUpdate
    | PositionUpdate
    | AccountUpdate
)


def schema() -> dict[str, Any]:
    """Every message of /stream, both ways, as a JSON Schema."""
    reference = "#/$defs/{name}"
    (said, told), components = msgspec.json.schema_components([Message, Told], ref_template=reference)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The messages of GET /api/v1/stream",
        "description": "FromClient is what a client may say, FromServer what it is told.",
        "anyOf": [{"$ref": "#/$defs/FromClient"}, {"$ref": "#/$defs/FromServer"}],
        "$defs": {"FromClient": said, "FromServer": told, **components},
    }
