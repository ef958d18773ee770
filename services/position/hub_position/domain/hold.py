"""Holds: cash or shares set aside for an order, and who may still set some aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hub_position.domain.account import Account
from hub_position.domain.position import Position
from hub_position.domain.trade import Side, share

ZERO = Decimal(0)
# The order service remembers an idempotency key for 24 h from its answer, which came after the hold. While
# that is certain, a hold whose order has ended still answers its key: the accept meets the first answer.
KEY_REMEMBERED = timedelta(hours=23)


@dataclass(frozen=True)
class HoldRequest:
    hold_id: UUID
    order_id: UUID
    account_id: UUID
    user_id: UUID
    side: Side
    symbol: str
    quantity: Decimal
    unit_price: Decimal
    idempotency_key: str

    @property
    def amount(self) -> Decimal:
        return amount(self.side, self.quantity, self.unit_price)


@dataclass(frozen=True)
class Hold:
    hold_id: UUID
    order_id: UUID
    account_id: UUID
    idempotency_key: str
    side: Side
    symbol: str
    quantity: Decimal
    unit_price: Decimal
    remaining: Decimal
    booked_quantity: Decimal
    booked_count: int
    final_quantity: Decimal | None
    final_count: int | None
    confirmed: bool
    closed: bool
    placed_at: datetime

    def booked(self, quantity: Decimal) -> Hold:
        """After one more execution of its order."""
        return self._shrunk(
            booked_quantity=self.booked_quantity + quantity,
            booked_count=self.booked_count + 1,
            final_quantity=self.final_quantity,
            final_count=self.final_count,
        )

    def ended(self, *, final_quantity: Decimal, final_count: int) -> Hold:
        """After its order ended: the unfilled part goes, the rest stays until it is booked."""
        if self.final_count is not None:
            return self
        return self._shrunk(
            booked_quantity=self.booked_quantity,
            booked_count=self.booked_count,
            final_quantity=final_quantity,
            final_count=final_count,
        )

    def answers_its_key(self, now: datetime) -> bool:
        return not self.closed or (self.confirmed and now - self.placed_at < KEY_REMEMBERED)

    def released(self) -> Hold:
        return replace(self, remaining=ZERO, closed=True)

    def _shrunk(
        self,
        *,
        booked_quantity: Decimal,
        booked_count: int,
        final_quantity: Decimal | None,
        final_count: int | None,
    ) -> Hold:
        """To what its order, which exists, can still need. A closed hold never opens again."""
        limit = self.quantity if final_quantity is None else min(self.quantity, final_quantity)
        complete = final_count is not None and booked_count >= final_count
        closed = self.closed or complete or booked_quantity >= limit
        needed = ZERO if closed else amount(self.side, limit - booked_quantity, self.unit_price)
        return replace(
            self,
            remaining=min(self.remaining, needed),
            booked_quantity=booked_quantity,
            booked_count=booked_count,
            final_quantity=final_quantity,
            final_count=final_count,
            confirmed=True,
            closed=closed,
        )


@dataclass(frozen=True)
class UnconfirmedHold:
    """A hold that no order has vouched for yet."""

    hold: Hold
    user_id: UUID


@dataclass(frozen=True)
class HoldAnswer:
    hold_id: UUID
    granted: bool
    standing_hold_id: UUID | None = None
    code: str = ""
    available: Decimal | None = None
    required: Decimal | None = None


def amount(side: Side, quantity: Decimal, unit_price: Decimal) -> Decimal:
    """What is set aside: cash for a purchase, shares for a sale."""
    return share(unit_price, quantity, Decimal(1)) if side is Side.BUY else quantity


class Placing:
    """Decides a batch of holds, one after the other, on locked rows only."""

    def __init__(
        self,
        *,
        accounts: Mapping[UUID, Account],
        positions: Mapping[tuple[UUID, str], Position],
        existing: Sequence[Hold],
        now: datetime,
    ) -> None:
        self.placed: list[HoldRequest] = []
        self._accounts = accounts
        self._cash = {account_id: account.buying_power for account_id, account in accounts.items()}
        self._shares = {key: position.sellable for key, position in positions.items()}
        self._by_id = {hold.hold_id: hold for hold in existing}
        keyed = [hold for hold in existing if hold.idempotency_key]
        self._by_key = {
            (hold.account_id, hold.idempotency_key): hold.hold_id
            for hold in keyed
            if hold.answers_its_key(now)
        }
        self.outlived = [hold.hold_id for hold in keyed if not hold.answers_its_key(now)]
        self._new: dict[UUID, HoldRequest] = {}

    def decide(self, request: HoldRequest) -> HoldAnswer:
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        refusal = self._accounts[request.account_id].refusal(request.side)
        if refusal:
            return HoldAnswer(request.hold_id, granted=False, code=refusal)
        available = self._available(request)
        if request.amount > available:
            code = "insufficient_funds" if request.side is Side.BUY else "insufficient_shares"
            return HoldAnswer(
                request.hold_id,
                granted=False,
                code=code,
                available=max(available, ZERO),
                required=request.amount,
            )
        self._place(request, available)
        return HoldAnswer(request.hold_id, granted=True, standing_hold_id=request.hold_id)

    def _repeated(self, request: HoldRequest) -> HoldAnswer | None:
        """The answer to a hold that was placed before, by its id or by its key."""
        earlier = self._by_id.get(request.hold_id) or self._new.get(request.hold_id)
        if earlier is not None:
            return _answer_again(request, earlier)
        standing = self._by_key.get((request.account_id, request.idempotency_key))
        if request.idempotency_key and standing is not None:
            return HoldAnswer(request.hold_id, granted=True, standing_hold_id=standing)
        return None

    def _available(self, request: HoldRequest) -> Decimal:
        if request.side is Side.BUY:
            return self._cash[request.account_id]
        return self._shares.get((request.account_id, request.symbol), ZERO)

    def _place(self, request: HoldRequest, available: Decimal) -> None:
        left = available - request.amount
        if request.side is Side.BUY:
            self._cash[request.account_id] = left
        else:
            self._shares[(request.account_id, request.symbol)] = left
        self._new[request.hold_id] = request
        if request.idempotency_key:
            self._by_key[(request.account_id, request.idempotency_key)] = request.hold_id
        self.placed.append(request)


def _answer_again(request: HoldRequest, earlier: Hold | HoldRequest) -> HoldAnswer:
    if earlier.account_id != request.account_id:
        return HoldAnswer(request.hold_id, granted=False, code="hold_conflict")
    if isinstance(earlier, Hold) and earlier.closed and not earlier.confirmed:
        return HoldAnswer(request.hold_id, granted=False, code="hold_released")
    return HoldAnswer(request.hold_id, granted=True, standing_hold_id=request.hold_id)
