"""The whole life of orders on the real database: stops, at-once orders, cash, ends by time, slow venues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from hub.order.v1 import order_pb2
from hub_errors import Denied, Refused
from hub_order import audit
from hub_order.domain import Filled, Order, Quote, Report, Status
from hub_order.usecases.execute import execute
from hub_order.usecases.plan import Task
from hub_order.usecases.sweep import expire
from hub_order.usecases.venue_reports import VenueDesk
from hub_order.venue import Faults, FillModel, SimulatedVenue, SlowVenue
from hub_rpc import calling_as
from tests.order import build
from tests.order.house import House
from tests.support.tokens import TokenUser as User

IOC, FOK = order_pb2.TIME_IN_FORCE_IOC, order_pb2.TIME_IN_FORCE_FOK
SELL, STOP = order_pb2.SIDE_SELL, order_pb2.ORDER_TYPE_STOP_LOSS
STOP_LIMIT, TRAILING = order_pb2.ORDER_TYPE_STOP_LIMIT, order_pb2.ORDER_TYPE_TRAILING_STOP
SHOWN_ONLY = SimulatedVenue(FillModel(participation=True))


async def ending(house: House, order_id: UUID) -> tuple[Status, str]:
    order = await house.order(order_id)
    return order.status, order.reason


async def handed(
    house: House, order_id: UUID, quote: Quote, *, stop: str | None = None, **fields: object
) -> Order:
    """What the worker does with what the trigger hands over."""
    quote = replace(quote, market_time=house.tape.cache.market_time())
    task = Task(order_id, "", quote, None if stop is None else Decimal(stop), 10**9)
    await execute([task], floor=house.floor_with(**fields))
    return await house.order(order_id)


async def kinds(house: House, order_id: UUID) -> list[str]:
    records = await house.orders.records(order_id)
    order = await house.order(order_id)
    assert audit.faults(records, head=order.chain, version=order.version) == []
    return [record.kind for record, _ in records]


async def test_ioc_takes_what_is_there_and_the_rest_ends(house: House, user: User) -> None:
    house.tape.quote("AAPL", "99", "100", ask_size="4")
    order_id = await house.accepted(user, time_in_force=IOC)
    await execute([Task(order_id, "")], floor=house.floor_with(venue=SHOWN_ONLY))
    assert await ending(house, order_id) == (Status.CANCELLED, "NOT_FILLED_AT_ONCE")
    assert (await house.order(order_id)).filled_quantity == 4
    executed, closed = await house.events("positions")
    assert (executed.type, closed.type) == ("order.executed", "order.closed")
    assert (closed.order_closed.execution_count, closed.order_closed.order.filled_quantity) == (1, "4")


async def test_fok_takes_all_or_nothing(house: House, user: User) -> None:
    house.tape.quote("AAPL", "99", "100", ask_size="9")
    few = await house.accepted(user, time_in_force=FOK)
    await execute([Task(few, "")], floor=house.floor_with(venue=SHOWN_ONLY))
    assert await ending(house, few) == (Status.CANCELLED, "NOT_FILLED_AT_ONCE")
    assert (await house.order(few)).filled_quantity == 0
    house.tape.quote("AAPL", "99", "100", ask_size="10")
    enough = await house.accepted(user, time_in_force=FOK)
    await execute([Task(enough, "")], floor=house.floor_with(venue=SHOWN_ONLY))
    assert (await house.order(enough)).status is Status.EXECUTED


async def test_a_limit_at_once_away_from_the_market_ends(house: House, user: User) -> None:
    order_id = await house.accepted(user, limit_price="95", time_in_force=IOC)
    await house.execute(order_id)
    assert await ending(house, order_id) == (Status.CANCELLED, "NOT_FILLED_AT_ONCE")


async def test_a_stop_rests_until_it_is_reached_and_then_takes_the_market(house: House, user: User) -> None:
    house.books.shares[str(user.account_id), "AAPL"] = Decimal(10)
    order_id = await house.accepted(user, type=STOP, side=SELL, stop_price="95")
    await house.execute(order_id)
    assert (await house.order(order_id)).status is Status.PROCESSING
    order = await handed(house, order_id, build.quote(bid="94.90", ask="95", seq=8), stop="95")
    assert (order.status, order.average_price) == (Status.EXECUTED, Decimal("94.9"))
    assert order.triggered_at is not None
    assert await kinds(house, order_id) == ["accepted", "working", "triggered", "executed"]


async def test_a_stop_that_was_not_reached_is_not_filled_by_a_quote(house: House, user: User) -> None:
    house.books.shares[str(user.account_id), "AAPL"] = Decimal(10)
    order_id = await house.accepted(user, type=STOP, side=SELL, stop_price="95")
    await house.execute(order_id)
    order = await handed(house, order_id, build.quote(seq=8))
    assert (order.status, order.triggered_at) == (Status.PROCESSING, None)


async def test_a_stop_purchase_is_protected_by_its_hold(house: House, user: User) -> None:
    order_id = await house.accepted(user, type=STOP, stop_price="110")
    await house.execute(order_id)
    assert (await house.order(order_id)).protection_price == Decimal("115.5")
    order = await handed(house, order_id, build.quote(bid="120", ask="121", seq=8), stop="110")
    assert (order.status, order.reason) == (Status.FAILED, "PRICE_PROTECTION")
    assert await kinds(house, order_id) == ["accepted", "working", "triggered", "failed"]


async def test_a_stop_limit_becomes_a_limit(house: House, user: User) -> None:
    order_id = await house.accepted(user, type=STOP_LIMIT, stop_price="110", limit_price="111")
    await house.execute(order_id)
    order = await handed(house, order_id, build.quote(bid="112", ask="113", seq=8), stop="110")
    assert (order.status, order.triggered_at is None) == (Status.PROCESSING, False)
    order = await handed(house, order_id, build.quote(bid="109", ask="110.50", seq=9))
    assert (order.status, order.average_price) == (Status.EXECUTED, Decimal("110.5"))


async def test_a_trailing_stop_remembers_where_it_was_reached(house: House, user: User) -> None:
    house.books.shares[str(user.account_id), "AAPL"] = Decimal(10)
    order_id = await house.accepted(user, type=TRAILING, side=SELL, trail_amount="5")
    await house.execute(order_id)
    order = await handed(house, order_id, build.quote(bid="102", ask="102.10", seq=8), stop="103")
    assert (order.status, order.stop_price) == (Status.EXECUTED, Decimal(103))


async def test_cash_buys_what_it_buys_and_never_more(house: House, user: User) -> None:
    order_id = await house.accepted(user, quantity="", notional="1000")
    (hold,) = house.books.holds.values()
    assert (hold.request.by_value, hold.request.quantity, hold.request.unit_price) == (True, "1000", "1")
    house.tape.quote("AAPL", "102", "103")
    await house.execute(order_id)
    order = await house.order(order_id)
    assert (order.status, order.quantity, order.filled_quantity) == (
        Status.EXECUTED,
        Decimal("9.70873786"),
        Decimal("9.70873786"),
    )
    assert order.filled_value <= 1000


async def test_slippage_is_never_beyond_the_limit_and_the_same_each_time(house: House, user: User) -> None:
    worse = SimulatedVenue(FillModel(slippage=Decimal("0.02"), seed=7))
    prices = []
    for limit in ("100", "104"):
        order_id = await house.accepted(user, limit_price=limit)
        await execute([Task(order_id, "")], floor=house.floor_with(venue=worse))
        order = await house.order(order_id)
        assert order.average_price is not None
        assert Decimal(100) <= order.average_price <= Decimal(limit)
        prices.append(order.average_price)
    assert prices[0] == Decimal(100)


async def test_a_day_order_ends_with_its_session(house: House, user: User) -> None:
    order_id = await house.resting(user)
    kept = await house.resting(user, time_in_force=order_pb2.TIME_IN_FORCE_GTC)
    (_, closes_at) = house.tape.sessions[0]
    assert (await house.order(order_id)).expires_at == closes_at
    assert await expire(orders=house.orders, market=house.market) == 0
    house.tape.time(closes_at)
    assert await expire(orders=house.orders, market=house.market) == 1
    assert await ending(house, order_id) == (Status.EXPIRED, "SESSION_ENDED")
    assert (await house.order(kept)).status is Status.PROCESSING
    assert [event.type for event in await house.events("positions")] == ["order.closed"]
    assert await expire(orders=house.orders, market=house.market) == 0


async def test_an_order_whose_session_ended_while_the_broker_was_away_is_not_executed(
    house: House, user: User
) -> None:
    order_id = await house.accepted(user)
    house.tape.time(house.tape.sessions[0][1] + timedelta(seconds=1))
    await house.execute(order_id)
    assert await ending(house, order_id) == (Status.EXPIRED, "SESSION_ENDED")


async def test_cancel_all_ends_what_is_open(house: House, user: User) -> None:
    mine = [await house.resting(user) for _ in range(3)]
    filled = await house.accepted(user)
    await house.execute(filled)
    other = await house.resting(house.keys.user())
    elsewhere = await house.resting(user, symbol="MSFT")
    with calling_as(user.token):
        answer = await house.stub.CancelOrders(order_pb2.CancelOrdersRequest(symbol="AAPL"))
        assert {order.order_id for order in answer.orders} == {str(order_id) for order_id in mine}
        assert not answer.more
        answer = await house.stub.CancelOrders(order_pb2.CancelOrdersRequest())
    assert [order.order_id for order in answer.orders] == [str(elsewhere)]
    assert (await house.order(other)).status is Status.PROCESSING
    assert (await house.order(filled)).status is Status.EXECUTED


async def test_an_administrator_ends_what_is_open_of_an_account(house: House, user: User) -> None:
    mine, other = await house.resting(user), await house.resting(house.keys.user())
    request = order_pb2.CancelAccountOrdersRequest(account_id=str(user.account_id))
    with calling_as(user.token), pytest.raises(Denied):
        await house.admin.CancelAccountOrders(request)
    admin = house.keys.user(roles=("user", "admin"))
    with calling_as(admin.token):
        answer = await house.admin.CancelAccountOrders(request)
    assert [order.order_id for order in answer.orders] == [str(mine)]
    assert (await house.order(other)).status is Status.PROCESSING
    assert (await house.orders.records(mine))[-1][0].actor == f"user:{admin.user_id}"


class Line:
    """A slow venue whose reports the test delivers itself."""

    def __init__(self, house: House, **faults: object) -> None:
        self.house = house
        self.venue = SlowVenue(FillModel(participation=True), Faults(**faults))  # type: ignore[arg-type]
        self.desk: VenueDesk = house.venue_desk(self.venue, reconcile_after=timedelta(0))

    async def sent(self, user: User, **fields: object) -> UUID:
        order_id = await self.house.accepted(user, **fields)
        await execute([Task(order_id, "")], floor=self.house.floor_with(venue=self.venue))
        return order_id

    async def reports_of(self, order_id: UUID) -> Sequence[Report]:
        return await self.venue.reconcile([await self.house.order(order_id)])


async def test_an_order_at_a_venue_ends_when_the_venue_says_so(house: House, user: User) -> None:
    line = Line(house)
    house.tape.quote("AAPL", "99", "100", ask_size="4")
    order_id = await line.sent(user)
    (told,) = await house.events("orders.status")
    assert told.order_accepted.order == (await house.get(user, order_id)).order
    cancelled = await house.cancel(user, order_id)
    assert (cancelled.status, cancelled.cancel_requested) == (order_pb2.ORDER_STATUS_PROCESSING, True)
    assert (await house.cancel(user, order_id)).cancel_requested
    assert [event.type for event in await house.events("orders")][1:] == ["order.cancel_requested"]
    await line.desk.ask([order_id])
    assert (await house.order(order_id)).status is Status.PROCESSING
    await line.desk.record([r for r in await line.reports_of(order_id) if isinstance(r, Filled)])
    order = await house.order(order_id)
    assert (order.status, order.filled_quantity) == (Status.CANCELLED, Decimal(4))
    kind = await kinds(house, order_id)
    assert kind[:4] == ["accepted", "sent", "end_requested", "awaits_executions"]
    assert kind[-1] == "cancelled"
    with pytest.raises(Refused):
        await house.cancel(user, order_id)


async def test_what_was_lost_with_a_process_is_found_by_asking_the_venue(house: House, user: User) -> None:
    lost, found = Line(house), Line(house)
    order_id = await lost.sent(user)
    assert (await house.order(order_id)).route is not None
    assert await found.desk.reconcile_once() == 1
    assert (await house.order(order_id)).status is Status.EXECUTED
    count = await house.count("executions")
    await found.desk.record(await lost.venue.reconcile([await house.order(order_id)]))
    assert await house.count("executions") == count
    assert await found.desk.reconcile_once() == 0


async def test_the_same_reports_again_change_nothing(house: House, user: User) -> None:
    line = Line(house)
    order_id = await line.sent(user)
    reports = list(await line.reports_of(order_id))
    for batch in [reports, reports[::-1], *[[report] for report in reports]]:
        await line.desk.record(batch)
    order = await house.order(order_id)
    assert (order.status, order.filled_quantity) == (Status.EXECUTED, Decimal(10))
    assert await house.count("executions") == order.execution_count


async def test_an_order_that_comes_back_rests_and_goes_again(house: House, user: User) -> None:
    line = Line(house)
    house.tape.quote("AAPL", "99", "100", ask_size="4")
    order_id = await line.sent(user)
    await line.desk.record(await line.reports_of(order_id))
    order = await house.order(order_id)
    assert (order.status, order.route, order.filled_quantity) == (
        Status.PARTIALLY_EXECUTED,
        None,
        Decimal(4),
    )
    order = await handed(house, order_id, build.quote(seq=50), venue=line.venue)
    assert order.route is not None
    await line.desk.record(await line.reports_of(order_id))
    assert (await house.order(order_id)).status is Status.EXECUTED


async def test_a_venue_may_say_no(house: House, user: User) -> None:
    line = Line(house, rejected=Decimal(1))
    order_id = await line.sent(user)
    await line.desk.record(await line.reports_of(order_id))
    assert await ending(house, order_id) == (Status.FAILED, "REJECTED_BY_VENUE")


async def test_an_overfill_is_a_fact(house: House, user: User) -> None:
    line = Line(house, overfilled=Decimal(1))
    order_id = await line.sent(user)
    await line.desk.record(await line.reports_of(order_id))
    order = await house.order(order_id)
    assert (order.status, order.filled_quantity) == (Status.EXECUTED, Decimal(20))


async def test_an_execution_of_an_order_that_is_not_ours_is_kept_for_a_person(house: House) -> None:
    line = Line(house)
    stray = Filled(
        order_id=uuid4(),
        venue_execution_id="x-1",
        quantity=Decimal(3),
        price=Decimal(100),
        quote=build.quote(),
        venue_time=build.NOW,
    )
    await line.desk.record([stray])
    await line.desk.record([stray])
    assert await house.count("stray_executions") == 1
    assert await house.count("executions") == 0
