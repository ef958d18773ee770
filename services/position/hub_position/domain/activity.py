"""What happened in an account, one event at a time: each is one transaction of its ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from hub_errors import Invalid
from hub_position.domain.trade import Side

# As users call them, and as the ledger does. What the ledger has beside these goes by its own name.
KINDS: Final = {
    "fill": "trade",
    "deposit": "deposit",
    "withdrawal": "withdrawal",
    "adjustment": "adjustment",
    "dividend": "dividend",
    "split": "split",
    "settlement": "settlement",
}
TYPES: Final = {kind: word for word, kind in KINDS.items()}
# Settlements are told when they are asked for: most people mean what moved something.
USUAL: Final = tuple(kind for kind in KINDS.values() if kind != "settlement")
# Why a trade that came late is an adjustment as well: those after it are restated.
LATE: Final = "a late execution restated those after it"
LATE_ACTION: Final = "a late split or dividend restated what came after it"
# Why a split moved money.
IN_LIEU: Final = "cash in lieu of a part of a share"


@dataclass(frozen=True)
class Fill:
    trade_id: UUID
    order_id: UUID
    side: Side
    quantity: Decimal
    price: Decimal
    executed_at: datetime


@dataclass(frozen=True)
class Shares:
    """Of a position, before and after a split, or after an execution and with what splits made of it; `ratio`
    is a split's."""

    before: Decimal
    after: Decimal
    ratio: Decimal | None


@dataclass(frozen=True)
class Activity:
    """`realised` is before fees; `cost` is what it did to the position's. `shares` come or go beside those of
    a fill."""

    activity_id: int
    transaction_id: UUID
    kind: str
    posted_at: datetime
    symbol: str
    settled: Decimal
    unsettled: Decimal
    cost: Decimal
    realised: Decimal
    fee: Decimal
    dividend: Decimal
    fill: Fill | None
    shares: Shares | None
    reason: str

    @property
    def type(self) -> str:
        return TYPES.get(self.kind, self.kind)

    @property
    def net_amount(self) -> Decimal:
        return self.settled + self.unsettled


@dataclass(frozen=True)
class Wanted:
    """Which activities; an empty symbol is any."""

    kinds: Sequence[str] = USUAL
    symbol: str = ""
    posted_from: datetime | None = None
    posted_before: datetime | None = None

    @property
    def beside_trades(self) -> bool:
        return not {"trade", "settlement"} & set(self.kinds)

    @property
    def settlements(self) -> bool:
        return "settlement" in self.kinds


def read_kinds(words: Sequence[str]) -> Sequence[str]:
    """All but settlements where none is named."""
    strangers = [word for word in words if word not in KINDS]
    if strangers:
        raise Invalid(f"types may be {', '.join(KINDS)}.", code="invalid_value", field="types")
    return [KINDS[word] for word in dict.fromkeys(words)] or USUAL
