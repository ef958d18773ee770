"""Histories over the wire, on real books and databases: what is recorded, when, and what it comes to."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from hub.portfolio.v1 import history_pb2, history_pb2_grpc
from hub_errors import Denied, Invalid, Unauthenticated, Unavailable
from hub_market_client import QuoteCache
from hub_portfolio.domain.history import Valuation
from hub_portfolio.snapshot import snapshot
from hub_portfolio.usecases.valuations import forget_old, value_all
from hub_position.domain.cash import MovementKind
from hub_position.domain.trade import Side
from hub_postgres import Pool
from hub_rpc import calling_as, connect
from hub_runtime import uuid7
from tests.portfolio.front import Front, instruments, portfolio_front
from tests.portfolio.street import (
    FRIDAY,
    MONDAY,
    NEXT_MONDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    Street,
    after,
    at,
    moments,
    news,
)
from tests.portfolio.test_rpc import asked
from tests.position.house import House
from tests.support.tls import Tls

DAY, WEEK, ALL = history_pb2.PERIOD_1D, history_pb2.PERIOD_1W, history_pb2.PERIOD_ALL


@pytest.fixture
def street(front: Front) -> Street:
    return Street(front)


async def test_prices_that_move_make_points_and_a_profit(street: Street) -> None:
    user, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "100", "100")
    await street.heard(owner)
    await street.step(at(MONDAY), AAPL="100")
    await street.step(at(MONDAY, 16), AAPL="120")
    await street.step(at(MONDAY, 17), AAPL="90")
    first, second, third = await street.history(user, DAY)
    assert moments([first, second, third]) == [at(MONDAY), at(MONDAY, 16), at(MONDAY, 17)]
    assert (first.equity, first.cash, first.market_value) == ("100000", "90000", "10000")
    assert (first.profit_loss, first.return_percent, first.benchmark_percent) == ("0", "0.00", "")
    assert (second.equity, second.profit_loss, second.return_percent) == ("102000", "2000", "2.00")
    assert (third.equity, third.profit_loss, third.return_percent) == ("99000", "-1000", "-1.00")
    assert {point.day for point in (first, second, third)} == {MONDAY.isoformat()}


async def test_money_in_and_out_is_no_profit(street: Street) -> None:
    user, owner = await street.front.books.owner()
    world = street.front.books.world
    await world.trade(owner, Side.BUY, "500", "100")
    await street.heard(owner)
    await street.step(at(MONDAY), AAPL="100")
    await street.step(at(MONDAY, 16), AAPL="120")
    await world.move(owner, MovementKind.DEPOSIT, "890000")
    await street.step(at(MONDAY, 17))
    await world.move(owner, MovementKind.WITHDRAWAL, "-10000")
    await world.move(owner, MovementKind.ADJUSTMENT, "10", actor="admin:x", reason="a gift")
    await street.step(at(MONDAY, 18), AAPL="100")
    points = await street.history(user, DAY)
    # The opening deposit is a flow, too.
    assert [point.net_flow for point in points] == ["100000", "100000", "990000", "980010"]
    assert [point.profit_loss for point in points] == ["0", "10000", "10000", "0"]
    # 1.1 * (990 / 1000), whatever the deposit's size.
    assert [point.return_percent for point in points] == ["0.00", "10.00", "10.00", "8.90"]


async def test_fees_and_realised_losses_show_and_a_sale_itself_changes_nothing(street: Street) -> None:
    user, owner = await street.front.books.owner()
    world = street.front.books.world
    await world.trade(owner, Side.BUY, "10", "100")
    await street.heard(owner)
    await street.step(at(MONDAY), AAPL="90")
    await world.trade(owner, Side.SELL, "10", "90", minute=1)
    await street.step(at(MONDAY, 16), AAPL="10")
    await street.step(at(MONDAY, 17), AAPL="1000")
    points = await street.history(user, DAY)
    assert [(point.equity, point.market_value) for point in points] == [("99900", "900"), ("99900", "0")]
    assert [point.profit_loss for point in points] == ["-100", "-100"]


async def test_a_day_ends_with_its_close_and_what_comes_later_belongs_to_the_next(street: Street) -> None:
    user, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "100", "100")
    await street.heard(owner)
    await street.step(at(MONDAY), AAPL="100")
    await street.step(after(at(MONDAY, 21), 2), AAPL="110")  # the step that begins at the close
    await street.step(at(MONDAY, 23), AAPL="111")
    await street.step(at(TUESDAY, 16), AAPL="112")
    await street.step(at(TUESDAY, 20, 55), AAPL="113")
    closes = await street.rows("equity_days", owner.account_id)
    assert [(row["day"], row["at"], row["equity"]) for row in closes] == [
        (MONDAY, at(MONDAY, 21), 101_000),
        (TUESDAY, at(TUESDAY, 20, 55), 101_300),
    ]
    before, *points = await street.history(user, DAY)
    assert (before.at.ToDatetime(tzinfo=at(MONDAY).tzinfo), before.profit_loss) == (at(MONDAY, 21), "0")
    assert moments(points) == [at(MONDAY, 23), at(TUESDAY, 16), at(TUESDAY, 20, 55)]
    assert [point.profit_loss for point in points] == ["100", "200", "300"]
    week = await street.history(user, WEEK)
    assert [(point.day, point.profit_loss) for point in week] == [
        (MONDAY.isoformat(), "1000"),
        (TUESDAY.isoformat(), "1300"),
    ]


async def test_over_a_weekend_the_day_is_still_fridays(street: Street) -> None:
    user, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "1", "100")
    await street.heard(owner)
    await street.step(at(THURSDAY), AAPL="100")
    await street.step(at(FRIDAY), AAPL="101")
    await street.step(at(FRIDAY, 22), AAPL="102")
    await street.step(after(at(FRIDAY, 22), 60 * 24), AAPL="102")
    assert [point.profit_loss for point in await street.history(user, DAY)] == ["0", "1", "2"]
    await street.step(at(NEXT_MONDAY, 16), AAPL="105")
    points = await street.history(user, DAY)
    assert [(point.day, point.profit_loss) for point in points] == [
        (FRIDAY.isoformat(), "0"),
        (NEXT_MONDAY.isoformat(), "1"),
        (NEXT_MONDAY.isoformat(), "4"),
    ]


async def test_who_only_has_cash_gets_no_points_until_it_changes(street: Street) -> None:
    user, owner = await street.front.books.owner()
    await street.heard(owner, version=1)
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        await street.step(at(day), AAPL="1")
    assert len(await street.rows("equity_points", owner.account_id)) == 1
    assert [row["day"] for row in await street.rows("equity_days", owner.account_id)] == [MONDAY]
    [start] = await street.history(user, DAY)
    assert (start.day, start.equity, start.profit_loss) == (MONDAY.isoformat(), "100000", "0")
    await street.front.books.world.move(owner, MovementKind.DEPOSIT, "5")
    await street.heard(owner)
    await street.step(at(THURSDAY), AAPL="1")
    assert [point.net_flow for point in await street.history(user, DAY)] == ["0", "5"]


async def test_who_holds_something_has_a_close_every_day_and_points_only_where_something_changed(
    street: Street,
) -> None:
    _, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "1", "100")
    await street.heard(owner)
    for day in (MONDAY, TUESDAY):
        for hour in (15, 16, 17):
            await street.step(at(day, hour), AAPL="100")
    assert len(await street.rows("equity_points", owner.account_id)) == 1
    assert [row["day"] for row in await street.rows("equity_days", owner.account_id)] == [MONDAY, TUESDAY]


async def test_an_account_that_never_did_anything_has_its_deposit_and_is_followed_then(
    street: Street,
) -> None:
    street.front.cache.apply(news(at(MONDAY, 16)))
    user = street.front.books.signer.user()
    for period in (DAY, WEEK, ALL):
        [point] = await street.history(user, period)
        assert (point.equity, point.market_value, point.net_flow) == ("100000", "0", "100000")
        assert (point.profit_loss, point.return_percent) == ("0", "0.00")
    await street.step(at(MONDAY, 16))
    assert [row["equity"] for row in await street.rows("equity_days", user.account_id)] == [100_000]


async def test_an_account_that_is_older_than_its_history_says_nothing_of_the_time_before(
    street: Street,
) -> None:
    user, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "100", "100")
    async with street.front.books.world.pool.acquire() as connection:
        aged = "UPDATE accounts SET opened_at = opened_at - interval '90 days' WHERE account_id = $1"
        await connection.execute(aged, owner.account_id)
    await street.heard(owner)
    await street.step(at(MONDAY), AAPL="150")
    await street.step(at(TUESDAY), AAPL="160")
    assert [point.profit_loss for point in await street.history(user, WEEK)] == ["0", "1000"]
    assert [point.profit_loss for point in await street.history(user, ALL)] == ["5000", "6000"]


async def test_processes_that_value_at_once_write_each_valuation_once(street: Street) -> None:
    owners = [(await street.front.books.owner())[1] for _ in range(5)]
    for owner in owners:
        await street.front.books.world.trade(owner, Side.BUY, "1", "100")
        await street.heard(owner)
    await street.step(at(MONDAY), AAPL="100")
    street.front.cache.apply(news(at(MONDAY, 16), AAPL="110"))
    await asyncio.gather(*(value_all(street.front.valuer, at(MONDAY, 16)) for _ in range(4)))
    for owner in owners:
        rows = await street.rows("equity_points", owner.account_id)
        assert [row["equity"] for row in rows] == [100_000, 100_010]


async def test_a_valuation_goes_on_from_the_one_it_was_made_from_and_from_no_other(street: Street) -> None:
    _, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "1", "100")
    await street.heard(owner)
    await street.step(at(MONDAY), AAPL="100")
    store = street.front.valuer.store
    [stale] = [
        each for each in await store.due(at(MONDAY, 16), 10_000) if each.account_id == owner.account_id
    ]
    await street.step(at(MONDAY, 16), AAPL="110")
    assert stale.last is not None
    late = replace(stale.last, at=at(MONDAY, 17), equity=stale.last.equity + 1)
    await store.write(
        [Valuation(stale, late, version=1, holds=True, opened_on=MONDAY)], missing=(), at=at(MONDAY, 17)
    )
    rows = await street.rows("equity_points", owner.account_id)
    assert [row["at"] for row in rows] == [at(MONDAY), at(MONDAY, 16)]


async def test_a_pass_is_bounded_batches_each_one_question_to_position(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    await street.step(at(MONDAY), AAPL="100")
    monkeypatch.setattr("hub_portfolio.usecases.valuations.ACCOUNTS_AT_ONCE", 2)
    for owner in [(await street.front.books.owner())[1] for _ in range(5)]:
        await street.heard(owner)
    street.front.cache.apply(news(at(MONDAY, 16)))
    before = asked("BooksService")
    count = await value_all(street.front.valuer, at(MONDAY, 16))
    questions = asked("BooksService") - before
    assert count >= 5
    assert questions == Counter({"ListAccountBooks": -(-count // 2)})


async def test_an_account_that_position_does_not_know_is_left_alone(street: Street) -> None:
    stranger = uuid7()
    await street.front.valuer.store.hear({stranger: 3}, [stranger])
    await street.step(at(MONDAY))
    assert await street.rows("equity_days", stranger) == []
    due = await street.front.valuer.store.due(at(TUESDAY), 10_000)
    assert stranger not in {each.account_id for each in due}


async def test_points_of_old_days_are_forgotten_and_closes_are_not(street: Street) -> None:
    user, owner = await street.front.books.owner()
    await street.front.books.world.trade(owner, Side.BUY, "1", "100")
    await street.heard(owner)
    await street.step(at(MONDAY), AAPL="100")
    await street.step(at(TUESDAY), AAPL="101")
    await forget_old(replace(street.front.valuer, kept=timedelta(0)), at(TUESDAY))
    assert [row["day"] for row in await street.rows("equity_points", owner.account_id)] == [TUESDAY]
    assert len(await street.history(user, WEEK)) == 2


async def test_while_position_is_away_nothing_is_written_and_then_all_of_it(
    books: House, pool: Pool, tls: Tls
) -> None:
    user, owner = await books.owner()
    await books.world.trade(owner, Side.BUY, "1", "100")
    async with portfolio_front(books, pool, tls, position="127.0.0.1:1") as front:
        street = Street(front)
        await street.heard(owner)
        front.cache.apply(news(at(MONDAY, 16), AAPL="100"))
        assert await snapshot(front.valuer, None) is None
        assert await street.rows("equity_points", owner.account_id) == []
        with pytest.raises(Unavailable):
            await street.history(user, DAY)
    async with portfolio_front(books, pool, tls) as front:
        street = Street(front)
        await street.step(at(MONDAY, 16), AAPL="100")
        assert len(await street.history(user, DAY)) == 1


async def test_before_the_market_was_heard_of_there_is_nothing_to_say(
    books: House, pool: Pool, tls: Tls
) -> None:
    user, _ = await books.owner()
    without_a_clock = QuoteCache()
    without_a_clock.apply(instruments())
    for cache in (QuoteCache(), without_a_clock):
        async with portfolio_front(books, pool, tls, cache=cache) as front:
            assert await snapshot(front.valuer, None) is None
            with pytest.raises(Unavailable) as caught:
                await Street(front).history(user, DAY)
        assert caught.value.code == "market_data_unavailable"


async def test_a_step_is_valued_once(street: Street) -> None:
    street.front.cache.apply(news(at(MONDAY, 16)))
    done = await snapshot(street.front.valuer, None)
    assert done == at(MONDAY, 16)
    before = asked("BooksService")
    assert await snapshot(street.front.valuer, done) == done
    assert asked("BooksService") == before


async def test_one_question_to_the_database_and_none_to_others_answers_a_history(street: Street) -> None:
    user, owner = await street.front.books.owner()
    await street.heard(owner)
    await street.step(at(MONDAY))
    before = asked("Service")
    await street.history(user, WEEK)
    assert asked("Service") - before == Counter({"GetHistory": 1})


async def test_whose_history_it_is_the_token_says_and_only_the_gateway_may_ask(
    street: Street, tls: Tls
) -> None:
    street.front.cache.apply(news(at(MONDAY, 16)))
    with pytest.raises(Unauthenticated):
        await street.front.histories.GetHistory(history_pb2.GetHistoryRequest(period=DAY))
    user = street.front.books.signer.user()
    for period in (history_pb2.PERIOD_UNSPECIFIED, 99):
        with calling_as(user.token), pytest.raises(Invalid) as refused:
            await street.front.histories.GetHistory(history_pb2.GetHistoryRequest(period=period))  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.field) == ("invalid_value", "period")
    async with connect(street.front.target, tls.files("order"), "portfolio") as channel:
        stub = history_pb2_grpc.HistoryServiceStub(channel)
        with calling_as(user.token), pytest.raises(Denied):
            await stub.GetHistory(history_pb2.GetHistoryRequest(period=DAY))
