"""ListBars and ListCorporateActions, asked as the gateway and other services ask."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from hub.market_data.v1 import market_data_pb2 as pb
from hub_errors import Denied, Invalid, NotFound
from hub_market_data import exchange
from hub_market_data.domain.bars import Bar, Timeframe, fold
from hub_market_data.history import read_series
from hub_market_data.mapping.bars import bar_to_proto
from hub_market_data.mapping.times import timestamp
from hub_market_data.rolling import Unsaved
from hub_market_data.store import Bars, Seeding
from hub_market_data.store.bars import keep_bars
from hub_market_data.usecases.bars import ROWS_AT_ONCE
from hub_market_data.usecases.seeding import seed
from hub_postgres import Pool, transaction
from hub_runtime import utc_now
from tests.market_data.conftest import NewHouse
from tests.market_data.house import House
from tests.market_data.prices import NOON
from tests.market_data.test_actions import adjusted_closes

MINUTE = timedelta(minutes=1)
INTRADAY = {
    pb.TIMEFRAME_1MIN: Timeframe.MINUTE,
    pb.TIMEFRAME_5MIN: Timeframe.FIVE_MINUTES,
    pb.TIMEFRAME_15MIN: Timeframe.QUARTER_HOUR,
    pb.TIMEFRAME_30MIN: Timeframe.HALF_HOUR,
    pb.TIMEFRAME_1HOUR: Timeframe.HOUR,
}


def request(**fields: object) -> pb.ListBarsRequest:
    known = {"symbol": "AAPL", "timeframe": pb.TIMEFRAME_1DAY, "page_size": 1000}
    return pb.ListBarsRequest(**known | fields)  # type: ignore[arg-type]


async def whole(house: House, **fields: object) -> list[pb.Bar]:
    """All pages joined."""
    bars: list[pb.Bar] = []
    token = ""
    while True:
        answer = await house.stub.ListBars(request(page_token=token, **fields))
        bars += answer.bars
        token = answer.next_page_token
        if not token:
            return bars
        assert len(answer.bars) == fields.get("page_size", 1000)


async def with_minutes(pool: Pool, count: int) -> Sequence[Bar]:
    """So many minutes from NOON on, but every seventh, and an hour, are missing."""
    made = []
    for number in range(count):
        if number % 7 and not 100 <= number < 160:
            price = Decimal(100 + number * 37 % 50)
            at = NOON + number * MINUTE
            prices = {"open": price, "high": price + 3, "low": price - 2, "close": price + 1}
            made.append(Bar(starts_at=at, day=at.date(), volume=Decimal(number), **prices))
    async with transaction(pool) as connection:
        for start in range(0, len(made), 2000):
            part = tuple(("AAPL", each) for each in made[start : start + 2000])
            await keep_bars(connection, Unsaved(minutes=part, days=()))
    return made


@pytest.mark.parametrize("symbol", ["AAPL", "FB", "GOOG", "IBM", "MSFT"])
async def test_pages_of_adjusted_days_joined_are_the_adjusted_closes_of_the_source(
    house: House, symbol: str
) -> None:
    theirs = adjusted_closes()[symbol]
    bars = await whole(house, symbol=symbol, adjustment=pb.ADJUSTMENT_ALL)
    raw = await whole(house, symbol=symbol, page_size=500)
    since = theirs[-1] / Decimal(raw[-1].close)
    assert len(bars) == len(raw) == len(theirs)
    for ours, their in zip(bars, theirs, strict=True):
        assert abs(Decimal(ours.close) * since / their - 1) < Decimal("0.000001")


async def test_the_history_lies_on_the_trading_days_before_today_with_its_actions(
    house: House, pool: Pool
) -> None:
    today = utc_now().date()
    days = [session.day for session in exchange.sessions() if session.day < today]
    for symbol, series in read_series().items():
        bars = await whole(house, symbol=symbol)
        found = [bar.starts_at.ToDatetime().date() for bar in bars]
        # Midnight may have passed since the database was made.
        assert found in (days[-len(found) :], days[-1 - len(found) : -1])
        assert [Decimal(bar.close) for bar in bars] == [bar.close for bar in series.bars]
        answer = await house.stub.ListCorporateActions(pb.ListCorporateActionsRequest(symbol=symbol))
        original = {bar.day: place for place, bar in enumerate(series.bars)}
        assert [found.index(date.fromisoformat(action.ex_date)) for action in answer.actions] == [
            original[action.ex_date] for action in series.actions
        ]


@pytest.mark.parametrize("timeframe", [pb.TIMEFRAME_1DAY, pb.TIMEFRAME_1WEEK, pb.TIMEFRAME_1MONTH])
@pytest.mark.parametrize("adjustment", [pb.ADJUSTMENT_RAW, pb.ADJUSTMENT_SPLIT, pb.ADJUSTMENT_ALL])
async def test_pages_of_any_size_joined_are_the_whole(
    house: House, timeframe: pb.Timeframe.ValueType, adjustment: pb.Adjustment.ValueType
) -> None:
    monday_the_first = datetime(2014, 9, 1, tzinfo=UTC)
    period = {"start": timestamp(monday_the_first)}
    query = {"symbol": "MSFT", "timeframe": timeframe, "adjustment": adjustment, **period}
    joined = [await whole(house, page_size=size, **query) for size in (1000, 137)]
    assert joined[0] == joined[1]
    days = await whole(house, symbol="MSFT", adjustment=adjustment, **period)
    assert sum(Decimal(bar.volume) for bar in joined[0]) == sum(Decimal(bar.volume) for bar in days)
    assert len({bar.starts_at.ToDatetime() for bar in joined[0]}) == len(joined[0]) > 100


async def test_intraday_bars_are_folded_from_minutes_in_pages_of_any_size(house: House, pool: Pool) -> None:
    minutes = await with_minutes(pool, 2 * ROWS_AT_ONCE)
    for number, timeframe in INTRADAY.items():
        expected = [bar_to_proto(bar) for bar in fold(minutes, timeframe)]
        for size in (1000, 7) if timeframe.minutes >= 15 else (1000, 299):
            assert await whole(house, timeframe=number, page_size=size) == expected, (timeframe, size)


async def test_a_page_of_the_longest_bars_reads_on_until_it_is_full(house: House, pool: Pool) -> None:
    minutes = await with_minutes(pool, 4 * ROWS_AT_ONCE)
    answer = await house.stub.ListBars(request(timeframe=pb.TIMEFRAME_1HOUR, page_size=100))
    assert list(answer.bars) == [bar_to_proto(bar) for bar in fold(minutes, Timeframe.HOUR)][:100]
    assert answer.next_page_token


async def test_a_range_starts_with_its_first_whole_bar_and_ends_before_its_end(
    house: House, pool: Pool
) -> None:
    await with_minutes(pool, 90)

    async def starts(first: int, end: int) -> list[int]:
        answer = await house.stub.ListBars(
            request(
                timeframe=pb.TIMEFRAME_15MIN,
                start=timestamp(NOON + first * MINUTE),
                end=timestamp(NOON + end * MINUTE),
            )
        )
        return [(bar.starts_at.ToDatetime(tzinfo=UTC) - NOON) // MINUTE for bar in answer.bars]

    assert await starts(0, 90) == [0, 15, 30, 45, 60, 75]
    assert await starts(1, 60) == [15, 30, 45]
    assert await starts(15, 61) == [15, 30, 45, 60]
    assert await starts(20, 20) == []


async def test_intraday_bars_are_adjusted_by_the_trading_day_they_belong_to(house: House, pool: Pool) -> None:
    await pool.execute("DELETE FROM day_bars WHERE symbol = 'FB' AND day > '2026-01-01'")
    days = [date(2026, 3, 2), date(2026, 3, 3)]
    # A market that opens in the evening of the day before.
    bars = [
        Bar(
            starts_at=datetime(2026, 3, day, 23, 0, tzinfo=UTC),
            day=trading_day,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=Decimal(10),
        )
        for day, trading_day, price in zip((1, 2), days, (Decimal(40), Decimal(20)), strict=True)
    ]
    whole_days = tuple(
        ("FB", dataclasses.replace(bar, starts_at=datetime(2026, 3, bar.day.day, tzinfo=UTC))) for bar in bars
    )
    async with transaction(pool) as connection:
        await keep_bars(connection, Unsaved(minutes=tuple(("FB", bar) for bar in bars), days=whole_days))
    split = "INSERT INTO corporate_actions (symbol, ex_date, type, ratio) VALUES ('FB', $1, 'SPLIT', 2)"
    await pool.execute(split, days[1])
    await pool.execute(split, date(2030, 1, 1))  # nothing was traded without it yet
    answer = await house.stub.ListBars(
        request(symbol="FB", timeframe=pb.TIMEFRAME_1HOUR, adjustment=pb.ADJUSTMENT_SPLIT)
    )
    assert [(bar.close, bar.volume) for bar in answer.bars] == [("20", "20"), ("20", "10")]


async def test_what_cannot_be_asked_is_refused_with_code_and_field(house: House) -> None:
    noon, before = timestamp(NOON), timestamp(NOON - MINUTE)
    for fields, code, field in (
        ({"start": noon, "end": before}, "inverted_range", "end"),
        ({"timeframe": pb.TIMEFRAME_UNSPECIFIED}, "invalid_timeframe", "timeframe"),
        ({"timeframe": 99}, "invalid_timeframe", "timeframe"),
        ({"adjustment": 99}, "invalid_adjustment", "adjustment"),
        ({"page_size": 1001}, "invalid_page_size", "page_size"),
        ({"page_size": -1}, "invalid_page_size", "page_size"),
        ({"page_token": "nonsense"}, "invalid_page_token", "page_token"),
        ({"page_token": "\0" * 1000}, "invalid_page_token", "page_token"),
    ):
        with pytest.raises(Invalid) as refused:
            await house.stub.ListBars(request(**fields))
        assert (refused.value.code, refused.value.field) == (code, field)
    for symbol in ("NOPE", "aapl", "", "A\0"):
        with pytest.raises(NotFound) as unknown:
            await house.stub.ListBars(request(symbol=symbol))
        assert (unknown.value.code, unknown.value.field) == ("unknown_symbol", "symbol")


async def test_a_page_token_of_another_query_is_refused(house: House) -> None:
    query = {"start": timestamp(datetime(2015, 1, 1, tzinfo=UTC)), "page_size": 10}
    token = (await house.stub.ListBars(request(**query))).next_page_token
    assert len((await house.stub.ListBars(request(**query | {"page_size": 3}, page_token=token))).bars) == 3
    actions = await house.stub.ListCorporateActions(
        pb.ListCorporateActionsRequest(symbol="AAPL", page_size=1)
    )
    for other in (
        {"symbol": "IBM"},
        {"timeframe": pb.TIMEFRAME_1WEEK},
        {"adjustment": pb.ADJUSTMENT_SPLIT},
        {"start": timestamp(datetime(2015, 1, 2, tzinfo=UTC))},
        {"end": timestamp(datetime(2025, 1, 2, tzinfo=UTC))},
        {"page_token": actions.next_page_token},
    ):
        with pytest.raises(Invalid) as refused:
            await house.stub.ListBars(request(**{"page_token": token, **query, **other}))
        assert (refused.value.code, refused.value.field) == ("invalid_page_token", "page_token")


async def test_corporate_actions_come_in_pages_and_bars_only_to_the_gateway(
    house: House, new_house: NewHouse
) -> None:
    everything = await house.stub.ListCorporateActions(
        pb.ListCorporateActionsRequest(symbol="MSFT", page_size=500)
    )
    assert len(everything.actions) == 38
    split, dividend = everything.actions[:2]
    assert (split.type, split.ratio, split.amount) == (pb.CORPORATE_ACTION_TYPE_SPLIT, "2", "")
    assert dividend.type == pb.CORPORATE_ACTION_TYPE_DIVIDEND
    assert (dividend.ratio, dividend.amount, dividend.currency) == ("", "0.08", "USD")
    joined: list[pb.CorporateAction] = []
    token = ""
    while not joined or token:
        answer = await house.stub.ListCorporateActions(
            pb.ListCorporateActionsRequest(symbol="MSFT", page_size=7, page_token=token)
        )
        joined += answer.actions
        token = answer.next_page_token
    assert joined == list(everything.actions)
    with pytest.raises(Invalid):
        await house.stub.ListCorporateActions(
            pb.ListCorporateActionsRequest(symbol="MSFT", page_token="garbage")
        )
    with pytest.raises(NotFound):
        await house.stub.ListCorporateActions(pb.ListCorporateActionsRequest(symbol="NOPE"))
    for caller in ("position", "order"):
        async with new_house(caller=caller) as other:
            with pytest.raises(Denied):
                await other.stub.ListCorporateActions(pb.ListCorporateActionsRequest(symbol="MSFT"))
            with pytest.raises(Denied):
                await other.stub.ListBars(request())


async def test_yesterdays_code_finds_what_it_plays_where_it_looks(bars: Bars, pool: Pool) -> None:
    played = await bars.played()
    assert {symbol: len(own) for symbol, own in played.items()} == {
        "AAPL": 2016,
        "FB": 196,
        "GOOG": 2148,
        "IBM": 3270,
        "MSFT": 2527,
    }
    rows = await pool.fetch("SELECT symbol, day FROM daily_bars ORDER BY symbol, day")
    assert [tuple(row) for row in rows] == [
        (symbol, bar.day) for symbol, own in played.items() for bar in own
    ]


async def test_migrating_a_database_of_yesterday_fills_the_new_tables_and_leaves_its_own(
    bars: Bars, pool: Pool, owner_pool: Pool
) -> None:
    before = await bars.played()
    await pool.execute("DELETE FROM day_bars")
    await pool.execute("DELETE FROM corporate_actions")
    await pool.execute("DELETE FROM daily_bars WHERE day > '2020-01-01'")
    old = await pool.fetch("SELECT * FROM daily_bars ORDER BY symbol, day")
    later = utc_now() + timedelta(days=30)
    assert await seed(Seeding(owner_pool), Bars(owner_pool), clock=lambda: later) == 12154
    assert await seed(Seeding(owner_pool), Bars(owner_pool), clock=utc_now) == 0
    assert len(await bars.actions("IBM", limit=100)) == 52
    after = await bars.played()
    assert {symbol: [bar.close for bar in own] for symbol, own in after.items()} == {
        symbol: [bar.close for bar in own] for symbol, own in before.items()
    }, "a saved place in the replay is still the same place"
    assert after["IBM"][-1].day > before["IBM"][-1].day
    # FB has no row that is old enough: its history there is new.
    kept = await pool.fetch("SELECT * FROM daily_bars WHERE symbol <> 'FB' ORDER BY symbol, day")
    assert kept == [row for row in old if row["symbol"] != "FB"]
