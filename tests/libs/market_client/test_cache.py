"""The quote cache: what it believes, what it drops, and how it follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st

from hub.market_data.v1 import market_data_pb2 as pb
from hub_market_client import Quote, QuoteCache
from hub_market_client.cache import SILENCE_S
from hub_rpc import Server, connect
from hub_runtime import Address
from tests.support.jobs import eventually, running
from tests.support.tls import Tls

SERVICE = "hub.market_data.v1.MarketDataService"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def quote(
    seq: int, *, epoch: int = 1, symbol: str = "AAPL", bid: str = "100", ask: str = "101", **more: Any
) -> pb.Quote:
    made = pb.Quote(symbol=symbol, epoch=epoch, seq=seq, bid=bid, ask=ask, **more)
    made.market_time.FromDatetime(NOW)
    made.received_at.FromDatetime(NOW)
    return made


def message(*quotes: pb.Quote, market_time: datetime = NOW) -> pb.StreamQuotesResponse:
    made = pb.StreamQuotesResponse(quotes=quotes)
    made.market_time.FromDatetime(market_time)
    return made


def snapshot(
    *quotes: pb.Quote, epoch: int = 1, market_time: datetime = NOW, **more: Any
) -> pb.StreamQuotesResponse:
    made = message(market_time=market_time)
    instruments = more.pop("instruments", None) or [
        pb.Instrument(
            symbol=symbol,
            name=f"{symbol} Inc.",
            asset_class=pb.ASSET_CLASS_STOCK,
            tick_size="0.01",
            lot_size="1",
            tradable=True,
            calendar="XNYS",
        )
        for symbol in ("AAPL", "MSFT")
    ]
    made.snapshot.CopyFrom(pb.Snapshot(instruments=instruments, quotes=quotes, epoch=epoch, **more))
    made.snapshot.market_time.FromDatetime(market_time)
    return made


def session(opens_at: datetime, closes_at: datetime, calendar: str = "XNYS", *, day: str = "") -> pb.Session:
    made = pb.Session(calendar=calendar, day=day)
    made.opens_at.FromDatetime(opens_at)
    made.closes_at.FromDatetime(closes_at)
    return made


def cache_of(*messages: pb.StreamQuotesResponse, clock: datetime = NOW) -> QuoteCache:
    made = QuoteCache(clock=lambda: clock)
    for each in messages:
        made.apply(each)
    return made


def known(cache: QuoteCache, symbol: str = "AAPL") -> Quote:
    found = cache.quote(symbol)
    assert found is not None
    return found


def test_a_snapshot_fills_the_cache() -> None:
    cache = QuoteCache()
    assert (cache.state(), cache.loaded.is_set()) == ("no quotes from market-data yet", False)
    cache.apply(snapshot(quote(1, last="100.5", bid_size="7")))
    assert (cache.state(), cache.loaded.is_set()) == ("ok", True)
    assert cache.symbols() == ["AAPL", "MSFT"]
    instrument = cache.instrument("AAPL")
    assert instrument is not None
    assert (instrument.name, instrument.asset_class) == ("AAPL Inc.", "STOCK")
    assert instrument.tick_size == Decimal("0.01")
    assert known(cache).bid_size == Decimal(7)
    assert known(cache).last == Decimal("100.5")
    assert cache.market_time() == NOW
    assert cache.quote("MSFT") is None
    assert cache.instrument("NONE") is None


def test_a_snapshot_has_the_last_quotes_of_an_epoch_that_is_over() -> None:
    cache = cache_of(snapshot(quote(5, epoch=2), epoch=3))
    found = cache.quote("AAPL")
    assert found is not None
    assert found.position == (2, 5)
    cache.apply(message(quote(6, epoch=2, bid="1")))
    assert cache.quote("AAPL") == found
    cache.apply(message(quote(1, epoch=3)))
    assert cache.quote("AAPL") != found


def test_quotes_of_lower_epochs_and_earlier_seqs_are_dropped() -> None:
    cache = cache_of(snapshot(quote(5, epoch=3), epoch=3))
    cache.apply(message(quote(99, epoch=2), quote(5, epoch=3, bid="1"), quote(4, epoch=3)))
    assert known(cache).position == (3, 5)
    assert known(cache).bid == Decimal(100)
    cache.apply(message(quote(99, epoch=2, symbol="MSFT")))
    assert cache.quote("MSFT") is None, "a symbol without a quote does not take an old epoch's either"
    cache.apply(message(quote(1, epoch=4)))
    assert known(cache).position == (4, 1)
    cache.apply(message(quote(6, epoch=3)))
    assert known(cache).position == (4, 1)


def test_a_snapshot_of_an_old_feeder_is_dropped() -> None:
    cache = cache_of(snapshot(quote(5, epoch=3), epoch=3))
    cache.apply(snapshot(quote(50, epoch=2), epoch=2, instruments=[pb.Instrument(symbol="OLD")]))
    assert cache.symbols() == ["AAPL", "MSFT"]
    assert known(cache).position == (3, 5)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), min_size=1))
def test_whatever_the_order_of_arrival_the_newest_wins(positions: list[tuple[int, int]]) -> None:
    cache = cache_of(snapshot(), *(message(quote(seq, epoch=epoch)) for epoch, seq in positions))
    assert known(cache).position == max(positions)


def test_sessions_are_told_by_calendar_and_the_clock_only_when_it_was_heard() -> None:
    untold = QuoteCache()
    assert (untold.told_time(), untold.sessions_of("XNYS")) == (None, ())
    days = [session(NOW + timedelta(days=each), NOW + timedelta(days=each, hours=6)) for each in range(2)]
    other = session(NOW, NOW + timedelta(hours=1), "XASX")
    cache = cache_of(snapshot(sessions=[*days, other]))
    assert cache.told_time() == NOW
    assert [each.opens_at for each in cache.sessions_of("XNYS")] == [NOW, NOW + timedelta(days=1)]


def test_market_time_never_goes_back() -> None:
    cache = cache_of(snapshot(), message(market_time=NOW + timedelta(minutes=5)), message(market_time=NOW))
    assert cache.market_time() == NOW + timedelta(minutes=5)


def test_a_session_is_open_by_market_time_from_its_open_to_before_its_close() -> None:
    hours = session(NOW, NOW + timedelta(hours=1))
    for minutes, is_open in ((-1, False), (0, True), (59, True), (60, False)):
        moment = NOW + timedelta(minutes=minutes)
        cache = cache_of(snapshot(sessions=[hours], market_time=moment), clock=NOW + timedelta(days=9))
        assert cache.session_open("AAPL") is is_open
    assert not cache_of(snapshot(sessions=[session(NOW, NOW + timedelta(1), "24x7")])).session_open("AAPL")
    assert not cache_of(snapshot(sessions=[hours])).session_open("NONE")
    assert not QuoteCache().session_open("AAPL")


def test_a_session_has_its_trading_day_and_an_older_market_data_only_its_date() -> None:
    late = NOW.replace(hour=23)
    cache = cache_of(snapshot(sessions=[session(NOW, late, day="2026-03-03")]))
    running = cache.session("AAPL")
    assert running is not None
    assert running.day == date(2026, 3, 3)
    unsaid = cache_of(snapshot(sessions=[session(NOW, late)])).session("AAPL")
    assert unsaid is not None
    assert unsaid.day == NOW.date()


def test_the_next_session_is_the_first_that_has_not_begun() -> None:
    hour = timedelta(hours=1)
    running, later, last = (session(NOW + n * hour, NOW + (n + 1) * hour) for n in (0, 20, 40))
    cache = cache_of(snapshot(sessions=[last, later, running]))
    found = cache.next_session("AAPL")
    assert found is not None
    assert found.opens_at == NOW + 20 * hour
    assert cache.next_session("NONE") is None
    assert cache_of(snapshot(sessions=[running])).next_session("AAPL") is None
    assert QuoteCache().next_session("AAPL") is None


def test_sessions_that_have_ended_are_known_as_long_as_they_are_told() -> None:
    hour = timedelta(hours=1)
    over, later = session(NOW - 2 * hour, NOW), session(NOW + hour, NOW + 2 * hour)
    cache = cache_of(snapshot(sessions=[over, later]))
    known = cache.sessions("AAPL")
    assert [each.opens_at - NOW for each in known] == [-2 * hour, hour]
    assert not cache.session_open("AAPL")
    cache.apply(message(market_time=NOW + hour))
    assert cache.sessions("AAPL") is known
    assert not cache.sessions("NONE")


def test_a_calendar_says_which_day_it_is_there() -> None:
    told = [
        pb.TradingCalendar(calendar="XNYS", timezone="America/New_York"),
        pb.TradingCalendar(calendar="24x7", timezone="America/New_York", always_open=True),
    ]
    instruments = [pb.Instrument(symbol=name, calendar=name) for name in ("XNYS", "24x7", "ELSE")]
    cache = cache_of(snapshot(instruments=instruments, calendars=told))
    exchange, always = cache.calendar("XNYS"), cache.calendar("24x7")
    assert exchange is not None
    assert always is not None
    evening = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)
    assert (exchange.day_of(evening), always.day_of(evening)) == (date(2026, 3, 2), date(2026, 3, 3))
    assert cache.calendar("ELSE") is None, "an older market-data told of none"
    assert cache.calendar("NONE") is None


def test_the_settlement_day_is_the_first_one_after_the_trade() -> None:
    days = pb.SettlementCalendar(calendar="US", days=["2026-03-05", "2026-03-02", "2026-03-03"])
    instruments = [
        pb.Instrument(symbol="AAPL", settlement_calendar="US"),
        pb.Instrument(symbol="OLD"),
        pb.Instrument(symbol="ELSE", settlement_calendar="EU"),
    ]
    cache = cache_of(snapshot(instruments=instruments, settlement_calendars=[days]))
    for on, expected in (
        (date(2026, 3, 1), None),
        (date(2026, 3, 2), date(2026, 3, 3)),
        (date(2026, 3, 3), date(2026, 3, 5)),
        (date(2026, 3, 4), date(2026, 3, 5)),
        (date(2026, 3, 5), None),
    ):
        assert cache.settlement_day("AAPL", on) == expected
    for symbol in ("OLD", "ELSE", "NONE"):
        assert cache.settlement_day(symbol, date(2026, 3, 2)) is None


def test_an_instrument_brings_its_limits_and_one_of_an_older_market_data_has_none() -> None:
    halted = pb.Instrument(
        symbol="AAPL",
        min_quantity="0.5",
        max_quantity="1000",
        shortable=True,
        sector="Technology",
        description="Makes telephones.",
        settlement_calendar="US",
        halted=True,
        halt_reason="news pending",
    )
    cache = cache_of(snapshot(instruments=[halted, pb.Instrument(symbol="OLD")]))
    known, old = cache.instrument("AAPL"), cache.instrument("OLD")
    assert known is not None
    assert old is not None
    assert (known.min_quantity, known.max_quantity) == (Decimal("0.5"), Decimal(1000))
    assert (known.shortable, known.sector, known.description) == (True, "Technology", "Makes telephones.")
    assert (known.settlement_calendar, known.halt_reason) == ("US", "news pending")
    assert old.min_quantity == 0
    assert old.max_quantity > Decimal(10) ** 30


def test_freshness_is_by_wall_time() -> None:
    cache = cache_of(snapshot(quote(1)), clock=NOW + timedelta(seconds=10))
    assert cache.fresh(cache.quote("AAPL"), 10)
    assert not cache.fresh(cache.quote("AAPL"), 9.9)
    assert not cache.fresh(cache.quote("MSFT"), 10)
    assert cache.age_s(known(cache)) == 10
    ahead = cache_of(snapshot(quote(1)), clock=NOW - timedelta(seconds=1))
    assert ahead.age_s(known(ahead)) == 0, "clocks differ a little"


def living(
    seconds: float, *messages: pb.Quote, since: float = 0, until: float = 60, epoch: int = 1
) -> QuoteCache:
    """So many seconds after the quotes were received, in a session that runs."""
    cache = QuoteCache(clock=lambda: NOW + timedelta(seconds=seconds))
    runs = session(NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    told = snapshot(*messages, sessions=[runs])
    told.feed_life.epoch = epoch
    told.feed_life.since.FromDatetime(NOW + timedelta(seconds=since))
    told.feed_life.until.FromDatetime(NOW + timedelta(seconds=until))
    cache.apply(told)
    return cache


def test_a_price_that_does_not_change_is_as_old_as_the_last_sign_of_its_feeds_life() -> None:
    cache = living(64, quote(1), until=60)
    assert cache.age_s(known(cache)) == 4
    assert cache.fresh(known(cache), 5)
    assert not cache.fresh(known(cache), 3)


def test_a_price_from_before_its_feed_lived_is_as_old_as_it_was_received() -> None:
    cache = living(64, quote(1), since=1)
    assert cache.age_s(known(cache)) == 64
    cache = living(64, quote(1), epoch=2)
    assert cache.age_s(known(cache)) == 64, "that is the life of another feeder"


def test_a_life_that_is_not_told_any_more_is_over() -> None:
    cache = living(64, quote(1))
    cache.apply(message())
    assert cache.age_s(known(cache)) == 64


def test_outside_of_its_session_a_price_is_as_old_as_it_was_received() -> None:
    cache = living(64, quote(1))
    cache.apply(message(market_time=NOW + timedelta(hours=2)))
    assert cache.age_s(known(cache)) == 64
    early = quote(1)
    early.market_time.FromDatetime(NOW - timedelta(hours=2))
    cache = living(64, early)
    assert cache.age_s(known(cache)) == 64, "it is of the session before"


async def take(updates: AsyncIterator[Quote], count: int) -> list[Quote]:
    async with asyncio.timeout(10):
        return [await anext(updates) for _ in range(count)]


async def test_readers_are_independent_and_start_with_what_is_known() -> None:
    cache = cache_of(snapshot(quote(1), quote(1, symbol="MSFT")))
    async with aclosing(cache.updates()) as first, aclosing(cache.updates()) as second:
        assert {each.symbol for each in await take(first, 2)} == {"AAPL", "MSFT"}
        cache.apply(message(quote(2)))
        assert [each.seq for each in await take(first, 1)] == [2]
        assert {(each.symbol, each.seq) for each in await take(second, 2)} == {("AAPL", 2), ("MSFT", 1)}
    assert not cache._readers


async def test_a_slow_reader_gets_the_newest_quote_with_the_extremes_of_all() -> None:
    cache = cache_of(snapshot(quote(1)))
    async with aclosing(cache.updates()) as updates:
        await take(updates, 1)
        cache.apply(message(quote(2, bid="100", ask="97", low_ask="96", high_bid="100")))
        cache.apply(message(quote(3, bid="108", ask="109")))
        cache.apply(message(quote(4, bid="102", ask="103", low_ask="99", high_bid="104")))
        (newest,) = await take(updates, 1)
        assert newest.seq == 4
        assert (newest.ask, newest.low_ask, newest.high_bid) == (Decimal(103), Decimal(96), Decimal(108))
        cache.apply(message(quote(5, bid="102", ask="103")))
        (after,) = await take(updates, 1)
        assert (after.low_ask, after.high_bid) == (Decimal(103), Decimal(102))


class MarketData:
    def __init__(self, *first: pb.StreamQuotesResponse) -> None:
        self.first = first
        self.followers: set[asyncio.Queue[pb.StreamQuotesResponse | None]] = set()

    async def stream_quotes(
        self, request: pb.StreamQuotesRequest, context: Any
    ) -> AsyncIterator[pb.StreamQuotesResponse]:
        news = asyncio.Queue[pb.StreamQuotesResponse | None]()
        self.followers.add(news)
        try:
            for each in self.first:
                yield each
            while (message := await news.get()) is not None:
                yield message
        finally:
            self.followers.discard(news)

    def say(self, news: pb.StreamQuotesResponse) -> None:
        for follower in self.followers:
            follower.put_nowait(news)

    def register(self, server: aio.Server) -> None:
        stream = grpc.unary_stream_rpc_method_handler(
            self.stream_quotes,
            request_deserializer=pb.StreamQuotesRequest.FromString,
            response_serializer=pb.StreamQuotesResponse.SerializeToString,
        )
        server.add_registered_method_handlers(SERVICE, {"StreamQuotes": stream})

    def cut(self) -> None:
        """Ends the streams and serves on."""
        for follower in self.followers:
            follower.put_nowait(None)

    def server(self, tls: Tls, port: int = 0) -> Server:
        table = {SERVICE: {"*": frozenset({"order", "portfolio"})}}
        address = Address("127.0.0.1", port)
        return Server(address, tls.files("market-data"), table, [self.register], drain_s=0, grace_s=0.5)


@asynccontextmanager
async def following(tls: Tls, port: int, *, silence_s: float = SILENCE_S) -> AsyncIterator[QuoteCache]:
    cache = QuoteCache(silence_s=silence_s)
    async with (
        connect(f"127.0.0.1:{port}", tls.files("order"), "market-data") as channel,
        running(cache.follow(channel)),
    ):
        yield cache


async def test_it_follows_and_survives_a_restart_of_the_feeder(tls: Tls) -> None:
    feeder = MarketData(snapshot(quote(7, epoch=3), epoch=3))
    async with feeder.server(tls) as server, following(tls, server.port) as cache:
        await eventually(lambda: cache.state() == "ok" and cache.connected)
        feeder.say(message(quote(8, epoch=3)))
        await eventually(lambda: known(cache).position == (3, 8))
        await server.__aexit__(None, None, None)
        await eventually(lambda: not cache.connected)
        assert known(cache).position == (3, 8)
        old = MarketData(snapshot(quote(99, epoch=2), epoch=2), message(quote(1, epoch=4)))
        async with old.server(tls, server.port):
            await eventually(lambda: known(cache).position == (4, 1))


async def test_a_stream_that_is_cut_is_taken_up_again_where_it_was(tls: Tls) -> None:
    feeder = MarketData(snapshot(quote(7, epoch=3), epoch=3))
    async with feeder.server(tls) as server, following(tls, server.port) as cache:
        await eventually(lambda: cache.connected)
        async with aclosing(cache.updates()) as updates:
            await take(updates, 1)
            feeder.say(message(quote(9, epoch=3, ask="90")))
            await eventually(lambda: known(cache).position == (3, 9))
            feeder.first = (snapshot(quote(9, epoch=3, ask="90"), epoch=3),)
            feeder.cut()
            await eventually(lambda: not cache.connected)
            await eventually(lambda: cache.connected)
            assert known(cache).position == (3, 9)
            feeder.say(message(quote(8, epoch=3), quote(10, epoch=3)))
            await eventually(lambda: known(cache).position == (3, 10))
            (newest,) = await take(updates, 1)
            assert newest.position == (3, 10)
            assert newest.low_ask == 90, "what was missed between is remembered"


async def test_another_epoch_in_the_same_stream_is_gone_along_with_and_the_old_one_is_over(tls: Tls) -> None:
    feeder = MarketData(snapshot(quote(7, epoch=3), quote(7, epoch=3, symbol="MSFT"), epoch=3))
    async with feeder.server(tls) as server, following(tls, server.port) as cache:
        await eventually(lambda: cache.connected)
        feeder.say(snapshot(quote(7, epoch=3), quote(7, epoch=3, symbol="MSFT"), epoch=4))
        feeder.say(message(quote(99, epoch=3), quote(1, epoch=4)))
        await eventually(lambda: known(cache).position == (4, 1))
        assert known(cache, "MSFT").position == (3, 7), "its last, until there is one of the new epoch"


async def test_a_stream_that_says_nothing_is_left(tls: Tls) -> None:
    """As that of a process that was paused: its connection stays, and it would be followed for ever."""
    feeder = MarketData(snapshot(quote(7, epoch=3), epoch=3))
    async with feeder.server(tls) as server, following(tls, server.port, silence_s=0.3) as cache:
        await eventually(lambda: cache.connected)
        feeder.first = (snapshot(quote(1, epoch=4), epoch=4),)
        await eventually(lambda: known(cache).position == (4, 1))
