"""What is known of an instrument at the moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext

from hub_money import money

CENTI = Decimal("0.01")
# Product of two stored numbers, divided by a third: only the last step rounds.
EXACT_DIGITS = 60


@dataclass(frozen=True)
class Split:
    """The last one that a quantity knows of."""

    effective_at: datetime
    ratio: Decimal

    def new(self, old: Decimal | None) -> Decimal | None:
        """A price in new shares."""
        if old is None:
            return None
        with localcontext(prec=EXACT_DIGITS):
            return money(old / self.ratio)


@dataclass(frozen=True)
class KnownSplit:
    """One that a quantity is of new shares of (`included`), or still of old ones."""

    effective_at: datetime
    ratio: Decimal
    included: bool


def in_shares_of(
    price: Decimal, splits: Iterable[KnownSplit], is_old: Callable[[KnownSplit], bool]
) -> Decimal:
    """For the shares of a quantity; `is_old` says of which splits the price is from before."""
    with localcontext(prec=EXACT_DIGITS):
        for split in splits:
            if split.included and is_old(split):
                price /= split.ratio
            elif not split.included and not is_old(split):
                price *= split.ratio
        return money(price)


@dataclass(frozen=True)
class Mark:
    """The price may be old, or not known; so may the close of the session before."""

    name: str = ""
    asset_class: str = ""
    price: Decimal | None = None
    price_at: datetime | None = None
    fresh: bool = False
    previous_close: Decimal | None = None
    quoted_at: datetime | None = None
    """In the market's own time."""

    def in_shares_of(self, split: Split | None) -> Mark:
        """For shares that a split has made: a price from before it is for old ones."""
        if split is None or self.quoted_at is None or self.quoted_at >= split.effective_at:
            return self
        return replace(self, price=split.new(self.price), previous_close=split.new(self.previous_close))

    def for_shares_of(self, splits: Iterable[KnownSplit]) -> Decimal | None:
        """The price, for shares of some splits and not of others."""
        price, at = self.price, self.quoted_at
        if price is None or at is None:
            return price
        return in_shares_of(price, splits, lambda split: at < split.effective_at)

    @property
    def stale(self) -> bool:
        return self.price is None or not self.fresh

    @property
    def change(self) -> Decimal | None:
        """Since the previous close."""
        if self.price is None or self.previous_close is None:
            return None
        return self.price - self.previous_close

    @property
    def change_percent(self) -> Decimal | None:
        return percent(self.change, self.previous_close)


def percent(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Two places; None where there is no part, or nothing that it could be a part of."""
    if part is None or whole is None or whole <= 0:
        return None
    with localcontext(prec=EXACT_DIGITS):
        return (100 * part / whole).quantize(CENTI)
