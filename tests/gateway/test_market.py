"""Instruments, calendars, bars: what the gateway makes of the query, and of the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from hub.market_data.v1 import market_data_pb2 as pb
from hub_errors import Invalid, NotFound
from tests.gateway.canned import Peers, canned
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls

APPLE = pb.Instrument(
    symbol="AAPL",
    name="Apple Inc.",
    asset_class=pb.ASSET_CLASS_STOCK,
    exchange="XNAS",
    currency="USD",
    tick_size="0.01",
    lot_size="1",
    min_quantity="0.00000001",
    max_quantity="1000000",
    fractionable=True,
    tradable=True,
    calendar="XNYS",
    settlement_calendar="US",
)


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        yield made


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, targets=peers.targets) as gateway:
        gateway.http.headers.update(gateway.bearer())
        yield gateway


async def test_the_catalogue_is_searched_in_pages(gateway: Gateway, peers: Peers) -> None:
    peers.answers["ListInstruments"] = pb.ListInstrumentsResponse(
        instruments=[APPLE], next_page_token="further"
    )
    query = {"query": "app", "asset_class": "STOCK", "page_size": "1", "page_token": "there"}
    answer = await gateway.http.get("/api/v1/instruments", params=query)
    assert answer.status_code == 200
    [instrument] = answer.json()["instruments"]
    assert (instrument["symbol"], instrument["min_quantity"]) == ("AAPL", "0.00000001")
    assert instrument["sector"] is None
    assert answer.json()["next_page_token"] == "further"
    [asked] = peers.asked["ListInstruments"]
    assert (asked.query, asked.page_size, asked.page_token) == ("app", 1, "there")
    assert asked.asset_class == pb.ASSET_CLASS_STOCK


async def test_an_instrument_without_history_has_nulls(gateway: Gateway, peers: Peers) -> None:
    peers.answers["GetInstrument"] = pb.GetInstrumentResponse(instrument=APPLE, low_52_weeks="90")
    answer = (await gateway.http.get("/api/v1/instruments/AAPL")).json()
    assert answer["instrument"]["name"] == "Apple Inc."
    assert (answer["low_52_weeks"], answer["high_52_weeks"]) == ("90", None)


async def test_clock_and_calendar(gateway: Gateway, peers: Peers) -> None:
    clock = pb.GetClockResponse(calendar="XNYS", timezone="America/New_York", is_open=False)
    clock.next_open.FromDatetime(datetime(2026, 11, 23, 14, 30, tzinfo=UTC))
    peers.answers["GetClock"] = clock
    answer = (await gateway.http.get("/api/v1/clock")).json()
    assert (answer["is_open"], answer["next_open"]) == (False, "2026-11-23T14:30:00.000000Z")
    session = pb.Session(calendar="XNYS", day="2026-11-27")
    session.opens_at.FromDatetime(datetime(2026, 11, 27, 14, 30, tzinfo=UTC))
    session.closes_at.FromDatetime(datetime(2026, 11, 27, 18, 0, tzinfo=UTC))
    peers.answers["ListSessions"] = pb.ListSessionsResponse(
        calendar="XNYS", timezone="America/New_York", sessions=[session]
    )
    days = {"calendar": "XNYS", "start": "2026-11-27", "end": "2026-11-27"}
    [told] = (await gateway.http.get("/api/v1/calendar", params=days)).json()["sessions"]
    assert (told["day"], told["closes_at"]) == ("2026-11-27", "2026-11-27T18:00:00.000000Z")


async def test_bars_pass_their_range_and_adjustment_on(gateway: Gateway, peers: Peers) -> None:
    bar = pb.Bar(open="1", high="2", low="0.5", close="1.5", volume="10")
    bar.starts_at.FromDatetime(datetime(2026, 11, 24, tzinfo=UTC))
    peers.answers["ListBars"] = pb.ListBarsResponse(bars=[bar])
    query = {
        "timeframe": "1Week",
        "start": "2026-11-01",
        "end": "2026-11-24T09:30:00-05:00",
        "adjustment": "all",
    }
    answer = await gateway.http.get("/api/v1/market-data/AAPL/bars", params=query)
    assert answer.json()["bars"][0]["close"] == "1.5"
    assert answer.json()["next_page_token"] is None
    [asked] = peers.asked["ListBars"]
    assert (asked.symbol, asked.timeframe, asked.adjustment) == (
        "AAPL",
        pb.TIMEFRAME_1WEEK,
        pb.ADJUSTMENT_ALL,
    )
    assert asked.start.ToDatetime() == datetime(2026, 11, 1)  # noqa: DTZ001 - protobuf's is naive UTC
    assert asked.end.ToDatetime() == datetime(2026, 11, 24, 14, 30)  # noqa: DTZ001


async def test_corporate_actions(gateway: Gateway, peers: Peers) -> None:
    peers.answers["ListCorporateActions"] = pb.ListCorporateActionsResponse(
        actions=[
            pb.CorporateAction(
                symbol="AAPL", type=pb.CORPORATE_ACTION_TYPE_SPLIT, ex_date="2025-02-28", ratio="2"
            ),
            pb.CorporateAction(
                symbol="AAPL",
                type=pb.CORPORATE_ACTION_TYPE_DIVIDEND,
                ex_date="2025-08-09",
                amount="2.65",
                currency="USD",
            ),
        ]
    )
    split, dividend = (await gateway.http.get("/api/v1/market-data/AAPL/corporate-actions")).json()["actions"]
    assert (split["type"], split["ratio"], split["amount"]) == ("SPLIT", "2", None)
    assert (dividend["type"], dividend["ratio"], dividend["amount"]) == ("DIVIDEND", None, "2.65")


@pytest.mark.parametrize(
    ("path", "code", "field"),
    [
        ("/api/v1/instruments?asset_class=stock", "invalid_value", "asset_class"),
        ("/api/v1/instruments?page_size=0", "invalid_value", "page_size"),
        ("/api/v1/instruments?query=" + "x" * 101, "invalid_length", "query"),
        ("/api/v1/calendar?start=2026-11-27", "missing_parameter", "end"),
        ("/api/v1/calendar?start=today&end=2026-11-27", "invalid_value", "start"),
        ("/api/v1/calendar?start=2026-11-28&end=2026-11-27", "inverted_range", "end"),
        ("/api/v1/calendar?start=2026-W48-1&end=2026-11-27", "invalid_value", "start"),
        ("/api/v1/calendar?start=20261123&end=2026-11-27", "invalid_value", "start"),
        ("/api/v1/calendar?start=2026-11-23&end=9999-12-31", "invalid_value", "end"),
        ("/api/v1/market-data/AAPL/bars?start=2026-W48-1", "invalid_value", "start"),
        ("/api/v1/market-data/AAPL/bars?end=0001-01-01", "invalid_value", "end"),
        ("/api/v1/market-data/AAPL/bars?timeframe=2Min", "invalid_value", "timeframe"),
        ("/api/v1/market-data/AAPL/bars?adjustment=both", "invalid_value", "adjustment"),
        ("/api/v1/market-data/AAPL/bars?start=24.11.2026", "invalid_value", "start"),
        ("/api/v1/market-data/AAPL/bars?start=9999-12-31T23:59:59-12:00", "invalid_value", "start"),
        ("/api/v1/market-data/AAPL/bars?start=2026-11-24&end=2026-11-23", "inverted_range", "end"),
        ("/api/v1/market-data/AAPL/bars?limit=5", "unknown_parameter", None),
    ],
)
async def test_a_query_that_makes_no_sense_names_what_is_wrong(
    gateway: Gateway, peers: Peers, path: str, code: str, field: str | None
) -> None:
    problem(await gateway.http.get(path), 400, code, field)
    assert not peers.asked


@pytest.mark.parametrize(
    ("path", "field", "sentence"),
    [
        (
            "/api/v1/calendar?start=2026-11-23&end=9999-12-31",
            "end",
            "end must lie in the years 1900 to 2199.",
        ),
        (
            "/api/v1/activities?before=9999-12-31T23:59:59Z",
            "before",
            "before must lie in the years 1900 to 2199.",
        ),
        (
            "/api/v1/activities?from=1899-12-31",
            "from",
            "from must lie in the years 1900 to 2199.",
        ),
        (
            "/api/v1/activities?from=2026-02-30",
            "from",
            "from must be a day or a time such as 2026-11-24T14:30:00Z.",
        ),
    ],
)
async def test_a_day_beyond_all_sense_is_told_that_it_is(
    gateway: Gateway, path: str, field: str, sentence: str
) -> None:
    assert problem(await gateway.http.get(path), 400, "invalid_value", field)["detail"] == sentence


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/instruments/aapl",
        "/api/v1/instruments/A%2FB",
        "/api/v1/market-data/%20/bars",
        "/api/v1/market-data/aapl/corporate-actions",
    ],
)
async def test_what_no_symbol_can_be_is_one_that_nobody_knows(
    gateway: Gateway, peers: Peers, path: str
) -> None:
    answer = await gateway.http.get(path)
    assert answer.status_code == 404
    assert not peers.asked


async def test_what_market_data_refuses_is_passed_on(gateway: Gateway, peers: Peers) -> None:
    peers.answers["ListBars"] = Invalid("Not yours.", code="invalid_page_token", field="page_token")
    answer = await gateway.http.get("/api/v1/market-data/AAPL/bars?page_token=x")
    problem(answer, 400, "invalid_page_token", "page_token")
    peers.answers["ListSessions"] = Invalid("Too long.", code="range_too_long", field="last_day")
    answer = await gateway.http.get("/api/v1/calendar?start=2026-11-23&end=2029-11-27")
    problem(answer, 400, "range_too_long", "end")
    peers.answers["GetClock"] = NotFound("None.", code="unknown_calendar", field="calendar")
    problem(await gateway.http.get("/api/v1/clock?calendar=XTKS"), 404, "unknown_calendar", "calendar")
    problem(await gateway.http.get("/api/v1/clock?calendar=moon"), 404, "unknown_calendar", "calendar")
