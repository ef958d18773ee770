"""PositionService: message -> values -> use case -> message. The account is the verified caller's, never
a field's, except in the calls that only the order service or an administrator may make."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc

from hub.position.v1 import position_pb2, position_pb2_grpc
from hub_batching import Batcher
from hub_errors import Invalid, Refused
from hub_identity import Trust, current_principal, require_role
from hub_money import to_text
from hub_position import mapping
from hub_position.domain.cash import OWNER, Movement, MovementKind
from hub_position.domain.fees import FeeSchedule
from hub_position.domain.placing import HoldAnswer, HoldRequest
from hub_position.store import Reads
from hub_position.usecases import (
    Moved,
    get_account,
    get_balance,
    get_books,
    move_cash,
    reprice_holds,
    set_account_state,
    settle_holds,
)
from hub_postgres import Pool
from hub_rpc import remaining_s
from hub_runtime import Clock, counted, counter, uuid7

Context = grpc.aio.ServicerContext[Any, Any]
Holds = Batcher[Sequence[HoldRequest], Sequence[HoldAnswer]]

HOLDS = counter("hub_position_holds_total", "Holds asked for, by answer", ("answer",))
MOVED = counter("hub_position_cash_movements_total", "Deposits, withdrawals and adjustments made", ("kind",))
REPRICED = counter("hub_position_repriced_holds_total", "Holds given another price, by answer", ("answer",))
HOLD_TIMEOUT_S = 5.0
MOST_HOLDS = 64
MOST_LISTED = 500
MOST_POSTINGS = 100
DEFAULT_POSTINGS = 50
LONGEST_REASON = 500


class PositionRpc(position_pb2_grpc.PositionServiceServicer):
    def __init__(
        self,
        *,
        pool: Pool,
        trust: Trust,
        holds: Holds,
        deposit: Decimal,
        most_deposit: Decimal,
        fees: FeeSchedule,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._reads = Reads(pool)
        self._trust = trust
        self._holds = holds
        self._deposit = deposit
        self._most_deposit = most_deposit
        self._fees = fees
        self._clock = clock

    async def PlaceHolds(
        self, request: position_pb2.PlaceHoldsRequest, context: Context
    ) -> position_pb2.PlaceHoldsResponse:
        mapping.at_most(len(request.items), MOST_HOLDS, "items")
        if not request.items:
            return position_pb2.PlaceHoldsResponse()
        requests = [mapping.read_hold_request(item, self._fees) for item in request.items]
        answers = await self._holds.submit(requests, remaining_s() or HOLD_TIMEOUT_S)
        for answer in answers:
            counted(HOLDS, "granted" if answer.granted else answer.code).inc()
        return position_pb2.PlaceHoldsResponse(results=[mapping.hold_result(answer) for answer in answers])

    async def RepriceHolds(
        self, request: position_pb2.RepriceHoldsRequest, context: Context
    ) -> position_pb2.RepriceHoldsResponse:
        mapping.at_most(len(request.items), MOST_HOLDS, "items")
        if not request.items:
            return position_pb2.RepriceHoldsResponse()
        prices = [mapping.read_hold_price(item) for item in request.items]
        answers = await reprice_holds(prices, pool=self._pool)
        for answer in answers:
            REPRICED.labels("granted" if answer.granted else answer.code).inc()
        return position_pb2.RepriceHoldsResponse(results=[mapping.hold_result(answer) for answer in answers])

    async def ListUnconfirmedHolds(
        self, request: position_pb2.ListUnconfirmedHoldsRequest, context: Context
    ) -> position_pb2.ListUnconfirmedHoldsResponse:
        mapping.at_most(request.limit, MOST_LISTED, "limit")
        found = await self._reads.unconfirmed_holds(
            placed_before=mapping.read_time(request.placed_before, "placed_before"),
            limit=max(request.limit, 0) or MOST_LISTED,
        )
        return position_pb2.ListUnconfirmedHoldsResponse(
            holds=[mapping.unconfirmed_hold(hold) for hold in found]
        )

    async def SettleHolds(
        self, request: position_pb2.SettleHoldsRequest, context: Context
    ) -> position_pb2.SettleHoldsResponse:
        mapping.at_most(
            len(request.confirmed_hold_ids) + len(request.released_hold_ids), 2 * MOST_LISTED, "hold_ids"
        )
        confirmed, released = await settle_holds(
            confirmed=[mapping.read_uuid(text, "confirmed_hold_ids") for text in request.confirmed_hold_ids],
            released=[mapping.read_uuid(text, "released_hold_ids") for text in request.released_hold_ids],
            pool=self._pool,
            now=self._clock(),
        )
        return position_pb2.SettleHoldsResponse(confirmed=confirmed, released=released)

    async def GetAccount(
        self, request: position_pb2.GetAccountRequest, context: Context
    ) -> position_pb2.GetAccountResponse:
        self._administrator()
        account_id = mapping.read_uuid(request.account_id, "account_id")
        found = await get_account(account_id, pool=self._pool)
        return position_pb2.GetAccountResponse(account=mapping.account_state(found))

    async def SetAccountState(
        self, request: position_pb2.SetAccountStateRequest, context: Context
    ) -> position_pb2.SetAccountStateResponse:
        actor = self._administrator()
        reason = _reason(request.reason)
        found = await set_account_state(
            mapping.read_uuid(request.account_id, "account_id"),
            status=mapping.read_status(request.status),
            trading_state=mapping.read_trading_state(request.trading_state),
            reason=reason,
            actor=actor,
            pool=self._pool,
            now=self._clock(),
        )
        return position_pb2.SetAccountStateResponse(account=mapping.account_state(found))

    def _administrator(self) -> str:
        """Who acts. Raises Denied for who may not."""
        principal = current_principal(self._trust)
        require_role(principal, "admin")
        return f"admin:{principal.user_id}"

    async def GetBalance(
        self, request: position_pb2.GetBalanceRequest, context: Context
    ) -> position_pb2.GetBalanceResponse:
        account_id, user_id = self._caller()
        found = await get_balance(account_id, user_id, pool=self._pool, deposit=self._deposit)
        return mapping.balance(found)

    async def ListPositions(
        self, request: position_pb2.ListPositionsRequest, context: Context
    ) -> position_pb2.ListPositionsResponse:
        account_id, _ = self._caller()
        found = await self._reads.positions(account_id)
        return position_pb2.ListPositionsResponse(positions=[mapping.position(each) for each in found])

    async def GetBooks(
        self, request: position_pb2.GetBooksRequest, context: Context
    ) -> position_pb2.GetBooksResponse:
        account_id, user_id = self._caller()
        found = await get_books(account_id, user_id, pool=self._pool, deposit=self._deposit)
        return mapping.books(found.balance, found.positions)

    async def ListPostings(
        self, request: position_pb2.ListPostingsRequest, context: Context
    ) -> position_pb2.ListPostingsResponse:
        account_id, _ = self._caller()
        mapping.at_most(request.page_size, MOST_POSTINGS, "page_size")
        size = max(request.page_size, 0) or DEFAULT_POSTINGS
        page = await self._reads.postings(
            account_id,
            before=mapping.read_before(request),
            limit=size + 1,
            with_totals=not request.without_totals,
        )
        return mapping.ledger_page(page, size)

    async def Deposit(
        self, request: position_pb2.DepositRequest, context: Context
    ) -> position_pb2.DepositResponse:
        amount = mapping.read_cash(request.amount)
        if amount > self._most_deposit:
            sentence = f"At most {to_text(self._most_deposit)} can be paid in at once."
            raise Refused(sentence, code="deposit_too_large", field="amount")
        account_id = await self._own_account()
        moved = await self._move(account_id, MovementKind.DEPOSIT, amount, key=request.idempotency_key)
        return position_pb2.DepositResponse(
            movement=mapping.movement(moved.movement), replayed=moved.replayed
        )

    async def Withdraw(
        self, request: position_pb2.WithdrawRequest, context: Context
    ) -> position_pb2.WithdrawResponse:
        amount = mapping.read_cash(request.amount)
        account_id = await self._own_account()
        moved = await self._move(account_id, MovementKind.WITHDRAWAL, -amount, key=request.idempotency_key)
        return position_pb2.WithdrawResponse(
            movement=mapping.movement(moved.movement), replayed=moved.replayed
        )

    async def AdjustCash(
        self, request: position_pb2.AdjustCashRequest, context: Context
    ) -> position_pb2.AdjustCashResponse:
        actor = self._administrator()
        moved = await self._move(
            mapping.read_uuid(request.account_id, "account_id"),
            MovementKind.ADJUSTMENT,
            mapping.read_cash(request.amount, signed=True),
            key=request.idempotency_key,
            actor=actor,
            reason=_reason(request.reason),
        )
        return position_pb2.AdjustCashResponse(
            movement=mapping.movement(moved.movement), replayed=moved.replayed
        )

    async def ListCashMovements(
        self, request: position_pb2.ListCashMovementsRequest, context: Context
    ) -> position_pb2.ListCashMovementsResponse:
        account_id, _ = self._caller()
        mapping.at_most(request.page_size, MOST_POSTINGS, "page_size")
        size = max(request.page_size, 0) or DEFAULT_POSTINGS
        before = mapping.read_movement_token(request.page_token)
        found = await self._reads.movements(account_id, before=before, limit=size + 1)
        return mapping.movements_page(found, size)

    def _caller(self) -> tuple[UUID, UUID]:
        """Account and user, as the verified token says."""
        principal = current_principal(self._trust)
        return (
            mapping.read_uuid(principal.account_id, "account_id"),
            mapping.read_uuid(principal.user_id, "user_id"),
        )

    async def _own_account(self) -> UUID:
        """The caller's, opened on first touch."""
        account_id, user_id = self._caller()
        await get_balance(account_id, user_id, pool=self._pool, deposit=self._deposit)
        return account_id

    async def _move(
        self,
        account_id: UUID,
        kind: MovementKind,
        amount: Decimal,
        *,
        key: str,
        actor: str = OWNER,
        reason: str = "",
    ) -> Moved:
        now = self._clock()
        movement = Movement(
            movement_id=uuid7(),
            account_id=account_id,
            kind=kind,
            amount=amount,
            actor=actor,
            reason=reason,
            key=mapping.read_key(key),
            moved_at=now,
        )
        moved = await move_cash(movement, pool=self._pool, now=now)
        if not moved.replayed:
            MOVED.labels(kind.value).inc()
        return moved


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise Invalid("reason is missing.", code="missing", field="reason")
    mapping.at_most(len(reason), LONGEST_REASON, "the length of reason")
    return reason
