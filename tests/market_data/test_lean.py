"""The lean feed, from the files to what a stream and ListBars say of them.

HUB_TEST_LEAN_DATA names a folder in LEAN's layout to run the first test over; without it, a small one is
made.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import REGISTRY

from hub.market_data.v1 import market_data_pb2 as pb
from hub.market_data.v1 import market_data_pb2_grpc
from hub_market_data.board import Board
from hub_market_data.domain.ticks import Tick
from hub_market_data.feeds import feed_instruments
from hub_market_data.lean import Lean
from hub_market_data.lean_files import LeanFolder
from hub_market_data.mapping.times import timestamp
from hub_market_data.settings import FeedSettings
from hub_market_data.store import Bars, Catalogue, Feeding, FeedState, Seeding
from hub_market_data.usecases.keeping import keep, refresh, restore
from hub_market_data.usecases.seeding import seed
from hub_market_data.worker import Feeder
from hub_postgres import Pool, listen
from hub_rpc import reading
from hub_runtime import utc_now
from tests.market_data.conftest import NewHouse, served
from tests.market_data.lean_data import DAYS, SYMBOLS, Minutes, minutes_of, pack, place, write_small
from tests.support.jobs import eventually, running
from tests.support.servers import Database
from tests.support.tls import Tls

QUICK = 1_000_000.0
NEW_YORK = ZoneInfo("America/New_York")
MIDNIGHT = datetime(2013, 10, 7, 4, tzinfo=UTC)  # in New York


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("lean"))


@pytest.fixture
def data(small: Path) -> Path:
    return Path(os.environ.get("HUB_TEST_LEAN_DATA") or small)


class Process:
    """What of a process feeds, with a board that is kept as the service keeps it."""

    def __init__(self, pool: Pool, database: Database, folder: LeanFolder, market_hours: str) -> None:
        self.board = Board()
        self.feed: Lean | None = None
        self._pool, self._login, self._folder = pool, database.runtime, folder
        self._market_hours = market_hours

    async def _make(self, state: FeedState) -> Lean:
        self.feed = Lean(
            self._folder,
            symbols=self.board.instruments,
            speed=QUICK,
            night_s=0.3,
            place=state.place,
            market_time=state.market_time,
        )
        return self.feed

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with listen(self._login.url, self._login.password, "market_catalogue") as wakeup:
            self.board.outdated = wakeup.event

            async def read() -> None:
                await refresh(
                    self.board,
                    catalogue=Catalogue(self._pool),
                    clock=utc_now,
                    market_hours=self._market_hours,
                )

            feeding = Feeding(self._pool)
            feeder = Feeder(
                kind="lean",
                make_feed=self._make,
                board=self.board,
                feeding=feeding,
                bars=Bars(self._pool),
                clock=utc_now,
                refresh=read,
            )
            async with running(keep(self.board, read=read, feeding=feeding, wakeup=wakeup)):
                task = asyncio.create_task(feeder.run(self._login.url, self._login.password))
                try:
                    yield
                finally:
                    task.cancel()
                    with suppress(asyncio.CancelledError, BaseExceptionGroup):
                        await task


Started = Callable[[Path, str, str], Awaitable[Process]]


@pytest.fixture
def started(pool: Pool, owner_pool: Pool, market_database: Database) -> Started:
    """A process on a database that was seeded from the folder."""

    async def make(root: Path, resolution: str, market_hours: str) -> Process:
        await seeded(owner_pool, root, resolution)
        return Process(pool, market_database, LeanFolder(root, resolution), market_hours)

    return make


async def seeded(owner_pool: Pool, folder: Path, resolution: str) -> None:
    settings = FeedSettings(feed="lean", feed_data=folder, feed_resolution=resolution)
    instruments = feed_instruments(settings)
    await seed(Seeding(owner_pool), Bars(owner_pool), clock=utc_now, instruments=instruments, history=False)


@pytest.mark.parametrize(
    ("resolution", "market_hours"),
    [("tick", "XNYS"), ("tick", "24x7"), ("second", "24x7"), ("minute", "XNYS")],
)
@pytest.mark.timeout(600)
async def test_prices_and_bars_are_those_of_the_files(
    data: Path, resolution: str, market_hours: str, started: Started, new_house: NewHouse, *, tls: Tls
) -> None:
    folder = LeanFolder(data, resolution)
    expected = {
        symbol: minutes_of(data, resolution, symbol.lower(), hours_only=market_hours == "XNYS")
        for symbol in folder.symbols
    }
    process = await started(data, resolution, market_hours)
    async with (
        new_house(market_hours=market_hours) as house,
        served(process.board, tls, "order") as channel,
    ):
        last: dict[str, Decimal] = {}

        async def follow() -> None:
            stub = market_data_pb2_grpc.MarketDataServiceStub(channel)
            async with reading(stub.StreamQuotes(pb.StreamQuotesRequest())) as messages:
                async for message in messages:
                    for quote in (*message.snapshot.quotes, *message.quotes):
                        last[quote.symbol] = Decimal(quote.last)

        async def bars(symbol: str, minutes: Minutes) -> dict[datetime, tuple[Decimal, ...]]:
            found, token = {}, ""
            while True:
                page = await house.stub.ListBars(
                    pb.ListBarsRequest(
                        symbol=symbol,
                        timeframe=pb.TIMEFRAME_1MIN,
                        page_size=1000,
                        page_token=token,
                        end=timestamp(max(minutes) + timedelta(minutes=1)),
                    )
                )
                for bar in page.bars:
                    prices = bar.open, bar.high, bar.low, bar.close, bar.volume
                    found[bar.starts_at.ToDatetime(tzinfo=UTC)] = tuple(map(Decimal, prices))
                if not (token := page.next_page_token):
                    return found

        async def saved() -> bool:
            """The last bar, as it is at the end: no event comes after that."""
            found = {symbol: await bars(symbol, expected[symbol]) for symbol in expected}
            return all(found[symbol].get(max(each)) == each[max(each)] for symbol, each in expected.items())

        async with process.running():
            await process.board.loaded.wait()
            async with running(follow()):
                await eventually(saved, limit_s=500)
                assert {symbol: await bars(symbol, each) for symbol, each in expected.items()} == expected
                closes = {symbol: each[max(each)][3] for symbol, each in expected.items()}
                await eventually(lambda: last == closes)
        assert process.board.market_time is not None
        assert process.board.market_time.astimezone(NEW_YORK).date() == folder.days[-1]


async def played(feed: Lean, enough: Callable[[Sequence[Tick]], bool]) -> list[Tick]:
    ticks: list[Tick] = []
    async with asyncio.timeout(60):
        async for group in feed.ticks():
            ticks += group
            if enough(ticks):
                return ticks
    raise AssertionError


def feed_of(root: Path, resolution: str = "tick", /, **more: object) -> Lean:
    known = {"symbols": [each.upper() for each in SYMBOLS], "speed": QUICK, "night_s": 0.01}
    return Lean(LeanFolder(root, resolution), **{**known, **more})  # type: ignore[arg-type]


def faults(kind: str) -> float:
    return REGISTRY.get_sample_value("hub_market_feed_faults_total", {"kind": kind}) or 0.0


def two_files(root: Path, trades: Sequence[str], quotes: Sequence[str], symbol: str = "ibm") -> Path:
    pack(place(root, "tick", symbol, DAYS[0], "trade"), trades)
    pack(place(root, "tick", symbol, DAYS[0], "quote"), quotes)
    return root


async def test_trades_and_quotes_are_merged_and_a_side_that_is_not_said_stays(tmp_path: Path) -> None:
    root = two_files(
        tmp_path,
        ["34200000,1000000,100,N,1,0", "34200020,1001000,50,N,1,0", "34200040,990000,10,N,1,1"],
        [
            "34200010,999000,300,0,0,N,1,0",
            "34200015,0,0,1002000,400,N,1,0",
            "34200030,1003000,100,0,0,N,1,0",  # above the ask
            "34200050,0,0,1004000,500,N,1,0",
        ],
    )
    ticks = await played(feed_of(root), lambda ticks: len(ticks) == 4)
    shown = [
        (str(t.bid), str(t.bid_size), str(t.ask), str(t.ask_size), str(t.last), str(t.traded)) for t in ticks
    ]
    assert shown == [
        ("100.0000", "0", "100.0000", "0", "100.0000", "100"),
        ("99.9000", "300", "100.2000", "400", "100.0000", "0"),
        ("99.9000", "300", "100.2000", "400", "100.1000", "50"),
        ("100.3000", "100", "100.4000", "500", "100.1000", "0"),
    ]
    assert [tick.volume for tick in ticks] == [100, 100, 150, 150]
    opens_at = MIDNIGHT + timedelta(hours=9.5)
    assert [(tick.market_time - opens_at) / timedelta(milliseconds=1) for tick in ticks] == [0, 15, 20, 50]


async def test_open_high_and_low_are_those_of_the_exchanges_hours_and_the_close_is_kept(
    tmp_path: Path,
) -> None:
    two_files(
        tmp_path,
        [
            f"{ms},{price}0000,10,N,1,0"
            for ms, price in ((20_000_000, 500), (34_200_000, 100), (40_000_000, 90))
        ]
        + ["57599999,950000,10,N,1,0", "57600000,1900000,10,N,1,0"],
        [],
    )
    pack(place(tmp_path, "tick", "ibm", DAYS[1], "trade"), ["34200000,960000,10,N,1,0"])
    ticks = await played(feed_of(tmp_path), lambda ticks: len(ticks) == 6)
    shown = [tuple(map(int, (t.open, t.high, t.low, t.last, t.previous_close, t.volume))) for t in ticks]
    assert shown == [
        (500, 500, 500, 500, 500, 10),
        (100, 100, 100, 100, 100, 20),
        (100, 100, 90, 90, 100, 30),
        (100, 100, 90, 95, 100, 40),
        (100, 100, 90, 190, 100, 50),
        (96, 96, 96, 96, 95, 10),
    ]


async def test_what_cannot_be_read_is_named_and_counted_and_the_rest_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["34200000,1000000,1,N,1,0", "x", "34200001,,1,N,1,0", "34200002,1e9,1,N,1,0", "34200003,1,1,N,1"]
    lines += ["34199999,1000000,1,N,1,0", "99999999999,1000000,1,N,1,0", "34200004,1010000,1,N,1,0"]
    two_files(tmp_path, lines, [])
    broken = two_files(tmp_path, [], [], "bac") / "equity/usa/tick/bac/20131007_trade.zip"
    half = pack(broken, [f"{34_200_000 + n},{1_000_000 + n * 100},1,N,1,0" for n in range(5000)])
    content = half.read_bytes()
    middle = len(content) // 2
    half.write_bytes(content[:middle] + bytes(64) + content[middle + 64 :])
    quotes = place(tmp_path, "tick", "bac", DAYS[0], "quote")
    quotes.write_bytes(quotes.read_bytes()[:30])
    before = faults("line"), faults("file")
    ticks = await played(feed_of(tmp_path), lambda ticks: sum(t.symbol == "IBM" for t in ticks) == 2)
    assert [int(tick.last) for tick in ticks if tick.symbol == "IBM"] == [100, 101]
    ended = [tick async for tick in _rest_of(feed_of(tmp_path))]
    assert 0 < sum(tick.symbol == "BAC" for tick in ended) < 5000, "as far as it could be read"
    assert faults("line") - before[0] >= 6
    assert faults("file") - before[1] >= 2


async def _rest_of(feed: Lean) -> AsyncIterator[Tick]:
    """Until it only beats."""
    async for group in feed.ticks():
        for tick in group:
            yield tick
        if feed.ended:
            return


async def test_a_successor_goes_on_at_the_very_event(small: Path) -> None:
    whole = [tick async for tick in _rest_of(feed_of(small))]
    first = feed_of(small)
    begun = await played(first, lambda ticks: len(ticks) == 555)
    assert begun == whole[:555]
    assert first.market_time() == begun[-1].market_time
    second = feed_of(small, place=first.place(), market_time=first.market_time())
    assert [tick async for tick in _rest_of(second)] == whole[555:]


async def test_of_other_files_a_successor_plays_what_is_later_than_the_markets_clock(small: Path) -> None:
    ticks = feed_of(small)
    last = (await played(ticks, lambda seen: len(seen) == 700))[-1].market_time
    seconds = feed_of(small, "second", place=ticks.place(), market_time=ticks.market_time())
    rest = [tick async for tick in _rest_of(seconds)]
    assert rest == [tick async for tick in _rest_of(feed_of(small, "second")) if tick.market_time >= last]


async def test_market_time_is_as_fast_as_it_is_told_and_a_night_is_not_waited_for(tmp_path: Path) -> None:
    two_files(tmp_path, ["34200000,1000000,1,N,1,0", "34260000,1000000,1,N,1,0"], [])
    pack(place(tmp_path, "tick", "ibm", DAYS[1], "trade"), ["34200000,1000000,1,N,1,0"])
    clock = 0.0
    feed = feed_of(tmp_path, speed=60.0, night_s=1.0, now=lambda: clock)
    times = []
    async with asyncio.timeout(60):
        async for group in feed.ticks():
            times.append((clock, feed.market_time(), len(group)))
            clock += 0.5
            if sum(count for _, _, count in times) == 3:
                break
    opens_at = MIDNIGHT + timedelta(hours=9.5)
    told = [at for at, _, count in times if count]
    assert 0.9 <= told[1] - told[0] <= 1.6, "a minute at sixty times its speed"
    assert told[2] - told[1] <= 2.1, "a day later"
    assert {at for _, at, count in times if not count} >= {opens_at, opens_at + timedelta(days=1)}
    assert all(a[1] <= b[1] for a, b in pairwise(times) if a[1] and b[1])


async def test_a_clock_that_is_moved_leaves_out_what_lies_between(small: Path) -> None:
    feed = feed_of(small)
    await played(feed, lambda ticks: len(ticks) == 100)
    target = MIDNIGHT + timedelta(days=1, hours=9.5)
    feed = feed_of(small, place=feed.place(), market_time=feed.market_time())
    feed.move_to(target)
    rest = [tick async for tick in _rest_of(feed)]
    assert rest
    assert min(tick.market_time for tick in rest) >= target
    assert all(tick.open and tick.previous_close for tick in rest)


async def test_it_starts_where_it_is_told_to(small: Path) -> None:
    start = MIDNIGHT + timedelta(hours=9, minutes=32)
    ticks = [tick async for tick in _rest_of(feed_of(small, start=start))]
    assert start <= min(tick.market_time for tick in ticks) < start + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"market_time": datetime(2026, 3, 2, tzinfo=UTC)}, "never goes back"),
        ({"market_time": datetime(2026, 3, 2, tzinfo=UTC), "place": "2025-01-01/3/1"}, "no file is later"),
        ({"start": datetime(2014, 1, 1, tzinfo=UTC)}, "lies behind the last day"),
    ],
)
async def test_what_cannot_be_played_is_refused_with_a_sentence(
    small: Path, more: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        feed_of(small, **more)


async def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no equity/usa/tick"):
        LeanFolder(tmp_path, "tick")
    (tmp_path / "equity/usa/tick/ibm").mkdir(parents=True)
    with pytest.raises(ValueError, match="no files"):
        LeanFolder(tmp_path, "tick")


async def test_symbols_of_the_folder_become_instruments_of_the_exchange(
    small: Path, owner_pool: Pool, catalogue: Catalogue
) -> None:
    maps = small / "equity/usa/map_files"
    maps.mkdir(parents=True, exist_ok=True)
    (maps / "bac.csv").write_text("19980102,bac,Q\n20501231,bac,P\n")
    await seeded(owner_pool, small, "tick")
    found = {each.symbol: each for each in (await catalogue.load(MIDNIGHT)).instruments}
    assert (found["BAC"].exchange, found["BAC"].calendar, found["BAC"].tradable) == ("ARCX", "XNYS", True)
    assert found["IBM"].name == "International Business Machines Corporation"


async def test_a_restart_knows_the_last_quotes_of_their_own_time(
    small: Path, pool: Pool, owner_pool: Pool, market_database: Database
) -> None:
    await seeded(owner_pool, small, "tick")
    process = Process(pool, market_database, LeanFolder(small, "tick"), "24x7")
    async with process.running():
        ends = MIDNIGHT + timedelta(days=1, hours=15)

        async def saved() -> bool:
            state, _ = await Feeding(pool).last_known()
            return state.market_time is not None and state.market_time > ends

        await eventually(saved)
    again = Board()
    await refresh(again, catalogue=Catalogue(pool), clock=utc_now, market_hours="24x7")
    await restore(again, feeding=Feeding(pool))
    # The state and the quotes are saved together, and nothing came after them.
    known, restored = process.board.quotes, again.quotes
    assert {symbol: (each.position, each.last, each.market_time) for symbol, each in restored.items()} == {
        symbol: (each.position, each.last, each.market_time) for symbol, each in known.items()
    }
    successor = Process(pool, market_database, LeanFolder(small, "tick"), "24x7")
    async with successor.running():
        await eventually(lambda: successor.board.epoch == 2)
        assert successor.feed is not None
        assert successor.feed.market_time() == process.board.market_time
