"""What happened in an account in a month, and what it came to. Pure: cash and cost go on from the statement
before, and must be what the ledger adds up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, localcontext
from hashlib import sha256
from typing import Final
from uuid import UUID

from hub_money import money
from hub_portfolio.domain.history import Point
from hub_portfolio.domain.mark import EXACT_DIGITS, KnownSplit, in_shares_of, percent
from hub_portfolio.domain.month import Month

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)


@dataclass(frozen=True)
class Happened:
    """One activity. `realised` is before fees; `shares` are what it did to the quantity of the position."""

    type: str
    symbol: str
    net_amount: Decimal
    settled: Decimal
    cost: Decimal
    realised: Decimal
    fee: Decimal
    shares: Decimal = ZERO


@dataclass(frozen=True)
class Line:
    """An activity, and the text of it that is kept and told."""

    happened: Happened
    text: str


@dataclass(frozen=True)
class Close:
    """A price, and the day that it was the close of; None of a price of now."""

    price: Decimal
    day: date | None

    def for_shares_of(self, splits: Sequence[KnownSplit]) -> Close:
        """The close of a day: it is of new shares from the day on that a split opens."""
        day = self.day
        if day is None:
            return self
        return replace(
            self, price=in_shares_of(self.price, splits, lambda split: day < split.effective_at.date())
        )


@dataclass(frozen=True)
class Held:
    symbol: str
    quantity: Decimal
    total_cost: Decimal
    close: Close | None = None

    @property
    def market_value(self) -> Decimal | None:
        if self.close is None:
            return None
        with localcontext(prec=EXACT_DIGITS):
            return money(self.quantity * self.close.price)

    @property
    def worth(self) -> Decimal:
        """What has no price counts at its cost: left out, it would look like a loss."""
        value = self.market_value
        return self.total_cost if value is None else value


@dataclass(frozen=True)
class State:
    """Where one statement ends and the next goes on; `positions` in symbol order."""

    settled: Decimal = ZERO
    unsettled: Decimal = ZERO
    positions: Sequence[Held] = ()

    @property
    def cash(self) -> Decimal:
        return self.settled + self.unsettled

    def priced(self, closes: Mapping[str, Close]) -> State:
        return replace(
            self, positions=[replace(each, close=closes.get(each.symbol)) for each in self.positions]
        )

    @property
    def cost(self) -> Decimal:
        return sum((each.total_cost for each in self.positions), ZERO)

    @property
    def value(self) -> Decimal:
        return self.cash + sum((each.worth for each in self.positions), ZERO)


@dataclass(frozen=True)
class Sums:
    """Of a month. `by_type` is cash; `other` is that of types which have no name of their own here."""

    by_type: Mapping[str, Decimal]
    fees: Decimal
    realised: Decimal

    def of(self, type_: str) -> Decimal:
        return self.by_type.get(type_, ZERO)

    @property
    def net_change(self) -> Decimal:
        return sum(self.by_type.values(), ZERO)

    @property
    def other(self) -> Decimal:
        named = ("deposit", "withdrawal", "adjustment", "fill", "dividend")
        return self.net_change - sum((self.of(each) for each in named), ZERO)


@dataclass(frozen=True)
class Return:
    """Time-weighted, in per cent, between the valuations of two days."""

    percent: Decimal
    start: date
    end: date


@dataclass(frozen=True)
class Valuations:
    """The last valuation before a month, the last one that is not after it, and when the account was opened
    by the market's clock."""

    before: Point | None
    end: Point | None
    opened_on: date | None

    def result(self, month: Month) -> Return | None:
        """None where the valuations began later than both the month and the account."""
        if self.end is None:
            return None
        growth, start = ONE, self.opened_on
        if self.before is not None:
            growth, start = self.before.growth, self.before.day
        elif start is None or start < month.first_day:
            return None
        found = percent(self.end.growth - growth, growth)
        return None if found is None else Return(found, start, self.end.day)


@dataclass(frozen=True)
class Statement:
    """`through` is the last posting of the account's ledger that is in it."""

    account_id: UUID
    month: Month
    final: bool
    currency: str
    issued_at: datetime
    opening: State
    closing: State
    sums: Sums
    result: Return | None
    line_count: int
    through: int


@dataclass(frozen=True)
class Issued:
    """A statement as it was issued: its document, and how the next one goes on."""

    month: Month
    issued_at: datetime
    through: int
    document: str
    line_count: int
    content_hash: bytes


@dataclass(frozen=True)
class Cut:
    """The ledger as of its posting `through`: what a statement must come to. `splits` by symbol."""

    currency: str
    opened_at: datetime
    through: int
    closing: State
    splits: Mapping[str, Sequence[KnownSplit]] = field(default_factory=dict)


def content_hash(document: str, lines: Iterable[str]) -> bytes:
    """SHA-256 of the document and of each line, every one with a line feed after it."""
    digest = sha256(f"{document}\n".encode())
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.digest()


class WrongError(Exception):
    """The activities do not come to what the ledger adds up to."""


@dataclass
class Roll:
    """Goes from where a month begins to where it ends, one activity after the other."""

    opening: State
    settled: Decimal = field(init=False)
    unsettled: Decimal = field(init=False)
    fees: Decimal = ZERO
    realised: Decimal = ZERO
    by_type: dict[str, Decimal] = field(default_factory=dict)
    cost: dict[str, Decimal] = field(default_factory=dict)
    shares: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settled, self.unsettled = self.opening.settled, self.opening.unsettled
        for each in self.opening.positions:
            self.cost[each.symbol] = each.total_cost
            self.shares[each.symbol] = each.quantity

    def take(self, happened: Iterable[Happened]) -> None:
        for each in happened:
            self.settled += each.settled
            self.unsettled += each.net_amount - each.settled
            self.fees += each.fee
            self.realised += each.realised
            self.by_type[each.type] = self.by_type.get(each.type, ZERO) + each.net_amount
            if each.cost:
                self.cost[each.symbol] = self.cost.get(each.symbol, ZERO) + each.cost
            if each.shares:
                self.shares[each.symbol] = self.shares.get(each.symbol, ZERO) + each.shares

    @property
    def sums(self) -> Sums:
        return Sums(self.by_type, self.fees, self.realised)

    def check(self, closing: State) -> None:
        """Opening and movements are the closing: cash, and the cost and the quantity of each position."""
        rolled = (self.settled, self.unsettled, _without_zeros(self.cost), _without_zeros(self.shares))
        cost = {each.symbol: each.total_cost for each in closing.positions}
        shares = {each.symbol: each.quantity for each in closing.positions}
        if rolled != (closing.settled, closing.unsettled, _without_zeros(cost), _without_zeros(shares)):
            raise WrongError(f"{rolled} is not {closing}")


def _without_zeros(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {symbol: amount for symbol, amount in amounts.items() if amount}
