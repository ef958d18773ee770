"""Who may set cash or shares aside, and how much: a batch of holds, decided on locked rows only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal, localcontext
from uuid import UUID

from hub_position.domain.account import Account
from hub_position.domain.hold import LEAST, ZERO, Hold, amount
from hub_position.domain.position import Position, PositionKey
from hub_position.domain.trade import EXACT_DIGITS, Side

HUNDRED = Decimal(100)


@dataclass(frozen=True)
class HoldRequest:
    """`quantity` is zero where a percentage is given. The rest as in the protocol's HoldRequest."""

    hold_id: UUID
    order_id: UUID
    account_id: UUID
    user_id: UUID
    side: Side
    symbol: str
    quantity: Decimal
    unit_price: Decimal
    idempotency_key: str
    percentage: Decimal | None = None
    lot_size: Decimal | None = None
    by_value: bool = False
    replaced_hold_id: UUID | None = None
    replaced_filled_quantity: Decimal | None = None
    replaced_may_fill: bool = False
    most_position: Decimal | None = None
    fee_rate: Decimal | None = None

    @property
    def key(self) -> PositionKey:
        return (self.account_id, self.symbol)

    @property
    def amount(self) -> Decimal:
        return amount(self.side, self.quantity, self.unit_price, self.fee_rate)


@dataclass(frozen=True)
class NewHold:
    """What a granted request sets aside: all it needs but what the hold that it replaces covers."""

    request: HoldRequest
    set_aside: Decimal
    covered: Decimal


@dataclass(frozen=True)
class HoldAnswer:
    """`quantity` and `unit_price` (None for a SELL) are those of the hold that stands."""

    hold_id: UUID
    granted: bool
    standing_hold_id: UUID | None = None
    code: str = ""
    available: Decimal | None = None
    required: Decimal | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None


class Placing:
    """Decides one after the other. `positions` has what is sold, `purchases` the shares that an account has
    or is buying, for requests with a limit of them."""

    def __init__(
        self,
        *,
        accounts: Mapping[UUID, Account],
        positions: Mapping[PositionKey, Position],
        existing: Sequence[Hold],
        purchases: Mapping[PositionKey, Decimal],
        now: datetime,
    ) -> None:
        self.placed: list[NewHold] = []
        self._accounts = accounts
        self._cash = {account_id: account.buying_power for account_id, account in accounts.items()}
        self._shares = {key: position.sellable for key, position in positions.items()}
        self._purchases = dict(purchases)
        self._by_id: dict[UUID, Hold | HoldRequest] = {hold.hold_id: hold for hold in existing}
        keyed = [hold for hold in existing if hold.idempotency_key]
        self._by_key: dict[tuple[UUID, str], Hold | HoldRequest] = {
            (hold.account_id, hold.idempotency_key): hold for hold in keyed if hold.answers_its_key(now)
        }
        self.outlived = [hold.hold_id for hold in keyed if not hold.answers_its_key(now)]

    def decide(self, request: HoldRequest) -> HoldAnswer:
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        replaced = self._replaced(request)
        lessening = replaced is not None and _lessens(request, replaced)
        refusal = self._accounts[request.account_id].refusal(request.side, lessening=lessening)
        if refusal:
            return HoldAnswer(request.hold_id, granted=False, code=refusal)
        if request.percentage is not None:
            part = part_of(self._available(request), request.percentage, request.lot_size or LEAST)
            request = replace(request, quantity=part)
        new = _new(request, replaced)
        return self._beyond_limit(request, replaced) or self._beyond_available(new) or self._place(new)

    def _repeated(self, request: HoldRequest) -> HoldAnswer | None:
        """The answer to a hold that was placed before, by its id or by its key."""
        earlier = self._by_id.get(request.hold_id)
        if earlier is not None:
            return _answer_again(request, earlier)
        standing = self._by_key.get((request.account_id, request.idempotency_key))
        if request.idempotency_key and standing is not None:
            return _granted(request, standing)
        return None

    def _replaced(self, request: HoldRequest) -> Hold | None:
        """The hold in whose place this one comes, if it can cover anything."""
        if request.replaced_hold_id is None:
            return None
        found = self._by_id.get(request.replaced_hold_id)
        if not isinstance(found, Hold) or (found.account_id, found.symbol) != request.key:
            return None
        return found if found.side is request.side else None

    def _beyond_limit(self, request: HoldRequest, replaced: Hold | None) -> HoldAnswer | None:
        """What is bought by value counts when it is booked: before, nobody knows how many shares it is."""
        if request.most_position is None or request.side is not Side.BUY:
            return None
        bought = ZERO if request.by_value else request.quantity
        others = self._purchases.get(request.key, ZERO) - _given_up(request, replaced)
        if others + bought <= request.most_position:
            return None
        available = max(request.most_position - others, ZERO)
        return _refused(request, "position_limit", available=available, required=bought)

    def _beyond_available(self, new: NewHold) -> HoldAnswer | None:
        request, available = new.request, max(self._available(new.request), ZERO)
        if request.quantity > 0 and new.set_aside <= available:
            return None
        code = "insufficient_funds" if request.side is Side.BUY else "insufficient_shares"
        # A percentage that comes to nothing would have taken one lot.
        required = new.set_aside or request.lot_size or LEAST
        return _refused(request, code, available=available, required=required)

    def _available(self, request: HoldRequest) -> Decimal:
        if request.side is Side.BUY:
            return self._cash[request.account_id]
        return self._shares.get(request.key, ZERO)

    def _place(self, new: NewHold) -> HoldAnswer:
        request = new.request
        if request.side is Side.BUY:
            self._cash[request.account_id] -= new.set_aside
            if request.key in self._purchases and not request.by_value:
                self._purchases[request.key] += request.quantity
        elif new.set_aside:
            self._shares[request.key] -= new.set_aside
        self._by_id[request.hold_id] = request
        if request.idempotency_key:
            self._by_key[(request.account_id, request.idempotency_key)] = request
        self.placed.append(new)
        return _granted(request, request)


def part_of(available: Decimal, percentage: Decimal, lot_size: Decimal = LEAST) -> Decimal:
    """Rounded down to a multiple of the lot, and nothing of what is not there."""
    with localcontext(prec=EXACT_DIGITS):
        part = max(available, ZERO) * percentage / HUNDRED
        return (part / lot_size).to_integral_value(ROUND_FLOOR) * lot_size


def _new(request: HoldRequest, replaced: Hold | None) -> NewHold:
    """The other hold covers by what it will have when all that comes to it has moved: what covers it now
    counts as its own."""
    needed = request.amount
    if replaced is None:
        return NewHold(request, needed, ZERO)
    covered = min(needed, replaced.covers(request.replaced_filled_quantity))
    if request.replaced_may_fill:
        # Each fill of the old order takes a share from both: it covers what a share costs in either.
        shares = replaced.left(request.replaced_filled_quantity)
        covered = min(covered, amount(request.side, shares, request.unit_price, request.fee_rate))
    return NewHold(request, needed - covered, covered)


def _lessens(request: HoldRequest, replaced: Hold) -> bool:
    """Neither more shares nor a higher price, so no more cash: a few shares at a price that the market takes
    would be another purchase, whatever they cost."""
    if request.by_value or replaced.by_value:
        return False
    fewer = request.quantity <= replaced.left(request.replaced_filled_quantity)
    return fewer and request.unit_price <= replaced.unit_price and not _new(request, replaced).set_aside


def _given_up(request: HoldRequest, replaced: Hold | None) -> Decimal:
    """Shares that are not bought any more when this comes in the other's place."""
    if replaced is None or replaced.by_value:
        return ZERO
    return replaced.left(request.replaced_filled_quantity)


def _answer_again(request: HoldRequest, earlier: Hold | HoldRequest) -> HoldAnswer:
    if earlier.account_id != request.account_id:
        return HoldAnswer(request.hold_id, granted=False, code="hold_conflict")
    if isinstance(earlier, Hold) and earlier.closed and not earlier.confirmed:
        return HoldAnswer(request.hold_id, granted=False, code="hold_released")
    return _granted(request, earlier)


def _granted(request: HoldRequest, standing: Hold | HoldRequest) -> HoldAnswer:
    return HoldAnswer(
        request.hold_id,
        granted=True,
        standing_hold_id=standing.hold_id,
        quantity=standing.quantity,
        unit_price=standing.unit_price if standing.side is Side.BUY else None,
    )


def _refused(request: HoldRequest, code: str, *, available: Decimal, required: Decimal) -> HoldAnswer:
    return HoldAnswer(request.hold_id, granted=False, code=code, available=available, required=required)
