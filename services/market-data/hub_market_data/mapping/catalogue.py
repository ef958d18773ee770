"""Instruments and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from hub.market_data.v1 import market_data_pb2 as pb
from hub_errors import Invalid
from hub_market_data.domain.calendars import Calendar, MarketClock, Session
from hub_market_data.domain.instruments import AssetClass, Instrument, Statistics
from hub_market_data.mapping.times import timestamp
from hub_money import to_text

_ASSET_CLASSES = {
    AssetClass.STOCK: pb.ASSET_CLASS_STOCK,
    AssetClass.ETF: pb.ASSET_CLASS_ETF,
    AssetClass.BOND: pb.ASSET_CLASS_BOND,
    AssetClass.CRYPTO: pb.ASSET_CLASS_CRYPTO,
    AssetClass.FUND: pb.ASSET_CLASS_FUND,
}


def instrument_to_proto(instrument: Instrument) -> pb.Instrument:
    return pb.Instrument(
        symbol=instrument.symbol,
        name=instrument.name,
        asset_class=_ASSET_CLASSES[instrument.asset_class],
        exchange=instrument.exchange,
        currency=instrument.currency,
        tick_size=to_text(instrument.tick_size),
        lot_size=to_text(instrument.lot_size),
        fractionable=instrument.fractionable,
        tradable=instrument.tradable,
        halted=instrument.halted,
        calendar=instrument.calendar,
        min_quantity=to_text(instrument.min_quantity),
        max_quantity=to_text(instrument.max_quantity),
        shortable=instrument.shortable,
        sector=instrument.sector,
        description=instrument.description,
        settlement_calendar=instrument.settlement_calendar,
        halt_reason=instrument.halt_reason,
    )


def session_to_proto(session: Session) -> pb.Session:
    return pb.Session(
        calendar=session.calendar,
        day=session.day.isoformat(),
        opens_at=timestamp(session.opens_at),
        closes_at=timestamp(session.closes_at),
    )


def calendar_to_proto(calendar: Calendar) -> pb.TradingCalendar:
    return pb.TradingCalendar(
        calendar=calendar.calendar, timezone=calendar.timezone, always_open=calendar.always_open
    )


def settlement_calendar_to_proto(calendar: str, days: Sequence[date]) -> pb.SettlementCalendar:
    return pb.SettlementCalendar(calendar=calendar, days=[day.isoformat() for day in days])


def clock_to_proto(clock: MarketClock) -> pb.GetClockResponse:
    return pb.GetClockResponse(
        calendar=clock.calendar.calendar,
        market_time=timestamp(clock.market_time),
        is_open=clock.is_open,
        next_open=timestamp(clock.next_open) if clock.next_open else None,
        next_close=timestamp(clock.next_close) if clock.next_close else None,
        timezone=clock.calendar.timezone,
    )


def statistics_to_proto(instrument: Instrument, statistics: Statistics) -> pb.GetInstrumentResponse:
    return pb.GetInstrumentResponse(
        instrument=instrument_to_proto(instrument),
        high_52_weeks=_text(statistics.high_52_weeks),
        low_52_weeks=_text(statistics.low_52_weeks),
        average_volume=_text(statistics.average_volume),
        dividends_52_weeks=_text(statistics.dividends_52_weeks),
        previous_close=_text(statistics.previous_close),
    )


def read_asset_class(number: int) -> AssetClass | None:
    """None: any. Raises Invalid for a number that has no name."""
    if number == pb.ASSET_CLASS_UNSPECIFIED:
        return None
    for asset_class, known in _ASSET_CLASSES.items():
        if known == number:
            return asset_class
    raise Invalid("There is no such asset class.", code="invalid_asset_class", field="asset_class")


def _text(number: Decimal | None) -> str:
    return "" if number is None else to_text(number)
