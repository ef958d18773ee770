"""What administrators do: who may, what is refused, what is recorded, and that everyone knows at once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from hub.market_data.v1 import market_data_admin_pb2 as pb
from hub.market_data.v1 import market_data_pb2
from hub_errors import Conflict, Denied, HubError, Invalid, NotFound, Refused, Unauthenticated, Unavailable
from hub_postgres import Pool
from hub_rpc import calling_as, reading
from hub_runtime import utc_now
from tests.market_data.conftest import NewHouse
from tests.market_data.house import House
from tests.support.jobs import eventually
from tests.support.tokens import Signer

Call = Callable[[House], Awaitable[Any]]


def in_an_hour() -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(utc_now() + timedelta(hours=1))
    return stamp


def hours(**fields: Any) -> pb.SetTradingHoursRequest:
    usual = {"calendar": "XNYS", "first_day": "2030-01-07", "last_day": "2030-01-13"}
    times = [pb.DayHours(opens=opens, closes=closes) for opens, closes in fields.pop("hours", ())]
    return pb.SetTradingHoursRequest(**{**usual, **fields}, hours=times)


EVERY_CALL: dict[str, Call] = {
    "halt": lambda house: house.admin.HaltInstrument(pb.HaltInstrumentRequest(symbol="IBM", reason="news")),
    "resume": lambda house: house.admin.ResumeInstrument(pb.ResumeInstrumentRequest(symbol="IBM")),
    "calendar": lambda house: house.admin.CreateCalendar(
        pb.CreateCalendarRequest(calendar="MINE", timezone="UTC")
    ),
    "hours": lambda house: house.admin.SetTradingHours(hours()),
    "invalidate": lambda house: house.admin.InvalidateCache(pb.InvalidateCacheRequest(symbols=["IBM"])),
    "warm": lambda house: house.admin.WarmCache(pb.WarmCacheRequest(symbols=["IBM"])),
    "action": lambda house: house.admin.AddCorporateAction(
        pb.AddCorporateActionRequest(
            symbol="IBM",
            type=market_data_pb2.CORPORATE_ACTION_TYPE_SPLIT,
            ex_date=(utc_now() + timedelta(days=5)).date().isoformat(),
            ratio="2",
        )
    ),
    "clock": lambda house: house.admin.MoveMarketTime(pb.MoveMarketTimeRequest(market_time=in_an_hour())),
}


async def events(pool: Pool) -> list[tuple[str, Any]]:
    rows = await pool.fetch("SELECT act, detail FROM admin_events ORDER BY at, id")
    return [(row["act"], json.loads(row["detail"])) for row in rows]


async def refusal(call: Awaitable[Any]) -> HubError:
    with pytest.raises(HubError) as refused:
        await call
    return refused.value


async def test_nobody_may_without_the_role(house: House, pool: Pool, signer: Signer) -> None:
    for name, call in EVERY_CALL.items():
        assert isinstance(await refusal(call(house)), Unauthenticated), name
        for roles in (["user"], ["user", "support"], []):
            with calling_as(signer.user(roles=roles).token):
                refused = await refusal(call(house))
            assert (type(refused), refused.code) == (Denied, "role_required"), name
    assert await events(pool) == []
    assert not house.board.instruments["IBM"].halted


async def test_only_the_gateway_may_call(new_house: NewHouse) -> None:
    async with new_house(caller="order") as house:
        with house.administered():
            assert isinstance(await refusal(EVERY_CALL["halt"](house)), Denied)


async def test_every_act_is_recorded_with_who_did_it(house: House, pool: Pool) -> None:
    with house.administered():
        for call in EVERY_CALL.values():
            await call(house)
    assert [act for act, _ in await events(pool)] == [
        "halt",
        "resume",
        "create_calendar",
        "set_trading_hours",
        "invalidate_cache",
        "warm_cache",
        "add_corporate_action",
        "move_market_time",
    ]
    actors = await pool.fetch("SELECT DISTINCT actor FROM admin_events")
    assert [row["actor"] for row in actors] == [house.administrator.user_id]


async def test_what_was_done_cannot_be_changed(house: House, pool: Pool) -> None:
    with house.administered():
        await EVERY_CALL["halt"](house)
    for statement in ("UPDATE admin_events SET act = 'x'", "DELETE FROM admin_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    assert await events(pool) == [("halt", {"symbol": "IBM", "reason": "news"})]


async def test_a_halt_reaches_the_streams_of_every_process_and_stays(
    new_house: NewHouse, house: House
) -> None:
    async with new_house(caller="order") as other:
        stream = reading(other.stub.StreamQuotes(market_data_pb2.StreamQuotesRequest()))
        async with stream as messages:
            await anext(messages)
            with house.administered():
                answer = await EVERY_CALL["halt"](house)
            assert (answer.instrument.halted, answer.instrument.halt_reason) == (True, "news")
            assert answer.instrument.calendar == "24x7"
            assert house.board.instruments["IBM"].halted
            while not (message := await anext(messages)).HasField("snapshot"):
                pass
            told = {each.symbol: (each.halted, each.halt_reason) for each in message.snapshot.instruments}
            assert (told["IBM"], told["AAPL"]) == ((True, "news"), (False, ""))
            with house.administered():
                answer = await EVERY_CALL["resume"](house)
            assert (answer.instrument.halted, answer.instrument.halt_reason) == (False, "")
            await eventually(lambda: not other.board.instruments["IBM"].halted)
        with house.administered():
            await EVERY_CALL["halt"](house)
    async with new_house() as later:
        assert later.board.instruments["IBM"].halt_reason == "news"


async def test_halting_again_changes_the_reason(house: House, pool: Pool) -> None:
    with house.administered():
        for reason in ("news", "  a split  "):
            await house.admin.HaltInstrument(pb.HaltInstrumentRequest(symbol="IBM", reason=reason))
    assert house.board.instruments["IBM"].halt_reason == "a split"
    assert [detail["reason"] for _, detail in await events(pool)] == ["news", "a split"]


async def test_an_unknown_symbol_cannot_be_halted(house: House, pool: Pool) -> None:
    with house.administered():
        for symbol in ("NOPE", "ibm", "", "IBM\0", "x" * 1000):
            for call in (
                house.admin.HaltInstrument(pb.HaltInstrumentRequest(symbol=symbol, reason="news")),
                house.admin.ResumeInstrument(pb.ResumeInstrumentRequest(symbol=symbol)),
            ):
                refused = await refusal(call)
                assert (type(refused), refused.code, refused.field) == (NotFound, "unknown_symbol", "symbol")
    assert await events(pool) == []


async def test_a_halt_needs_a_reason_for_people(house: House) -> None:
    with house.administered():
        for reason in ("", "   ", "x" * 201, "a\nb", "a\0b"):
            call = house.admin.HaltInstrument(pb.HaltInstrumentRequest(symbol="IBM", reason=reason))
            refused = await refusal(call)
            assert (type(refused), refused.code, refused.field) == (Invalid, "invalid_reason", "reason")


async def test_a_calendar_is_created_once_and_moves_while_it_is_empty(house: House) -> None:
    async def create(timezone: str, calendar: str = "MINE") -> pb.CreateCalendarResponse:
        request = pb.CreateCalendarRequest(calendar=calendar, timezone=timezone)
        return await house.admin.CreateCalendar(request)

    with house.administered():
        assert (await create("Europe/Berlin")).timezone == "Europe/Berlin"
        assert (await create("Asia/Tokyo")).timezone == "Asia/Tokyo"
        assert house.board.calendars["MINE"].timezone == "Asia/Tokyo"
        await house.admin.SetTradingHours(hours(calendar="MINE", hours=[("09:00", "15:00")]))
        await create("Asia/Tokyo")
        for refused in (await refusal(create("UTC")), await refusal(create("Asia/Tokyo", "XNYS"))):
            assert (type(refused), refused.code, refused.field) == (Conflict, "calendar_in_use", "calendar")
        unknown = await refusal(create("Mars/Olympus"))
        assert (type(unknown), unknown.code, unknown.field) == (Invalid, "unknown_timezone", "timezone")
        misnamed = await refusal(create("UTC", "24x7"))
        assert (misnamed.code, misnamed.field) == ("invalid_calendar", "calendar")


def clock(stamp: Timestamp) -> str:
    return stamp.ToJsonString()[11:16]


async def listed(house: House, calendar: str = "XNYS") -> list[tuple[str, str, str]]:
    request = market_data_pb2.ListSessionsRequest(
        calendar=calendar, first_day="2030-01-07", last_day="2030-01-13"
    )
    found = (await house.stub.ListSessions(request)).sessions
    return [
        (each.day, each.opens_at.ToJsonString()[11:16], each.closes_at.ToJsonString()[11:16])
        for each in found
    ]


async def test_hours_take_the_place_of_those_that_were(house: House) -> None:
    with house.administered():
        answer = await house.admin.SetTradingHours(
            hours(weekdays=[1, 3], hours=[("09:00", "12:00"), ("13:00", "24:00")])
        )
    assert [session.day for session in answer.sessions] == ["2030-01-07"] * 2 + ["2030-01-09"] * 2
    assert await listed(house) == [
        ("2030-01-07", "14:00", "17:00"),
        ("2030-01-07", "18:00", "05:00"),
        ("2030-01-08", "14:30", "21:00"),
        ("2030-01-09", "14:00", "17:00"),
        ("2030-01-09", "18:00", "05:00"),
        ("2030-01-10", "14:30", "21:00"),
        ("2030-01-11", "14:30", "21:00"),
    ]
    with house.administered():
        assert not (await house.admin.SetTradingHours(hours(last_day="2030-01-10"))).sessions
    assert await listed(house) == [("2030-01-11", "14:30", "21:00")]


async def test_hours_of_today_close_the_market_everywhere_at_once(new_house: NewHouse) -> None:
    async with new_house(market_hours="XNYS") as house, new_house(market_hours="XNYS") as other:
        today = utc_now().date()
        around = {
            "first_day": str(today - timedelta(days=2)),
            "last_day": str(today + timedelta(days=2)),
        }

        async def is_open(asked: House) -> bool:
            return (await asked.stub.GetClock(market_data_pb2.GetClockRequest())).is_open

        with house.administered():
            await house.admin.SetTradingHours(hours(**around, hours=[("00:00", "24:00")]))
            assert await is_open(house)
            await eventually(lambda: is_open(other))
            await house.admin.SetTradingHours(hours(**around))
            assert not await is_open(house)

            async def closed() -> bool:
                return not await is_open(other)

            await eventually(closed)


OVER_THE_CHANGE_OF_CLOCKS = hours(
    first_day="2030-03-09", last_day="2030-03-10", hours=[("02:10", "02:50"), ("03:00", "03:20")]
)


SENSELESS = (
    (hours(calendar="NOPE"), (NotFound, "unknown_calendar", "calendar")),
    (hours(calendar="NOPE\0"), (NotFound, "unknown_calendar", "calendar")),
    (hours(calendar="24x7"), (Conflict, "calendar_always_open", "calendar")),
    (hours(first_day="2030-01-14"), (Invalid, "inverted_range", "last_day")),
    (hours(last_day="2032-01-14"), (Invalid, "range_too_long", "last_day")),
    (hours(first_day="soon"), (Invalid, "invalid_date", "first_day")),
    (hours(weekdays=[8]), (Invalid, "invalid_weekday", "weekdays")),
    (hours(hours=[("16:00", "09:30")]), (Invalid, "closes_before_open", "hours")),
    (hours(hours=[("09:30", "12:00"), ("11:00", "16:00")]), (Invalid, "overlapping_hours", "hours")),
    (hours(hours=[("9am", "4pm")]), (Invalid, "invalid_hours", "hours")),
    (OVER_THE_CHANGE_OF_CLOCKS, (Invalid, "invalid_hours", "hours")),
)


async def test_hours_that_make_no_sense_change_nothing(house: House, pool: Pool) -> None:
    before = await listed(house)
    with house.administered():
        for asked, expected in SENSELESS:
            refused = await refusal(house.admin.SetTradingHours(asked))
            assert (type(refused), refused.code, refused.field) == expected
    assert (await listed(house), await events(pool)) == (before, [])


async def test_the_cache_is_warmed_and_forgotten_for_all_processes(new_house: NewHouse, house: House) -> None:
    symbols = ["IBM", "AAPL", "IBM"]
    async with new_house() as other:
        with house.administered():
            assert (await house.admin.WarmCache(pb.WarmCacheRequest(symbols=symbols))).count == 2
            assert set(await other.cache.read(["IBM", "AAPL", "MSFT"])) == {"IBM", "AAPL"}
            forget = pb.InvalidateCacheRequest(symbols=[*symbols, "GONE"])
            assert (await other.admin.InvalidateCache(forget)).count == 2
        assert await house.cache.read(["IBM", "AAPL"]) == {}


async def test_symbols_of_the_cache_that_make_no_sense_are_refused(house: House) -> None:
    many = [f"S{n}" for n in range(101)]
    with house.administered():
        for symbols, code in (([], "no_symbols"), (many, "too_many_symbols")):
            for call in (
                house.admin.WarmCache(pb.WarmCacheRequest(symbols=symbols)),
                house.admin.InvalidateCache(pb.InvalidateCacheRequest(symbols=symbols)),
            ):
                refused = await refusal(call)
                assert (refused.code, refused.field) == (code, "symbols")
        unknown = await refusal(house.admin.WarmCache(pb.WarmCacheRequest(symbols=["IBM", "NOPE"])))
    assert (type(unknown), unknown.code, unknown.field) == (NotFound, "unknown_symbol", "symbols")


async def test_a_cache_that_is_away_cannot_be_forgotten(new_house: NewHouse) -> None:
    async with new_house(redis_dsn="redis://127.0.0.1:1/0") as house:
        with house.administered():
            for call in ("invalidate", "warm"):
                refused = await refusal(EVERY_CALL[call](house))
                assert (type(refused), refused.code) == (Unavailable, "cache_unavailable")


async def moved(house: House, to: datetime) -> datetime:
    stamp = Timestamp()
    stamp.FromDatetime(to)
    answer = await house.admin.MoveMarketTime(pb.MoveMarketTimeRequest(market_time=stamp))
    return answer.market_time.ToDatetime(tzinfo=UTC)


async def test_the_markets_clock_only_goes_forward_and_not_too_far(house: House, pool: Pool) -> None:
    now = utc_now()
    house.board.begin(1, now)
    with house.administered():
        target = now + timedelta(days=3)
        assert await moved(house, target) == target
        assert await pool.fetchval("SELECT market_time FROM feed_state") == target
        house.board.begin(1, target)
        for to, code in (
            (target, "market_time_not_later"),
            (now - timedelta(days=1), "market_time_not_later"),
            (datetime(1, 1, 1, tzinfo=UTC), "market_time_not_later"),
            (target + timedelta(days=367), "market_time_too_far"),
        ):
            refused = await refusal(moved(house, to))
            assert (type(refused), refused.code, refused.field) == (Invalid, code, "market_time")
        absurd = pb.MoveMarketTimeRequest(market_time=Timestamp(seconds=10**17))
        assert (await refusal(house.admin.MoveMarketTime(absurd))).code == "invalid_time"
    assert len(await events(pool)) == 1


async def test_the_markets_clock_is_not_moved_in_production(new_house: NewHouse, pool: Pool) -> None:
    async with new_house(production=True) as house:
        with house.administered():
            refused = await refusal(EVERY_CALL["clock"](house))
    assert (type(refused), refused.code) == (Refused, "not_in_production")
    assert await events(pool) == []
