"""Splits and dividends to come: who may add them, when they take effect, and that no price of old shares is
taken for one of new shares."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from hub.market_data.v1 import corporate_actions_pb2 as due_pb
from hub.market_data.v1 import market_data_admin_pb2 as pb
from hub.market_data.v1 import market_data_pb2
from hub_errors import Conflict, Denied, HubError, Invalid, NotFound, Refused
from hub_market_data.domain.actions import ActionType, CorporateAction
from hub_market_data.domain.calendars import Calendar, Hours, Session
from hub_market_data.domain.splits import Split, Splits, begins_at
from hub_market_data.domain.ticks import Tick, quoted
from hub_market_data.store import Actions, DailyStatistics
from hub_market_data.usecases.announcing import Announcing, complete, lieu_price, list_due
from hub_money import money
from hub_postgres import Pool
from hub_runtime import utc_now
from tests.market_data.conftest import NewHouse
from tests.market_data.house import House
from tests.support.jobs import eventually

SPLIT = market_data_pb2.CORPORATE_ACTION_TYPE_SPLIT
DIVIDEND = market_data_pb2.CORPORATE_ACTION_TYPE_DIVIDEND
TODAY = utc_now().date()
# Far enough for a test that runs at midnight.
EX_DATE = TODAY + timedelta(days=3)
EFFECTIVE = datetime.combine(EX_DATE, time(), tzinfo=UTC)
AT = datetime(2026, 3, 3, 14, 30, tzinfo=UTC)
CENT = Decimal("0.01")


def action(**fields: Any) -> pb.AddCorporateActionRequest:
    usual = {"symbol": "AAPL", "type": SPLIT, "ex_date": EX_DATE.isoformat()}
    if fields.get("type", SPLIT) == SPLIT:
        usual["ratio"] = "4"
    return pb.AddCorporateActionRequest(**{**usual, **fields})


async def add(house: House, **fields: Any) -> market_data_pb2.CorporateAction:
    with house.administered():
        added = await house.admin.AddCorporateAction(action(**fields))
    found: market_data_pb2.CorporateAction = added.action
    return found


async def refusal(call: Awaitable[Any]) -> HubError:
    with pytest.raises(HubError) as refused:
        await call
    return refused.value


def announcing(house: House, pool: Pool) -> Announcing:
    return Announcing(board=house.board, actions=Actions(pool), clock=utc_now)


async def time_is(house: House, market_time: datetime) -> None:
    house.board.publish([], market_time)
    await house.market.refresh()


def tick(price: str, at: datetime, symbol: str = "AAPL", previous_close: str = "100") -> Tick:
    last = Decimal(price)
    return Tick(
        symbol=symbol,
        bid=last - CENT,
        bid_size=Decimal(100),
        ask=last + CENT,
        ask_size=Decimal(100),
        last=last,
        open=last,
        high=last,
        low=last,
        previous_close=Decimal(previous_close),
        volume=Decimal(1000),
        market_time=at,
    )


def quote(house: House, price: str, at: datetime, *, seq: int) -> None:
    made = quoted(tick(price, at), epoch=house.board.epoch + 1, seq=seq, received_at=utc_now())
    house.board.publish([made], at)


async def test_an_action_is_added_once_and_recorded(house: House, pool: Pool) -> None:
    added = await add(house)
    assert (added.ratio, added.status) == ("4", market_data_pb2.CORPORATE_ACTION_STATUS_ANNOUNCED)
    assert await add(house) == added
    rows = await pool.fetch("SELECT actor, detail FROM admin_events WHERE act = 'add_corporate_action'")
    [(actor, detail)] = rows
    assert actor == house.administrator.user_id
    assert json.loads(detail) == {
        "symbol": "AAPL",
        "type": "SPLIT",
        "ex_date": EX_DATE.isoformat(),
        "number": "4",
    }
    with house.administered():
        error = await refusal(house.admin.AddCorporateAction(action(ratio="2")))
    assert (type(error), error.code) == (Conflict, "corporate_action_exists")
    dividend = await add(house, type=DIVIDEND, amount="0.25")
    assert (dividend.amount, dividend.currency) == ("0.25", "USD")


REFUSED: list[tuple[dict[str, Any], type[HubError], str, str]] = [
    ({"symbol": "NONE"}, NotFound, "unknown_symbol", "symbol"),
    ({"type": 0}, Invalid, "invalid_action_type", "type"),
    ({"ex_date": "soon"}, Invalid, "invalid_date", "ex_date"),
    ({"ex_date": TODAY.isoformat()}, Invalid, "ex_date_not_ahead", "ex_date"),
    ({"ex_date": "2001-01-01"}, Invalid, "ex_date_not_ahead", "ex_date"),
    ({"ex_date": (TODAY + timedelta(days=400)).isoformat()}, Invalid, "ex_date_too_far", "ex_date"),
    ({"ratio": ""}, Invalid, "ratio_required", "ratio"),
    ({"ratio": "0"}, Invalid, "not_positive", "ratio"),
    ({"ratio": "-2"}, Invalid, "not_positive", "ratio"),
    ({"ratio": "1"}, Invalid, "invalid_ratio", "ratio"),
    ({"ratio": "1.00"}, Invalid, "invalid_ratio", "ratio"),
    ({"ratio": "1000.1"}, Invalid, "invalid_ratio", "ratio"),
    ({"ratio": "0.0009"}, Invalid, "invalid_ratio", "ratio"),
    ({"ratio": "0.333333333"}, Invalid, "too_precise", "ratio"),
    ({"ratio": "2:1"}, Invalid, "invalid_decimal", "ratio"),
    ({"amount": "1"}, Invalid, "amount_not_allowed", "amount"),
    ({"type": DIVIDEND, "ratio": "2", "amount": "1"}, Invalid, "ratio_not_allowed", "ratio"),
    ({"type": DIVIDEND}, Invalid, "amount_required", "amount"),
    ({"type": DIVIDEND, "amount": "0"}, Invalid, "not_positive", "amount"),
    ({"type": DIVIDEND, "amount": "1000000"}, Invalid, "invalid_amount", "amount"),
]


async def test_what_makes_no_sense_is_refused(house: House, pool: Pool) -> None:
    quote(house, "100", utc_now(), seq=1)
    found = []
    with house.administered():
        for fields, *_ in REFUSED:
            error = await refusal(house.admin.AddCorporateAction(action(**fields)))
            found.append((fields, type(error), error.code, error.field))
    assert found == REFUSED
    assert await pool.fetchval("SELECT count(*) FROM corporate_actions WHERE added") == 0
    assert await pool.fetchval("SELECT count(*) FROM admin_events") == 0


async def test_on_a_day_without_a_session_nothing_can_happen(new_house: NewHouse) -> None:
    saturday = TODAY + timedelta(days=(5 - TODAY.weekday()) % 7 + 7)
    async with new_house(market_hours="XNYS") as house:
        with house.administered():
            error = await refusal(house.admin.AddCorporateAction(action(ex_date=saturday.isoformat())))
    assert (error.code, error.field) == ("not_a_trading_day", "ex_date")


async def test_history_is_listed_and_never_due(house: House, pool: Pool) -> None:
    request = market_data_pb2.ListCorporateActionsRequest(symbol="AAPL")
    known = (await house.stub.ListCorporateActions(request)).actions
    assert known
    assert {each.status for each in known} == {market_data_pb2.CORPORATE_ACTION_STATUS_HISTORY}
    assert await list_due(announcing(house, pool)) == []


async def test_an_action_is_due_from_the_opening_of_its_day_until_it_is_done(
    house: House, pool: Pool
) -> None:
    await add(house)
    await add(house, type=DIVIDEND, amount="0.25")
    books = announcing(house, pool)
    assert await list_due(books) == []
    await time_is(house, EFFECTIVE - timedelta(microseconds=1))
    assert await list_due(books) == []
    await time_is(house, EFFECTIVE)
    split, dividend = await list_due(books)
    assert [each.type for each, _ in (split, dividend)] == [ActionType.SPLIT, ActionType.DIVIDEND]
    assert {at for _, at in (split, dividend)} == {EFFECTIVE}
    await complete(books, split[0].action_id)
    await complete(books, split[0].action_id)
    assert [each.type for each, _ in await list_due(books)] == [ActionType.DIVIDEND]


async def test_a_split_of_whole_shares_says_what_a_new_one_is_worth(house: House, pool: Pool) -> None:
    """By the last close before its day; of what trades in parts of shares it says nothing."""
    await add(house)
    await add(house, type=DIVIDEND, amount="0.25")
    await time_is(house, EFFECTIVE)
    books = announcing(house, pool)
    (due, _), (paid, _) = await list_due(books)
    assert await lieu_price(books, due) is None
    # Of its own, which nobody brings up to date.
    board = copy(house.board)
    whole = replace(board.instruments["AAPL"], fractionable=False)
    board.instruments = {**board.instruments, "AAPL": whole}
    books = replace(books, board=board)
    close = await pool.fetchval(
        "SELECT close FROM day_bars WHERE symbol = 'AAPL' AND day < $1 ORDER BY day DESC LIMIT 1", EX_DATE
    )
    assert await lieu_price(books, due) == money(close / 4)
    assert await lieu_price(books, paid) is None
    assert await lieu_price(books, replace(due, symbol="NONE")) is None


async def test_what_took_effect_keeps_its_moment_whatever_becomes_of_the_hours(
    house: House, pool: Pool
) -> None:
    await add(house)
    books = announcing(house, pool)
    await time_is(house, EFFECTIVE + timedelta(hours=1))
    first = await list_due(books)
    house.market.board.extended_hours = Hours(opens=time(4), closes=time(20))
    assert [at for _, at in await list_due(books)] == [at for _, at in first]


async def test_nobody_completes_what_is_not_there_or_not_due(house: House, pool: Pool) -> None:
    books = announcing(house, pool)
    error = await refusal(complete(books, uuid4()))
    assert (type(error), error.code) == (NotFound, "unknown_corporate_action")
    await add(house)
    [added] = await Actions(pool).added()
    error = await refusal(complete(books, added.action_id))
    assert (type(error), error.code) == (Refused, "corporate_action_not_due")


async def test_only_the_order_service_may_ask_what_is_due(new_house: NewHouse, house: House) -> None:
    await add(house)
    await time_is(house, EFFECTIVE)
    for caller in ("order", "gateway"):
        async with new_house(caller=caller) as other:
            await time_is(other, EFFECTIVE)
            ask = other.actions.ListDueCorporateActions(due_pb.ListDueCorporateActionsRequest())
            if caller == "gateway":
                assert type(await refusal(ask)) is Denied
                continue
            [due] = (await ask).actions
            request = due_pb.CompleteCorporateActionRequest(action_id=due.action_id)
            await other.actions.CompleteCorporateAction(request)
            bad = due_pb.CompleteCorporateActionRequest(action_id="split")
            assert (await refusal(other.actions.CompleteCorporateAction(bad))).code == "invalid_id"
    assert await house.stub.ListCorporateActions(market_data_pb2.ListCorporateActionsRequest(symbol="AAPL"))


async def test_a_split_halts_its_instrument_until_there_is_a_price_of_new_shares(
    house: House, pool: Pool
) -> None:
    def halted() -> tuple[bool, str]:
        instrument = house.board.instruments["AAPL"]
        return instrument.halted, instrument.halt_reason

    await add(house)
    quote(house, "400", EFFECTIVE - timedelta(seconds=1), seq=1)
    await house.market.refresh()
    assert halted() == (False, "")
    assert house.board.takes("AAPL", EFFECTIVE - timedelta(microseconds=1))
    # At the very moment, before anybody has read anything anew.
    assert not house.board.takes("AAPL", EFFECTIVE)
    await time_is(house, EFFECTIVE)
    assert halted() == (True, "corporate_action")
    assert not house.board.instruments["MSFT"].halted
    with house.administered():
        error = await refusal(house.admin.ResumeInstrument(pb.ResumeInstrumentRequest(symbol="AAPL")))
    assert (type(error), error.code) == (Conflict, "corporate_action_halt")
    [(due, _)] = await list_due(announcing(house, pool))
    await complete(announcing(house, pool), due.action_id)
    await eventually(lambda: house.board.takes("AAPL", EFFECTIVE))
    # The last price is one of old shares.
    assert halted() == (True, "corporate_action")
    quote(house, "100", EFFECTIVE + timedelta(seconds=1), seq=2)
    await eventually(lambda: halted() == (False, ""))


async def test_a_halt_of_an_administrator_outlives_the_split(house: House, pool: Pool) -> None:
    await add(house)
    await time_is(house, EFFECTIVE)
    with house.administered():
        await house.admin.HaltInstrument(pb.HaltInstrumentRequest(symbol="AAPL", reason="news"))
        lifted = await house.admin.ResumeInstrument(pb.ResumeInstrumentRequest(symbol="AAPL"))
        assert (lifted.instrument.halted, lifted.instrument.halt_reason) == (True, "corporate_action")
        await house.admin.HaltInstrument(pb.HaltInstrumentRequest(symbol="AAPL", reason="news"))
        # The same reason by somebody who only means it.
        await house.admin.HaltInstrument(pb.HaltInstrumentRequest(symbol="IBM", reason="corporate_action"))
        resumed = await house.admin.ResumeInstrument(pb.ResumeInstrumentRequest(symbol="IBM"))
        assert not resumed.instrument.halted
    [(due, _)] = await list_due(announcing(house, pool))
    await complete(announcing(house, pool), due.action_id)
    await eventually(lambda: house.board.takes("AAPL", EFFECTIVE))
    quote(house, "100", EFFECTIVE + timedelta(seconds=1), seq=1)
    await eventually(lambda: house.board.instruments["AAPL"].halt_reason == "news")


async def test_the_close_before_a_split_is_shown_in_new_shares(house: House, pool: Pool) -> None:
    query = "SELECT close FROM day_bars WHERE symbol = 'AAPL' ORDER BY day DESC LIMIT 1"
    last = await pool.fetchval(query)
    await add(house)
    statistics = DailyStatistics(pool)
    days = (EX_DATE - timedelta(days=1), EX_DATE)
    before, after = [(await statistics.of(["AAPL"], day))["AAPL"] for day in days]
    assert before is not None
    assert after is not None
    assert (before.previous_close, after.previous_close) == (last, round(last / 4, 8))


def splits(*, applied: bool, ratio: str = "4") -> Splits:
    return Splits([Split(symbol="AAPL", ratio=Decimal(ratio), effective_at=AT, applied=applied)])


def test_a_feed_of_its_own_prices_is_divided_from_the_ex_date_on() -> None:
    known = splits(applied=True)
    before = tick("400.01", AT - timedelta(seconds=1))
    assert known.restated(before, "replay", tick_size=CENT, timezone="UTC") is before
    after = known.restated(tick("400.02", AT, previous_close="396"), "replay", tick_size=CENT, timezone="UTC")
    assert (after.bid, after.last, after.ask) == (Decimal("100.00"), Decimal("100.00"), Decimal("100.01"))
    assert (after.previous_close, after.volume) == (Decimal(99), Decimal(1000))
    other = tick("400", AT, symbol="MSFT")
    assert known.restated(other, "replay", tick_size=CENT, timezone="UTC") is other


def test_no_price_is_divided_to_nothing() -> None:
    after = splits(applied=True, ratio="1000").restated(
        tick("0.50", AT), "replay", tick_size=CENT, timezone="UTC"
    )
    assert (after.bid, after.last, after.ask) == (CENT, CENT, CENT)


def test_real_prices_are_in_new_shares_but_for_the_close_of_the_day_before() -> None:
    known = splits(applied=True)
    on_the_day = known.restated(tick("100", AT, previous_close="396"), "lean", tick_size=CENT, timezone="UTC")
    assert (on_the_day.last, on_the_day.previous_close) == (Decimal(100), Decimal(99))
    next_day = tick("101", AT + timedelta(days=1), previous_close="100")
    assert known.restated(next_day, "lean", tick_size=CENT, timezone="UTC") is next_day


NEW_YORK = Calendar(calendar="XNYS", always_open=False, timezone="America/New_York")
MONDAY = Session(
    calendar="XNYS",
    day=date(2026, 3, 2),
    opens_at=datetime(2026, 3, 2, 14, 30, tzinfo=UTC),
    closes_at=datetime(2026, 3, 2, 21, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("day", "hours", "begins"),
    [
        (date(2026, 3, 2), None, MONDAY.opens_at),
        (date(2026, 3, 2), Hours(opens=time(4), closes=time(20)), datetime(2026, 3, 2, 9, tzinfo=UTC)),
        (date(2026, 3, 1), None, MONDAY.opens_at),
        (date(2026, 3, 3), None, None),
    ],
    ids=["its session", "extended hours", "closed: the next day", "nothing known so late"],
)
def test_a_trading_day_begins_with_its_first_hours(
    day: date, hours: Hours | None, begins: datetime | None
) -> None:
    assert begins_at(NEW_YORK, day, [MONDAY], hours) == begins


def test_an_id_is_a_function_of_instrument_day_and_type() -> None:
    first = CorporateAction(symbol="AAPL", ex_date=EX_DATE, type=ActionType.SPLIT, ratio=Decimal(4))
    same = CorporateAction(symbol="AAPL", ex_date=EX_DATE, type=ActionType.SPLIT, ratio=Decimal(5))
    other = CorporateAction(symbol="AAPL", ex_date=EX_DATE, type=ActionType.DIVIDEND, amount=Decimal(4))
    assert first.action_id == same.action_id != other.action_id
