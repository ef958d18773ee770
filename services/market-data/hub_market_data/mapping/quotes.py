"""Quotes, and what a snapshot has beside them."""

from __future__ import annotations

from decimal import Decimal

from hub.market_data.v1 import market_data_pb2 as pb
from hub_market_data.board import Snapshot
from hub_market_data.domain.ticks import FeedLife, Quote
from hub_market_data.mapping.catalogue import (
    calendar_to_proto,
    instrument_to_proto,
    session_to_proto,
    settlement_calendar_to_proto,
)
from hub_market_data.mapping.times import moment, timestamp
from hub_money import to_text


def quote_to_proto(quote: Quote) -> pb.Quote:
    return pb.Quote(
        symbol=quote.symbol,
        epoch=quote.epoch,
        seq=quote.seq,
        bid=to_text(quote.bid),
        bid_size=to_text(quote.bid_size),
        ask=to_text(quote.ask),
        ask_size=to_text(quote.ask_size),
        last=to_text(quote.last),
        open=to_text(quote.open),
        high=to_text(quote.high),
        low=to_text(quote.low),
        previous_close=to_text(quote.previous_close),
        volume=to_text(quote.volume),
        market_time=timestamp(quote.market_time),
        received_at=timestamp(quote.received_at),
        low_ask=to_text(quote.low_ask),
        high_bid=to_text(quote.high_bid),
    )


def life_to_proto(life: FeedLife) -> pb.FeedLife:
    return pb.FeedLife(epoch=life.epoch, since=timestamp(life.since), until=timestamp(life.until))


def life_from_proto(life: pb.FeedLife) -> FeedLife:
    return FeedLife(epoch=life.epoch, since=moment(life.since), until=moment(life.until))


def quote_from_proto(quote: pb.Quote) -> Quote:
    return Quote(
        symbol=quote.symbol,
        epoch=quote.epoch,
        seq=quote.seq,
        bid=Decimal(quote.bid),
        bid_size=Decimal(quote.bid_size),
        ask=Decimal(quote.ask),
        ask_size=Decimal(quote.ask_size),
        last=Decimal(quote.last),
        open=Decimal(quote.open),
        high=Decimal(quote.high),
        low=Decimal(quote.low),
        previous_close=Decimal(quote.previous_close),
        volume=Decimal(quote.volume),
        market_time=moment(quote.market_time),
        received_at=moment(quote.received_at),
        low_ask=Decimal(quote.low_ask),
        high_bid=Decimal(quote.high_bid),
    )


def catalogue_to_proto(news: Snapshot) -> pb.Snapshot:
    """All of it but quotes and market time."""
    return pb.Snapshot(
        instruments=map(instrument_to_proto, news.instruments),
        sessions=map(session_to_proto, news.sessions),
        settlement_calendars=[
            settlement_calendar_to_proto(calendar, days) for calendar, days in news.settlement_days.items()
        ],
        calendars=map(calendar_to_proto, news.calendars),
        epoch=news.epoch,
    )
