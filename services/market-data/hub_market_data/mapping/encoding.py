"""What streams are told, as bytes: a quote and a catalogue are encoded once, however many streams there are.

Messages of protobuf may be cut into parts: what is written one after the other is read as one, fields of the
same part are merged. So each part is encoded by itself, and a message is what its parts are together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import is_

from hub.market_data.v1 import market_data_pb2 as pb
from hub_market_data.board import Snapshot, Update
from hub_market_data.domain.ticks import FeedLife, Quote
from hub_market_data.mapping.quotes import catalogue_to_proto, life_to_proto, quote_to_proto
from hub_market_data.mapping.times import timestamp


class StreamEncoder:
    """`latest` has the newest quote of each symbol: only these are kept. A quote that a slow stream gets,
    with the extremes of those it has missed, is its own."""

    def __init__(self, latest: Mapping[str, Quote]) -> None:
        self._latest = latest
        self._in_updates: dict[str, tuple[Quote, bytes]] = {}
        self._in_snapshots: dict[str, tuple[Quote, bytes]] = {}
        self._catalogue: tuple[Snapshot, bytes] | None = None
        self._time: tuple[datetime, bytes] | None = None
        self._life: tuple[FeedLife, bytes] | None = None

    def message(self, news: Snapshot | Update) -> bytes:
        """A time that nobody knows yet is left out."""
        if isinstance(news, Update):
            parts = [self._quote(quote, self._in_updates, _update) for quote in news.quotes]
        else:
            quotes = (self._quote(quote, self._in_snapshots, _in_snapshot) for quote in news.quotes)
            parts = [self._catalogue_of(news), *quotes]
            if news.market_time is not None:
                moment = timestamp(news.market_time)
                parts.append(_whole(pb.StreamQuotesResponse(snapshot=pb.Snapshot(market_time=moment))))
        if news.market_time is not None:
            parts.append(self._market_time(news.market_time))
        if news.life is not None:
            parts.append(self._feed_life(news.life))
        return b"".join(parts)

    def _quote(
        self, quote: Quote, known: dict[str, tuple[Quote, bytes]], encode: Callable[[Quote], bytes]
    ) -> bytes:
        entry = known.get(quote.symbol)
        if entry is not None and entry[0] is quote:
            return entry[1]
        encoded = encode(quote)
        if self._latest.get(quote.symbol) is quote:
            known[quote.symbol] = quote, encoded
        return encoded

    def _catalogue_of(self, news: Snapshot) -> bytes:
        if self._catalogue is None or not _is_same(self._catalogue[0], news):
            encoded = _whole(pb.StreamQuotesResponse(snapshot=catalogue_to_proto(news)))
            self._catalogue = news, encoded
        return self._catalogue[1]

    def _market_time(self, moment: datetime) -> bytes:
        if self._time is None or self._time[0] != moment:
            self._time = moment, _whole(pb.StreamQuotesResponse(market_time=timestamp(moment)))
        return self._time[1]

    def _feed_life(self, life: FeedLife) -> bytes:
        if self._life is None or self._life[0] is not life:
            self._life = life, _whole(pb.StreamQuotesResponse(feed_life=life_to_proto(life)))
        return self._life[1]


def _update(quote: Quote) -> bytes:
    return _whole(pb.StreamQuotesResponse(quotes=[quote_to_proto(quote)]))


def _in_snapshot(quote: Quote) -> bytes:
    return _whole(pb.StreamQuotesResponse(snapshot=pb.Snapshot(quotes=[quote_to_proto(quote)])))


def _whole(message: pb.StreamQuotesResponse) -> bytes:
    encoded: bytes = message.SerializeToString()
    return encoded


def _is_same(known: Snapshot, news: Snapshot) -> bool:
    """Of the very same parts, but for quotes and time."""
    return (
        known.epoch == news.epoch
        and known.settlement_days is news.settlement_days
        and _are_same(known.sessions, news.sessions)
        and _are_same(known.calendars, news.calendars)
        and _are_same(known.instruments, news.instruments)
    )


def _are_same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))
