"""The predecessor's documents: names and shapes as its programs know them, numbers as JSON numbers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from hub_gateway.types.common import Answer, Id, Symbol, Time, described
from hub_gateway.types.orders import OrderType

Number = Annotated[msgspec.Raw, described("An exact decimal, as a JSON number.", 1234.5, type="number")]
OptionalNumber = Annotated[
    msgspec.Raw, described("An exact decimal, as a JSON number, or null.", 1234.5, type=["number", "null"])
]
Category = Annotated[int, described("1 stock, 2 ETF, 3 bond, 4 crypto, 5 fund; 0 not known.", 1)]


class LegacyToken(Answer, frozen=True):
    """An access token, good for ten minutes."""

    token: str


class LegacyBalance(Answer, frozen=True):
    """What new purchases may cost."""

    availableBalance: Number  # noqa: N815 - the predecessor's name


class LegacyAsset(Answer, frozen=True):
    """A holding."""

    symbol: Symbol
    quantity: Number
    averagePrice: Number  # noqa: N815
    currentPrice: OptionalNumber  # noqa: N815
    category: Category


class LegacyCategory(Answer, frozen=True):
    """All holdings of one category."""

    category: Category
    totalInvested: Number  # noqa: N815
    currentTotal: Number  # noqa: N815
    pnl: Number
    pnlPercentage: Number  # noqa: N815
    assets: list[LegacyAsset]


class LegacyAggregation(Answer, frozen=True):
    """Holdings by category. One without a price counts at its cost."""

    totalInvested: Number  # noqa: N815
    currentTotal: Number  # noqa: N815
    positionAggregation: list[LegacyCategory]  # noqa: N815


class LegacySummary(Answer, frozen=True):
    """Cash and holdings together."""

    Balance: LegacyBalance
    TotalPortfolio: Number
    LastUpdatedDate: str
    PositionAggregation: LegacyAggregation


class LegacyWatched(Answer, frozen=True):
    """A symbol of a watchlist. One that is in several lists is told of once."""

    Symbol: Symbol
    CompanyName: str
    LastQuote: OptionalNumber
    Category: Category


class LegacyAccepted(Answer, frozen=True, kw_only=True):
    """The order is durable."""

    order_id: Id
    status: str
    message: str
    estimated_price: Number | UnsetType = UNSET
    submitted_at: Time | None


class LegacyOrder(Answer, frozen=True, kw_only=True):
    """An order as it is now."""

    order_id: Id
    user_id: Id
    symbol: Symbol
    order_type: OrderType
    order_side: Literal["BUY", "SELL"]
    quantity: Number
    price: Number | UnsetType = UNSET
    status: str
    created_at: Time | None
    updated_at: Time | None
    executed_at: Time | UnsetType = UNSET
    execution_price: Number | UnsetType = UNSET
    estimated_value: Number
    execution_value: Number | UnsetType = UNSET


class LegacyStatus(Answer, frozen=True):
    """Where an order is."""

    order_id: Id
    status: str
    message: str
    updated_at: Time | None
    can_cancel: bool


class LegacyCancelled(Answer, frozen=True):
    """The order is cancelled, or its end is asked of the venue that has it."""

    order_id: Id
    status: str
    message: str
    updated_at: Time | None


class LegacyHistory(Answer, frozen=True):
    """A page of orders, newest first."""

    orders: list[LegacyOrder]
    total: int
    page: int
    limit: int
