"""One resting order, as far as watching it and handing it over need it. Prices are whole numbers here:
steps of the scale they are stored with, which compare faster and need less room."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum, auto
from typing import TYPE_CHECKING
from uuid import UUID

from hub_money import PLACES
from hub_order.domain import LIMITED, RESTING, STOPS, OrderType, Side, Status

if TYPE_CHECKING:
    from hub_order.resting.trails import Group

_SCALE = Decimal(10) ** PLACES
# A per cent, as a whole number, is so many hundredths.
_HUNDRED = 100 * 10**PLACES


class Awaits(Enum):
    """What an order waits for."""

    NOTHING = auto()
    """It has ended, or a venue keeps it: it is not watched."""
    PRICE = auto()
    """Any price."""
    LIMIT = auto()
    STOP = auto()
    TRAIL = auto()
    """A stop that follows the market's best price by an amount."""
    TRAIL_PERCENT = auto()


TRAILING = frozenset({Awaits.TRAIL, Awaits.TRAIL_PERCENT})


class Entry:
    """`key` says when its turn comes, smallest first, seen from its side (see `book`); of a trailing stop
    it is the trail. `reached` is its stop once the market has been there, `tried` the quote it was last
    handed over with. While the answer to that is open, `again_at` says when it is handed over once more."""

    __slots__ = (
        *("order_id", "account_id", "traceparent", "version", "symbol", "sells", "awaits", "key", "since"),
        *("extended", "home", "again_at", "pause_s", "tried", "reached"),
    )

    def __init__(
        self,
        *,
        order_id: UUID,
        account_id: UUID,
        traceparent: str,
        version: int,
        symbol: str,
        sells: bool,
        awaits: Awaits,
        key: int,
        since: datetime | None,
        extended: bool = False,
    ) -> None:
        self.order_id = order_id
        self.account_id = account_id
        self.traceparent = traceparent
        self.version = version
        self.symbol = symbol
        self.sells = sells
        self.awaits = awaits
        self.key = key
        self.since = since
        """Of a trailing stop, until it is put into its place: from when on prices count."""
        self.extended = extended
        """It works outside of the regular session too."""
        self.home: Group | None = None
        self.again_at: float | None = None
        self.pause_s = 0.0
        self.tried: tuple[int, int] | None = None
        self.reached: int | None = None

    @property
    def stop_price(self) -> Decimal | None:
        """The stop that the market has reached."""
        return None if self.reached is None else price_of(self.reached)

    def same_terms(self, other: Entry) -> bool:
        return self.awaits is other.awaits and self.key == other.key


def entry(
    *,
    order_id: UUID,
    account_id: UUID,
    traceparent: str,
    version: int,
    symbol: str,
    side: Side,
    type: OrderType,  # noqa: A002 - the order's word
    status: Status,
    routed: bool,
    triggered: bool,
    limit_price: Decimal | None,
    stop_price: Decimal | None,
    trail_amount: Decimal | None,
    trail_percent: Decimal | None,
    accepted_at: datetime,
    extended_hours: bool = False,
) -> Entry:
    """What the row of an order comes to."""
    sells = side is Side.SELL
    awaits, key = Awaits.PRICE, 0
    if routed or status not in RESTING:
        awaits = Awaits.NOTHING
    elif type in STOPS and not triggered:
        awaits, key = _stop(sells, stop_price, trail_amount, trail_percent)
    elif type in LIMITED and limit_price is not None:
        awaits, key = Awaits.LIMIT, units(limit_price) if sells else -units(limit_price)
    return Entry(
        order_id=order_id,
        account_id=account_id,
        traceparent=traceparent,
        version=version,
        symbol=symbol,
        sells=sells,
        awaits=awaits,
        key=key,
        since=accepted_at if awaits in TRAILING else None,
        extended=extended_hours,
    )


def _stop(
    sells: bool, stop_price: Decimal | None, trail_amount: Decimal | None, trail_percent: Decimal | None
) -> tuple[Awaits, int]:
    if trail_amount is not None:
        return Awaits.TRAIL, units(trail_amount)
    if trail_percent is not None:
        return Awaits.TRAIL_PERCENT, units(trail_percent)
    stop = units(stop_price or Decimal(0))
    return Awaits.STOP, -stop if sells else stop


def units(price: Decimal) -> int:
    """What is finer than the stored scale is cut off."""
    return int(price * _SCALE)


def price_of(number: int) -> Decimal:
    return Decimal(number).scaleb(-PLACES)


def percent_of(mark: int, percent: int) -> int:
    """Rounded as money is: half to even."""
    whole, rest = divmod(abs(mark) * percent, _HUNDRED)
    return whole + (2 * rest > _HUNDRED or (2 * rest == _HUNDRED and whole % 2 == 1))
