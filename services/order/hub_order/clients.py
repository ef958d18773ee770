"""What this service asks of others: holds of the position service, and the live copy of the market's data."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from grpc import aio

from hub.position.v1 import position_pb2, position_pb2_grpc
from hub_market_client import Quote as MarketQuote
from hub_market_client import QuoteCache
from hub_money import to_text
from hub_order import mapping
from hub_order.domain import Quote, Side
from hub_order.risk import Draft, Facts, Limits
from hub_runtime import counter, span

PLACE_HOLDS_CALLS = counter("hub_order_place_holds_calls_total", "PlaceHolds calls made")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    hold_id: UUID
    order_id: UUID
    account_id: UUID
    user_id: UUID
    side: Side
    symbol: str
    quantity: Decimal
    unit_price: Decimal | None
    idempotency_key: str
    traceparent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAnswer:
    granted: bool
    standing_hold_id: UUID | None
    code: str
    available: Decimal | None
    required: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnconfirmedHold:
    hold_id: UUID
    order_id: UUID
    account_id: UUID
    user_id: UUID
    side: Side
    symbol: str
    quantity: Decimal


class Position:
    """The position service, over a channel of `hub_rpc`."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = position_pb2_grpc.PositionServiceStub(channel)

    async def place_holds(self, requests: Sequence[HoldRequest]) -> list[HoldAnswer]:
        """An answer for each, in their order."""
        message = position_pb2.PlaceHoldsRequest(items=[_hold_message(request) for request in requests])
        PLACE_HOLDS_CALLS.inc()
        with span("order.hold", links=[request.traceparent for request in requests]):
            response = await self._stub.PlaceHolds(message)
        answers = {UUID(result.hold_id): _hold_answer(result) for result in response.results}
        return [answers[request.hold_id] for request in requests]

    async def unconfirmed_holds(self, *, placed_before: datetime, limit: int) -> list[UnconfirmedHold]:
        response = await self._stub.ListUnconfirmedHolds(
            position_pb2.ListUnconfirmedHoldsRequest(
                placed_before=mapping.timestamp(placed_before), limit=limit
            )
        )
        return [_unconfirmed(hold) for hold in response.holds]

    async def settle_holds(self, *, confirmed: Sequence[UUID], released: Sequence[UUID]) -> None:
        await self._stub.SettleHolds(
            position_pb2.SettleHoldsRequest(
                confirmed_hold_ids=[str(hold_id) for hold_id in confirmed],
                released_hold_ids=[str(hold_id) for hold_id in released],
            )
        )


class Market:
    """The quote cache as the rules and the worker see it: a price is there, and fresh, or it is not."""

    def __init__(self, cache: QuoteCache, *, max_age_s: float) -> None:
        self._cache = cache
        self._max_age_s = max_age_s

    @property
    def loaded(self) -> bool:
        return self._cache.loaded.is_set()

    def state(self) -> str:
        return self._cache.state()

    def updates(self) -> AsyncGenerator[MarketQuote, None]:
        """Every change from here on, for one reader; use `aclosing`."""
        return self._cache.updates()

    def facts(self, draft: Draft, limits: Limits) -> Facts:
        market = self._cache.quote(draft.symbol)
        instrument = self._cache.instrument(draft.symbol)
        return Facts(
            draft=draft,
            limits=limits,
            instrument=instrument,
            quote=None if market is None else mapping.quote(market),
            fresh=market is not None and self._cache.fresh(market, self._max_age_s),
            session_open=instrument is not None and self._cache.session_open(draft.symbol),
        )

    def usable(self, symbol: str) -> Quote | None:
        """The quote that an order can be filled from now."""
        market = self._cache.quote(symbol)
        return mapping.quote(market) if market is not None and self.fills(market) else None

    def fills(self, market: MarketQuote) -> bool:
        """Whether a venue would deal at this quote: trading goes on, and the quote is fresh."""
        instrument = self._cache.instrument(market.symbol)
        if instrument is None or instrument.halted or not self._cache.session_open(market.symbol):
            return False
        return self._cache.fresh(market, self._max_age_s)


def _hold_message(request: HoldRequest) -> position_pb2.HoldRequest:
    return position_pb2.HoldRequest(
        hold_id=str(request.hold_id),
        order_id=str(request.order_id),
        account_id=str(request.account_id),
        user_id=str(request.user_id),
        side=mapping.SIDE_NUMBERS[request.side],
        symbol=request.symbol,
        quantity=to_text(request.quantity),
        unit_price="" if request.unit_price is None else to_text(request.unit_price),
        idempotency_key=request.idempotency_key,
    )


def _hold_answer(result: position_pb2.HoldResult) -> HoldAnswer:
    return HoldAnswer(
        granted=result.granted,
        standing_hold_id=UUID(result.standing_hold_id) if result.standing_hold_id else None,
        code=result.code,
        available=Decimal(result.available) if result.available else None,
        required=Decimal(result.required) if result.required else None,
    )


def _unconfirmed(hold: position_pb2.UnconfirmedHold) -> UnconfirmedHold:
    return UnconfirmedHold(
        hold_id=UUID(hold.hold_id),
        order_id=UUID(hold.order_id),
        account_id=UUID(hold.account_id),
        user_id=UUID(hold.user_id),
        side=mapping.SIDES[hold.side],
        symbol=hold.symbol,
        quantity=Decimal(hold.quantity),
    )
