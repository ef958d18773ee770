"""What holdings are worth at given prices. Pure: no I/O, the clock is passed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

from hub_money import money
from hub_portfolio.domain.mark import EXACT_DIGITS, Mark, Split, percent

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
    split: Split | None = None

    @property
    def is_closed(self) -> bool:
        return self.status == "CLOSED"


@dataclass(frozen=True)
class Books:
    """Cash and all holdings as of one moment."""

    cash: Cash
    holdings: Sequence[Holding]


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
        return self._times(self.mark.price)

    @property
    def unrealised_pnl(self) -> Decimal | None:
        value = self.market_value
        return None if value is None else value - self.holding.total_cost

    @property
    def unrealised_pnl_percent(self) -> Decimal | None:
        return percent(self.unrealised_pnl, self.holding.total_cost)

    @property
    def day_change(self) -> Decimal | None:
        """Of what is held now, as if all of it had been held at the previous close: when in the day shares
        were bought, the books of a position do not say."""
        return self._times(self.mark.change)

    def _times(self, amount: Decimal | None) -> Decimal | None:
        if amount is None:
            return None
        with localcontext(prec=EXACT_DIGITS):
            return money(self.holding.quantity * amount)


@dataclass(frozen=True)
class Sums:
    """Of some positions. One without a price counts in `invested` alone, and makes them stale."""

    invested: Decimal
    market_value: Decimal
    unrealised_pnl: Decimal
    unrealised_pnl_percent: Decimal | None
    day_change: Decimal
    day_change_percent: Decimal | None
    stale: bool

    @classmethod
    def of(cls, positions: Sequence[Valued]) -> Sums:
        pnl = _sum(each.unrealised_pnl for each in positions)
        change = _sum(each.day_change for each in positions)
        # Percentages are of those only that are in what they are percentages of.
        value, followed = (
            _sum(each.market_value for each in positions),
            _sum(each.market_value for each in positions if each.day_change is not None),
        )
        return cls(
            invested=_sum(each.holding.total_cost for each in positions),
            market_value=value,
            unrealised_pnl=pnl,
            unrealised_pnl_percent=percent(pnl, value - pnl),
            day_change=change,
            day_change_percent=percent(change, followed - change),
            stale=any(each.stale for each in positions),
        )


@dataclass(frozen=True)
class Category:
    """The positions of one asset class."""

    asset_class: str
    sums: Sums
    weight: Decimal | None
    positions: Sequence[Valued]


@dataclass(frozen=True)
class Summary:
    """`positions` are the open ones; what closed ones earned and cost is in `realised_pnl` and `fees`."""

    cash: Cash
    sums: Sums
    realised_pnl: Decimal
    fees: Decimal
    positions: Sequence[Valued]
    as_of: datetime

    @property
    def total(self) -> Decimal:
        return self.cash.cash + self.sums.market_value

    @property
    def categories(self) -> list[Category]:
        """In the order of their names; what has no class, because its instrument is not known, is last."""
        found: dict[str, list[Valued]] = {}
        for position in self.positions:
            found.setdefault(position.mark.asset_class, []).append(position)
        return [
            self._category(name, found[name]) for name in sorted(found, key=lambda name: (not name, name))
        ]

    def _category(self, asset_class: str, positions: Sequence[Valued]) -> Category:
        sums = Sums.of(positions)
        priced = any(each.market_value is not None for each in positions)
        weight = _weight(sums.market_value if priced else None, self.sums.market_value)
        return Category(asset_class, sums, weight, positions)


def value(holdings: Sequence[Holding], marks: Mapping[str, Mark]) -> list[Valued]:
    """Each holding at its price, with its share of the value of all that have one."""
    valued = [
        Valued(holding, marks.get(holding.symbol, Mark()).in_shares_of(holding.split)) for holding in holdings
    ]
    whole = _sum(each.market_value for each in valued)
    return [Valued(each.holding, each.mark, _weight(each.market_value, whole)) for each in valued]


def summarise(books: Books, marks: Mapping[str, Mark], *, now: datetime) -> Summary:
    positions = value([holding for holding in books.holdings if not holding.is_closed], marks)
    return Summary(
        cash=books.cash,
        sums=Sums.of(positions),
        realised_pnl=_sum(holding.realised_pnl for holding in books.holdings),
        fees=_sum(holding.fees for holding in books.holdings),
        positions=positions,
        as_of=now,
    )


def _weight(part: Decimal | None, whole: Decimal) -> Decimal | None:
    return ZERO if part is not None and whole <= 0 else percent(part, whole)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    """Of those that are known."""
    return sum((amount for amount in amounts if amount is not None), ZERO)
