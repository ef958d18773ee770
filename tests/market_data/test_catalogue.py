"""The catalogue as it is asked: search, pages, statistics, clock and sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from hub.market_data.v1 import market_data_pb2 as pb
from hub.market_data.v1 import market_data_pb2_grpc
from hub_errors import Invalid, NotFound, Unavailable
from hub_market_data.board import Board
from hub_market_data.domain.calendars import always_open_sessions
from hub_market_data.domain.instruments import AssetClass
from hub_market_data.exchange import sessions
from hub_market_data.seed import INSTRUMENTS
from hub_market_data.store import Catalogue
from hub_postgres import Pool
from tests.market_data.conftest import NewHouse, served
from tests.market_data.house import House
from tests.market_data.prices import CALENDARS, NOON, open_board
from tests.support.tls import Tls

Stub = market_data_pb2_grpc.MarketDataServiceStub


async def found(stub: Stub, **request: object) -> list[str]:
    answer = await stub.ListInstruments(pb.ListInstrumentsRequest(**request))  # type: ignore[arg-type]
    assert answer.next_page_token == ""
    return [instrument.symbol for instrument in answer.instruments]


async def test_the_catalogue_is_searched_by_prefix_and_words_in_any_case(tls: Tls) -> None:
    async with served(open_board(), tls, "gateway") as channel:
        stub = Stub(channel)
        assert await found(stub, query="") == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
        assert await found(stub, query="a") == ["AAPL"]
        assert await found(stub, query=" goo ") == ["GOOG"]
        assert await found(stub, query="inc") == ["AAPL", "FB", "GOOG"]
        assert await found(stub, query="MACHINES business") == ["IBM"]
        assert await found(stub, query="corp") == ["IBM", "MSFT"]
        assert await found(stub, query="corp apple") == []
        assert await found(stub, query="pple") == []
        assert await found(stub, query="%") == []
        assert await found(stub, query="inc.", asset_class=pb.ASSET_CLASS_STOCK) == ["AAPL", "FB", "GOOG"]
        assert await found(stub, asset_class=pb.ASSET_CLASS_BOND) == []


async def test_an_instrument_says_all_about_itself(tls: Tls) -> None:
    board = open_board()
    halted = replace(INSTRUMENTS[0], halted=True, halt_reason="news", shortable=True)
    board.catalogue([halted], (), calendars=CALENDARS)
    async with served(board, tls, "gateway") as channel:
        (apple,) = (await Stub(channel).ListInstruments(pb.ListInstrumentsRequest())).instruments
    assert (apple.min_quantity, apple.max_quantity) == ("0.00000001", "1000000")
    assert (apple.halted, apple.halt_reason, apple.shortable) == (True, "news", True)
    assert (apple.settlement_calendar, apple.sector) == ("US", "Information Technology")
    assert apple.description.startswith("Makes computers")


def many(count: int) -> Board:
    board = open_board()
    board.catalogue(
        [
            replace(INSTRUMENTS[0], symbol=f"S{n:04}", asset_class=list(AssetClass)[n % 2])
            for n in range(count)
        ],
        (),
    )
    return board


async def test_pages_follow_each_other_without_gap_or_repetition(tls: Tls) -> None:
    async with served(many(250), tls, "gateway") as channel:
        stub, token, seen = Stub(channel), "", []
        while True:
            page = await stub.ListInstruments(
                pb.ListInstrumentsRequest(query="s", page_size=60, page_token=token)
            )
            seen.append([instrument.symbol for instrument in page.instruments])
            if not (token := page.next_page_token):
                break
        usual = await stub.ListInstruments(pb.ListInstrumentsRequest())
    assert [len(page) for page in seen] == [60, 60, 60, 60, 10]
    assert [symbol for page in seen for symbol in page] == [f"S{n:04}" for n in range(250)]
    assert len(usual.instruments) == 100


@pytest.mark.parametrize(
    "other", [{"query": "s0"}, {"query": "s", "asset_class": pb.ASSET_CLASS_STOCK}, {"query": ""}]
)
async def test_a_page_token_of_another_query_is_refused(tls: Tls, other: dict[str, object]) -> None:
    async with served(many(20), tls, "gateway") as channel:
        stub = Stub(channel)
        first = await stub.ListInstruments(pb.ListInstrumentsRequest(query="s", page_size=2))
        token = first.next_page_token
        same = await stub.ListInstruments(pb.ListInstrumentsRequest(query=" S ", page_token=token))
        assert same.instruments[0].symbol == "S0002"
        with pytest.raises(Invalid) as refused:
            await stub.ListInstruments(pb.ListInstrumentsRequest(**other, page_token=token))  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == ("invalid_page_token", "page_token")


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        ({"page_token": "nonsense"}, "invalid_page_token", "page_token"),
        ({"page_token": "W10"}, "invalid_page_token", "page_token"),
        ({"page_token": "ä"}, "invalid_page_token", "page_token"),
        ({"page_token": "W" * 5000}, "invalid_page_token", "page_token"),
        ({"page_size": 501}, "invalid_page_size", "page_size"),
        ({"page_size": -1}, "invalid_page_size", "page_size"),
        ({"query": "x" * 101}, "invalid_query", "query"),
        ({"asset_class": 99}, "invalid_asset_class", "asset_class"),
    ],
)
async def test_a_search_that_makes_no_sense_is_refused(
    tls: Tls, request_: dict[str, object], code: str, field: str
) -> None:
    async with served(open_board(), tls, "gateway") as channel:
        with pytest.raises(Invalid) as refused:
            await Stub(channel).ListInstruments(pb.ListInstrumentsRequest(**request_))  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == (code, field)


async def test_nothing_is_answered_before_the_market_is_known(tls: Tls) -> None:
    async with served(Board(), tls, "gateway") as channel:
        stub = Stub(channel)
        for call in (
            stub.ListInstruments(pb.ListInstrumentsRequest()),
            stub.GetInstrument(pb.GetInstrumentRequest(symbol="AAPL")),
            stub.GetClock(pb.GetClockRequest()),
            stub.ListSessions(pb.ListSessionsRequest(first_day="2026-03-02", last_day="2026-03-02")),
        ):
            with pytest.raises(Unavailable) as refused:
                await call
            assert refused.value.code == "market_data_unavailable"


def board_at(moment: str) -> Board:
    """The exchange as it is known at that time."""
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    coming = [session for session in sessions() if session.closes_at > now][:3]
    board = Board()
    board.catalogue(INSTRUMENTS, (*always_open_sessions(now), *coming), calendars=CALENDARS)
    board.begin(1, now)
    board.loaded.set()
    return board


def text(stamp: object) -> str:
    return stamp.ToJsonString() if stamp.ByteSize() else ""  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("moment", "is_open", "next_open", "next_close"),
    [
        ("2025-11-28T14:29:59", False, "2025-11-28T14:30:00Z", "2025-11-28T18:00:00Z"),
        ("2025-11-28T14:30:00", True, "2025-12-01T14:30:00Z", "2025-11-28T18:00:00Z"),
        ("2025-11-28T17:59:59", True, "2025-12-01T14:30:00Z", "2025-11-28T18:00:00Z"),
        ("2025-11-28T18:00:00", False, "2025-12-01T14:30:00Z", "2025-12-01T21:00:00Z"),
        ("2025-01-08T22:00:00", False, "2025-01-10T14:30:00Z", "2025-01-10T21:00:00Z"),
        ("2037-06-01T12:00:00", False, "", ""),
    ],
)
async def test_the_clock_says_where_the_exchange_stands(
    tls: Tls, moment: str, is_open: bool, next_open: str, next_close: str
) -> None:
    async with served(board_at(moment), tls, "gateway") as channel:
        clock = await Stub(channel).GetClock(pb.GetClockRequest(calendar="XNYS"))
    assert clock.market_time.ToJsonString() == f"{moment}Z"
    assert (clock.is_open, text(clock.next_open), text(clock.next_close)) == (is_open, next_open, next_close)
    assert (clock.calendar, clock.timezone) == ("XNYS", "America/New_York")


async def test_the_usual_clock_is_the_one_in_force_and_an_unknown_one_is_not_found(tls: Tls) -> None:
    async with served(board_at("2025-11-29T12:00:00"), tls, "gateway") as channel:
        stub = Stub(channel)
        clock = await stub.GetClock(pb.GetClockRequest())
        assert (clock.calendar, clock.timezone, clock.is_open) == ("24x7", "UTC", True)
        assert text(clock.next_open) == text(clock.next_close) == "2025-11-30T00:00:00Z"
        with pytest.raises(NotFound) as refused:
            await stub.GetClock(pb.GetClockRequest(calendar="NOPE\0"))
    assert (refused.value.code, refused.value.field) == ("unknown_calendar", "calendar")


async def test_sessions_are_listed_by_trading_day(house: House) -> None:
    answer = await house.stub.ListSessions(
        pb.ListSessionsRequest(calendar="XNYS", first_day="2025-01-08", last_day="2025-01-10")
    )
    assert [session.day for session in answer.sessions] == ["2025-01-08", "2025-01-10"]
    assert (answer.calendar, answer.timezone) == ("XNYS", "America/New_York")
    assert answer.sessions[0].opens_at.ToJsonString() == "2025-01-08T14:30:00Z"
    always = await house.stub.ListSessions(
        pb.ListSessionsRequest(first_day="2025-01-08", last_day="2025-01-10")
    )
    assert [session.day for session in always.sessions] == ["2025-01-08", "2025-01-09", "2025-01-10"]
    assert always.sessions[0].closes_at.ToJsonString() == "2025-01-09T00:00:00Z"
    whole_year = pb.ListSessionsRequest(calendar="XNYS", first_day="2025-01-01", last_day="2025-12-31")
    assert len((await house.stub.ListSessions(whole_year)).sessions) == 250


@pytest.mark.parametrize(
    ("calendar", "first_day", "last_day", "code"),
    [
        ("XNYS", "2025-01-02", "2025-01-01", "inverted_range"),
        ("XNYS", "2025-01-01", "2026-12-31", "range_too_long"),
        ("XNYS", "yesterday", "2025-01-01", "invalid_date"),
        ("NOPE", "2025-01-01", "2025-01-01", "unknown_calendar"),
    ],
)
async def test_sessions_that_cannot_be_listed_are_refused(
    tls: Tls, calendar: str, first_day: str, last_day: str, code: str
) -> None:
    async with served(open_board(), tls, "gateway") as channel:
        with pytest.raises((Invalid, NotFound)) as refused:
            await Stub(channel).ListSessions(
                pb.ListSessionsRequest(calendar=calendar, first_day=first_day, last_day=last_day)
            )
    assert refused.value.code == code


async def test_a_new_stream_knows_when_trades_settle(house: House) -> None:
    today = datetime.now(UTC).date()
    days = house.board.settlement_days["US"]
    assert min(days) < today - timedelta(days=1)
    assert max(days) > today + timedelta(days=14)
    assert all(day.isoweekday() < 6 for day in days)


async def test_by_the_exchanges_hours_each_instrument_has_its_own_calendar(new_house: NewHouse) -> None:
    async with new_house(market_hours="XNYS") as house:
        assert {each.calendar for each in house.board.instruments.values()} == {"XNYS"}
        clock = await house.stub.GetClock(pb.GetClockRequest())
        assert clock.calendar == "XNYS"
        exchange = [session for session in house.board.sessions if session.calendar == "XNYS"]
        assert len([session for session in exchange if session.closes_at > datetime.now(UTC)]) == 3


@pytest.mark.parametrize(
    ("at", "days"),
    [
        ("2025-01-10T20:59", ["2025-01-10", "2025-01-13", "2025-01-14"]),  # Friday; Thursday was a holiday
        ("2025-01-10T21:00", ["2025-01-10", "2025-01-13", "2025-01-14", "2025-01-15"]),
        ("2025-01-11T21:59", ["2025-01-10", "2025-01-13", "2025-01-14", "2025-01-15"]),
        ("2025-01-11T22:00", ["2025-01-13", "2025-01-14", "2025-01-15"]),
        ("2025-01-14T14:00", ["2025-01-13", "2025-01-14", "2025-01-15", "2025-01-16"]),
    ],
)
async def test_a_session_is_told_for_a_day_after_its_end(
    catalogue: Catalogue, at: str, days: list[str]
) -> None:
    loaded = await catalogue.load(datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert [each.day.isoformat() for each in loaded.sessions if each.calendar == "XNYS"] == days


async def test_an_instrument_comes_with_what_its_history_says(house: House, pool: Pool) -> None:
    today = NOON.date()
    house.board.begin(1, NOON)
    await pool.execute("DELETE FROM day_bars WHERE symbol = 'IBM'")
    await pool.execute("DELETE FROM corporate_actions WHERE symbol = 'IBM'")
    await pool.executemany(
        "INSERT INTO day_bars (symbol, day, open, high, low, close, volume, seeded) "
        "VALUES ('IBM', $1, 5, $2, $3, 5, $4, false)",
        [
            (today - timedelta(days=364), 100, 1, 10**6),  # a day too long ago
            (today - timedelta(days=363), 20, 5, 10**6),
            *((today - timedelta(days=n), 10 + n % 3, 4, 100 + n % 2) for n in range(1, 31)),
            (today, 11, 3, 7),  # still growing
        ],
    )
    await pool.executemany(
        "INSERT INTO corporate_actions (symbol, ex_date, type, amount, currency) "
        "VALUES ('IBM', $1, 'DIVIDEND', $2, 'USD')",
        [(today - timedelta(days=days), Decimal("0.5")) for days in (400, 200, 100, 0, -1)],
    )
    answer = await house.stub.GetInstrument(pb.GetInstrumentRequest(symbol="IBM"))
    assert answer.instrument.symbol == "IBM"
    assert (answer.high_52_weeks, answer.low_52_weeks) == ("20", "3")
    assert (answer.average_volume, answer.previous_close) == ("100.5", "5")
    assert answer.dividends_52_weeks == "1.5"
    await pool.executemany(
        "INSERT INTO corporate_actions (symbol, ex_date, type, ratio) VALUES ('IBM', $1, 'SPLIT', $2)",
        [(today - timedelta(days=150), 2), (today - timedelta(days=40), 3), (today + timedelta(days=1), 7)],
    )
    await house.cache.forget(["IBM"])
    answer = await house.stub.GetInstrument(pb.GetInstrumentRequest(symbol="IBM"))
    # 20/6 of the old shares is below 12 of today's; a half share's dividend counts in today's shares.
    assert (answer.high_52_weeks, answer.low_52_weeks) == ("12", "0.83333333")
    assert answer.dividends_52_weeks == "0.75"
    assert (answer.average_volume, answer.previous_close) == ("100.5", "5")


async def test_an_instrument_without_a_history_has_no_statistics_and_an_unknown_one_is_not_found(
    house: House, pool: Pool
) -> None:
    await pool.execute("DELETE FROM day_bars WHERE symbol = 'IBM'")
    await pool.execute("DELETE FROM corporate_actions WHERE symbol = 'IBM'")
    answer = await house.stub.GetInstrument(pb.GetInstrumentRequest(symbol="IBM"))
    assert answer.instrument.name.startswith("International")
    assert (answer.high_52_weeks, answer.average_volume, answer.previous_close) == ("", "", "")
    for symbol in ("NOPE", "ibm", "", "IBM\0"):
        with pytest.raises(NotFound) as refused:
            await house.stub.GetInstrument(pb.GetInstrumentRequest(symbol=symbol))
        assert (refused.value.code, refused.value.field) == ("unknown_symbol", "symbol")


def test_the_seeded_instruments_fit_their_own_limits() -> None:
    for instrument in INSTRUMENTS:
        assert 0 < instrument.min_quantity < instrument.max_quantity
        assert instrument.description
    assert date(2036, 12, 31) == sessions()[-1].day
