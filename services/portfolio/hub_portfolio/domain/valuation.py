"""What holdings are worth at given prices. Pure: no I/O, the clock is passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

from hub_money import money
from hub_portfolio.domain.mark import EXACT_DIGITS, Mark, percent

ZERO = Decimal(0)


@dataclass(frozen=True)
class Cash:
    currency: str
    cash: Decimal
    buying_power: Decimal


@dataclass(frozen=True)
class Holding:
    symbol: str
    quantity: Decimal
    held: Decimal
    total_cost: Decimal
    average_price: Decimal | None
    realised_pnl: Decimal
    fees: Decimal
    status: str

    @property
    def is_closed(self) -> bool:
        return self.status == "CLOSED"


@dataclass(frozen=True)
class Valued:
    holding: Holding
    mark: Mark
    weight: Decimal | None = None

    @property
    def stale(self) -> bool:
        return self.mark.stale

    @property
    def market_value(self) -> Decimal | None:
        if self.mark.price is None:
            return None
        with localcontext(prec=EXACT_DIGITS):
            return money(self.holding.quantity * self.mark.price)

    @property
    def unrealised_pnl(self) -> Decimal | None:
        value = self.market_value
        return None if value is None else value - self.holding.total_cost


@dataclass(frozen=True)
class Summary:
    """Totals over all positions; `positions` are the open ones."""

    cash: Cash
    invested: Decimal
    market_value: Decimal
    unrealised_pnl: Decimal
    realised_pnl: Decimal
    fees: Decimal
    positions: Sequence[Valued]
    as_of: datetime

    @property
    def total(self) -> Decimal:
        return self.cash.cash + self.market_value

    @property
    def stale(self) -> bool:
        return any(position.stale for position in self.positions)


def value(holdings: Sequence[Holding], marks: Mapping[str, Mark]) -> list[Valued]:
    """Each holding at its price, with its share of the value of all that have one."""
    valued = [Valued(holding, marks.get(holding.symbol, Mark())) for holding in holdings]
    whole = sum((each.market_value or ZERO for each in valued), ZERO)
    return [Valued(each.holding, each.mark, _weight(each.market_value, whole)) for each in valued]


def _weight(part: Decimal | None, whole: Decimal) -> Decimal | None:
    return ZERO if part is not None and whole <= 0 else percent(part, whole)


def summarise(
    cash: Cash, holdings: Sequence[Holding], marks: Mapping[str, Mark], *, now: datetime
) -> Summary:
    positions = value([holding for holding in holdings if not holding.is_closed], marks)
    return Summary(
        cash=cash,
        invested=sum((each.holding.total_cost for each in positions), ZERO),
        market_value=sum((each.market_value or ZERO for each in positions), ZERO),
        unrealised_pnl=sum((each.unrealised_pnl or ZERO for each in positions), ZERO),
        realised_pnl=sum((holding.realised_pnl for holding in holdings), ZERO),
        fees=sum((holding.fees for holding in holdings), ZERO),
        positions=positions,
        as_of=now,
    )
