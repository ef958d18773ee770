"""The order service's neighbours, in process: holds, quotes and tokens that a test can steer."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from grpc import aio

from hub.market_data.v1 import market_data_pb2
from hub.order.v1 import order_pb2
from hub.position.v1 import position_pb2, position_pb2_grpc
from hub_errors import Invalid
from hub_market_client import QuoteCache
from hub_order.mapping import timestamp
from hub_runtime import Clock, utc_now

Context = aio.ServicerContext[Any, Any]


@dataclass
class Hold:
    request: position_pb2.HoldRequest
    placed_at: datetime
    state: str = "open"
    covered: Decimal = Decimal(0)

    @property
    def need(self) -> Decimal:
        return Decimal(self.request.quantity) * Decimal(self.request.unit_price or 1)

    @property
    def cash(self) -> Decimal:
        if not self.request.unit_price or self.state == "released":
            return Decimal(0)
        return self.need - self.covered


@dataclass
class Books(position_pb2_grpc.PositionServiceServicer):
    """Every account has the same cash and no shares, unless the test says so."""

    cash: Decimal = Decimal(1_000_000)
    shares: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def held(self, account_id: UUID | str) -> Decimal:
        mine = (hold for hold in self.holds.values() if hold.request.account_id == str(account_id))
        return sum((hold.cash for hold in mine), Decimal(0))

    async def PlaceHolds(  # noqa: N802
        self, request: position_pb2.PlaceHoldsRequest, context: Context
    ) -> position_pb2.PlaceHoldsResponse:
        self.calls.append(len(request.items))
        await self.open.wait()
        return position_pb2.PlaceHoldsResponse(results=[self._place(item) for item in request.items])

    def _place(self, item: position_pb2.HoldRequest) -> position_pb2.HoldResult:
        standing = self._standing(item)
        if standing is not None:
            return self._granted(item.hold_id, standing)
        if item.side == order_pb2.SIDE_BUY:
            code, there = "insufficient_funds", self.cash - self.held(item.account_id)
        else:
            code, there = "insufficient_shares", self.shares.get((item.account_id, item.symbol), Decimal(0))
        if item.percentage:
            if item.quantity:
                raise Invalid("Instead of a quantity.", code="percentage_not_allowed", field="percentage")
            lot = Decimal(item.lot_size or "0.00000001")
            item.quantity = str(there * Decimal(item.percentage) / 100 // lot * lot)
        new = Hold(item, datetime.now(UTC))
        replaced = self.holds.get(item.replaced_hold_id)
        new.covered = Decimal(0) if replaced is None else min(new.need, replaced.need)
        needed = (new.need or Decimal(item.lot_size or 0)) - new.covered
        if needed > there or not new.need:
            return position_pb2.HoldResult(
                hold_id=item.hold_id, code=code, available=str(there), required=str(needed)
            )
        self.holds[item.hold_id] = new
        return self._granted(item.hold_id, item.hold_id)

    def _granted(self, asked: str, standing: str) -> position_pb2.HoldResult:
        return position_pb2.HoldResult(
            hold_id=asked,
            granted=True,
            standing_hold_id=standing,
            quantity=self.holds[standing].request.quantity,
            unit_price=self.holds[standing].request.unit_price,
        )

    async def RepriceHolds(  # noqa: N802
        self, request: position_pb2.RepriceHoldsRequest, context: Context
    ) -> position_pb2.RepriceHoldsResponse:
        return position_pb2.RepriceHoldsResponse(results=[self._reprice(item) for item in request.items])

    def _reprice(self, item: position_pb2.HoldPrice) -> position_pb2.HoldResult:
        hold = self.holds.get(item.hold_id)
        if hold is None or hold.state == "released":
            return position_pb2.HoldResult(hold_id=item.hold_id, code="hold_released")
        if not hold.request.unit_price or hold.request.by_value:
            return self._granted(item.hold_id, item.hold_id)
        rise = Decimal(hold.request.quantity) * (Decimal(item.unit_price) - Decimal(hold.request.unit_price))
        there = self.cash - self.held(hold.request.account_id)
        if rise > max(there, Decimal(0)):
            return position_pb2.HoldResult(
                hold_id=item.hold_id, code="insufficient_funds", available=str(there), required=str(rise)
            )
        hold.request.unit_price = item.unit_price
        return self._granted(item.hold_id, item.hold_id)

    async def GetAccount(  # noqa: N802
        self, request: position_pb2.GetAccountRequest, context: Context
    ) -> position_pb2.GetAccountResponse:
        raise NotImplementedError

    async def SetAccountState(  # noqa: N802
        self, request: position_pb2.SetAccountStateRequest, context: Context
    ) -> position_pb2.SetAccountStateResponse:
        raise NotImplementedError

    def _standing(self, item: position_pb2.HoldRequest) -> str | None:
        if item.hold_id in self.holds:
            return item.hold_id
        if not item.idempotency_key:
            return None
        for hold_id, hold in self.holds.items():
            same = hold.request.account_id, hold.request.idempotency_key
            if same == (item.account_id, item.idempotency_key) and hold.state != "released":
                return hold_id
        return None

    async def ListUnconfirmedHolds(  # noqa: N802
        self, request: position_pb2.ListUnconfirmedHoldsRequest, context: Context
    ) -> position_pb2.ListUnconfirmedHoldsResponse:
        before = request.placed_before.ToDatetime(UTC)
        found = [
            position_pb2.UnconfirmedHold(
                hold_id=hold_id,
                order_id=hold.request.order_id,
                account_id=hold.request.account_id,
                user_id=hold.request.user_id,
                side=hold.request.side,
                symbol=hold.request.symbol,
                quantity=hold.request.quantity,
            )
            for hold_id, hold in self.holds.items()
            if hold.state == "open" and hold.placed_at < before
        ]
        return position_pb2.ListUnconfirmedHoldsResponse(holds=found[: request.limit])

    async def SettleHolds(  # noqa: N802
        self, request: position_pb2.SettleHoldsRequest, context: Context
    ) -> position_pb2.SettleHoldsResponse:
        for hold_id in request.confirmed_hold_ids:
            self.holds[hold_id].state = "confirmed"
        for hold_id in request.released_hold_ids:
            self.holds[hold_id].state = "released"
        return position_pb2.SettleHoldsResponse()


class Tape:
    """Writes quotes, hours and halts into a cache. The market is open, and quotes are fresh, unless the test
    says otherwise."""

    def __init__(self, symbols: Sequence[str] = ("AAPL", "MSFT"), clock: Clock = utc_now) -> None:
        self.clock = clock
        self.cache = QuoteCache(clock)
        self.seq: dict[str, int] = defaultdict(int)
        self.instruments = [self._instrument(symbol) for symbol in symbols]
        day = timedelta(days=1)
        self.sessions = [(clock() - day, clock() + day)]
        self.calendar, self.timezone = "24x7", "UTC"
        self._snapshot()
        for symbol in symbols:
            self.quote(symbol, "99", "100")

    def halt(self, symbol: str, *, halted: bool = True) -> None:
        for instrument in self.instruments:
            if instrument.symbol == symbol:
                instrument.halted = halted
        self._snapshot()

    def whole_shares(self, symbol: str) -> None:
        for instrument in self.instruments:
            if instrument.symbol == symbol:
                instrument.fractionable = False
        self._snapshot()

    def hours(self, *sessions: tuple[datetime, datetime]) -> None:
        """From when to when the market is open, in the market's time."""
        self.sessions = [*sessions]
        self._snapshot()

    def exchange(self, calendar: str, timezone: str, *sessions: tuple[datetime, datetime]) -> None:
        """All instruments trade by this calendar, which has these sessions."""
        self.calendar, self.timezone = calendar, timezone
        for instrument in self.instruments:
            instrument.calendar = calendar
        self.hours(*sessions)

    def time(self, market_time: datetime) -> None:
        """Moves the market's clock."""
        self.cache.apply(market_data_pb2.StreamQuotesResponse(market_time=timestamp(market_time)))

    def feed_lived(self, *, since_s: float, until_s: float) -> None:
        """From so many seconds ago until so many seconds ago."""
        now = self.clock()
        life = market_data_pb2.FeedLife(
            epoch=1,
            since=timestamp(now - timedelta(seconds=since_s)),
            until=timestamp(now - timedelta(seconds=until_s)),
        )
        self.cache.apply(market_data_pb2.StreamQuotesResponse(feed_life=life))

    def _snapshot(self) -> None:
        sessions = [
            market_data_pb2.Session(
                calendar=self.calendar,
                opens_at=timestamp(opens_at),
                closes_at=timestamp(closes_at),
                day=opens_at.date().isoformat(),
            )
            for opens_at, closes_at in self.sessions
        ]
        calendar = market_data_pb2.TradingCalendar(
            calendar=self.calendar, timezone=self.timezone, always_open=self.calendar == "24x7"
        )
        snapshot = market_data_pb2.Snapshot(
            instruments=self.instruments,
            sessions=sessions,
            epoch=1,
            market_time=timestamp(self.clock()),
            calendars=[calendar],
        )
        self.cache.apply(market_data_pb2.StreamQuotesResponse(snapshot=snapshot))

    def quote(self, symbol: str, bid: str, ask: str, *, age_s: float = 0.0, **extremes: str) -> None:
        self.seq[symbol] += 1
        age = timedelta(seconds=age_s)
        market_time = max(self.clock(), self.cache.market_time()) - age
        quote = market_data_pb2.Quote(
            symbol=symbol,
            epoch=1,
            seq=self.seq[symbol],
            bid=bid,
            ask=ask,
            market_time=timestamp(market_time),
            received_at=timestamp(self.clock() - age),
            **{"bid_size": "500", "ask_size": "500", **extremes},
        )
        message = market_data_pb2.StreamQuotesResponse(quotes=[quote], market_time=timestamp(market_time))
        self.cache.apply(message)

    @staticmethod
    def _instrument(symbol: str) -> market_data_pb2.Instrument:
        return market_data_pb2.Instrument(
            symbol=symbol,
            name=symbol,
            asset_class=market_data_pb2.ASSET_CLASS_STOCK,
            tick_size="0.01",
            lot_size="1",
            fractionable=True,
            tradable=True,
            calendar="24x7",
        )
