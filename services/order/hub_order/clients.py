"""What this service asks of others: holds of the position service, and the live copy of the market's data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from grpc import aio

from hub.position.v1 import position_pb2, position_pb2_grpc
from hub_market_client import Instrument, QuoteCache, Session
from hub_market_client import Quote as MarketQuote
from hub_money import to_text
from hub_order import mapping
from hub_order.domain import Quote, Side
from hub_order.hours import ExtendedHours, Hours
from hub_order.risk import Draft, Facts, Limits, protection_price
from hub_order.trading_times import TradingTimes
from hub_postgres import Uuid
from hub_runtime import Clock, counter, span, utc_now

LOOK_S = 0.5
MOST_HOLDS = 64
CENT = Decimal("0.01")

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
    percentage: Decimal | None = None
    lot_size: Decimal | None = None
    """What a percentage is rounded down to a multiple of."""
    by_value: bool = False
    replaced_hold_id: UUID | None = None
    replaced_filled_quantity: Decimal | None = None
    """What of the replaced order was filled, booked or not: that pays for nothing else."""
    replaced_may_fill: bool = False
    """It may still be filled while both hold."""
    most_position: Decimal | None = None
    asset_class: str = ""
    """For the fee that its trades cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAnswer:
    """`quantity` and `unit_price` are those of the hold that stands, which may have been placed before."""

    granted: bool
    standing_hold_id: UUID | None
    code: str
    available: Decimal | None
    required: Decimal | None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None


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
        answers = {Uuid(result.hold_id): _hold_answer(result) for result in response.results}
        return [answers[request.hold_id] for request in requests]

    async def reprice_holds(self, prices: Mapping[UUID, Decimal]) -> dict[UUID, bool]:
        """By hold, its new cash per share; answers for each hold whether it stands at that price."""
        granted: dict[UUID, bool] = {}
        items = [
            position_pb2.HoldPrice(hold_id=str(hold_id), unit_price=to_text(price))
            for hold_id, price in prices.items()
        ]
        for start in range(0, len(items), MOST_HOLDS):
            request = position_pb2.RepriceHoldsRequest(items=items[start : start + MOST_HOLDS])
            response = await self._stub.RepriceHolds(request)
            granted |= {Uuid(result.hold_id): result.granted for result in response.results}
        return granted

    async def unconfirmed_holds(self, *, placed_before: datetime, limit: int) -> list[UnconfirmedHold]:
        response = await self._stub.ListUnconfirmedHolds(
            position_pb2.ListUnconfirmedHoldsRequest(
                placed_before=mapping.timestamp(placed_before), limit=limit
            )
        )
        return [_unconfirmed(hold) for hold in response.holds]

    async def give_back(self, hold_ids: Sequence[UUID]) -> list[None]:
        """Of orders that will never be."""
        await self.settle_holds(confirmed=[], released=hold_ids)
        return [None] * len(hold_ids)

    async def settle_holds(self, *, confirmed: Sequence[UUID], released: Sequence[UUID]) -> None:
        await self._stub.SettleHolds(
            position_pb2.SettleHoldsRequest(
                confirmed_hold_ids=[str(hold_id) for hold_id in confirmed],
                released_hold_ids=[str(hold_id) for hold_id in released],
            )
        )


class Market:
    """The quote cache as the rules and the worker see it: what trades now, and at which price."""

    def __init__(
        self,
        cache: QuoteCache,
        *,
        max_age_s: float,
        extended: ExtendedHours | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._cache = cache
        self._hours = Hours(cache, extended)
        self._max_age_s = max_age_s
        self._clock = clock
        self._times = TradingTimes()

    @property
    def loaded(self) -> bool:
        return self._cache.loaded.is_set()

    def state(self) -> str:
        return self._cache.state()

    def time(self) -> datetime:
        """The market's own clock."""
        return self._cache.market_time()

    def updates(self) -> AsyncGenerator[MarketQuote, None]:
        """Every change from here on, for one reader; use `aclosing`."""
        return self._cache.updates()

    def instrument(self, symbol: str) -> Instrument | None:
        return self._cache.instrument(symbol)

    def facts(
        self,
        draft: Draft,
        limits: Limits,
        *,
        retry_after_s: float | None = None,
        open_orders: int = 0,
        opposing_price: Decimal | None = None,
    ) -> Facts:
        """The market as it is now, beside how the account stands."""
        market = self._cache.quote(draft.symbol)
        session = self._cache.session(draft.symbol)
        following = self._cache.next_session(draft.symbol)
        return Facts(
            draft=draft,
            limits=limits,
            instrument=self._cache.instrument(draft.symbol),
            quote=None if market is None else mapping.quote(market),
            fresh=market is not None and self._cache.fresh(market, self._max_age_s),
            session_open=session is not None,
            opening=session is not None and self._just_opened(session),
            opens_at=None if following is None else following.opens_at,
            extended_hours=self._hours.offered,
            extended_hours_here=draft.extended_hours and self._hours.extended(draft.symbol),
            retry_after_s=retry_after_s,
            open_orders=open_orders,
            opposing_price=opposing_price,
        )

    def _just_opened(self, session: Session) -> bool:
        """Its first quotes are still on their way: until they come it is as before the open."""
        return self._cache.market_time() - session.opens_at < timedelta(seconds=self._max_age_s)

    def closes_at(self, symbol: str, *, extended: bool = False) -> datetime | None:
        """When the session ends that an order of now is for: the one that runs, or the next one. `extended`,
        here and below: for an order with extended hours."""
        hours = self._hours
        session = hours.running(symbol, extended=extended) or hours.coming(symbol, extended=extended)
        return None if session is None else session.closes_at

    def protection_price(self, symbol: str, ask: Decimal, *, fraction: Decimal) -> Decimal:
        """The most a purchase at this ask may cost per share."""
        instrument = self._cache.instrument(symbol)
        tick = CENT if instrument is None else instrument.tick_size
        return protection_price(ask, fraction=fraction, tick=tick)

    def trades(self, symbol: str, *, extended: bool = False) -> bool:
        """Whether a session is running and the instrument is not halted."""
        instrument = self._cache.instrument(symbol)
        if instrument is None or instrument.halted:
            return False
        return self._hours.running(symbol, extended=extended) is not None

    def usable(self, symbol: str, *, extended: bool = False) -> Quote | None:
        """The quote that an order can be filled from now."""
        market = self._cache.quote(symbol)
        if market is None or self.session_of(market, extended=extended) is None:
            return None
        return mapping.quote(market)

    def session_of(self, market: MarketQuote, *, extended: bool = False) -> Session | None:
        """The session in which a venue would deal at this quote now; None where it would not."""
        fresh = self._cache.fresh(market, self._max_age_s)
        return self._session_at(market.symbol, market.market_time, extended=extended) if fresh else None

    def deals(self, symbol: str, quoted_at: datetime, *, extended: bool = False) -> bool:
        """Whether a venue still deals at a quote of that market time, which somebody else has found fresh."""
        return self._session_at(symbol, quoted_at, extended=extended) is not None

    def _session_at(self, symbol: str, quoted_at: datetime, *, extended: bool) -> Session | None:
        """A quote counts in its own session only. The one who quotes may be ahead of us by a moment, so this
        may be the session that is about to begin."""
        instrument = self._cache.instrument(symbol)
        if instrument is None or instrument.halted:
            return None
        hours = self._hours
        sessions = hours.running(symbol, extended=extended), hours.coming(symbol, extended=extended)
        return next((s for s in sessions if s is not None and s.opens_at <= quoted_at < s.closes_at), None)

    def traded_for(self, symbol: str, *, since: datetime, now: datetime) -> timedelta:
        """How much open market there was, in wall time."""
        self._look_at(symbol)
        return self._times.traded(symbol, since=since, now=now)

    def traded_before(self, age: timedelta) -> dict[str, datetime]:
        """For each instrument the time before which an order is older than `age` of open market."""
        now = self._clock()
        found = {}
        for symbol in self._cache.symbols():
            self._look_at(symbol)
            before = self._times.before(symbol, age=age, now=now)
            if before is not None:
                found[symbol] = before
        return found

    async def watch(self) -> None:
        """The forever-job that notes when instruments trade."""
        while True:
            for symbol in self._cache.symbols():
                self._look_at(symbol)
            await asyncio.sleep(LOOK_S)

    def _look_at(self, symbol: str) -> None:
        session = self._cache.session(symbol) if self.trades(symbol) else None
        open_for = None if session is None else self._cache.market_time() - session.opens_at
        self._times.see(symbol, open_for=open_for, now=self._clock())


def _hold_message(request: HoldRequest) -> position_pb2.HoldRequest:
    return position_pb2.HoldRequest(
        hold_id=str(request.hold_id),
        order_id=str(request.order_id),
        account_id=str(request.account_id),
        user_id=str(request.user_id),
        side=mapping.SIDE_NUMBERS[request.side],
        symbol=request.symbol,
        quantity=to_text(request.quantity) if request.percentage is None else "",
        unit_price="" if request.unit_price is None else to_text(request.unit_price),
        idempotency_key=request.idempotency_key,
        percentage="" if request.percentage is None else to_text(request.percentage),
        lot_size="" if request.lot_size is None else to_text(request.lot_size),
        by_value=request.by_value,
        replaced_hold_id="" if request.replaced_hold_id is None else str(request.replaced_hold_id),
        replaced_filled_quantity=mapping.optional(request.replaced_filled_quantity),
        replaced_may_fill=request.replaced_may_fill,
        most_position="" if request.most_position is None else to_text(request.most_position),
        asset_class=request.asset_class,
    )


def _hold_answer(result: position_pb2.HoldResult) -> HoldAnswer:
    return HoldAnswer(
        granted=result.granted,
        standing_hold_id=Uuid(result.standing_hold_id) if result.standing_hold_id else None,
        code=result.code,
        available=Decimal(result.available) if result.available else None,
        required=Decimal(result.required) if result.required else None,
        quantity=Decimal(result.quantity) if result.quantity else None,
        unit_price=Decimal(result.unit_price) if result.unit_price else None,
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
