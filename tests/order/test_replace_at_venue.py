"""A replacement of an order that a venue has is asked for, and durable; the venue's answer decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from hub.order.v1 import order_pb2
from hub_errors import HubError
from hub_order import audit
from hub_order.domain import Report, Status
from hub_order.usecases.execute import execute
from hub_order.usecases.plan import Task
from hub_order.usecases.venue_reports import VenueDesk
from hub_order.venue import Exchange, Faults, FillModel, SlowVenue
from hub_runtime import utc_now
from tests.order.house import House
from tests.order.test_replace import replaced
from tests.support.tokens import TokenUser as User


class Silent(SlowVenue):
    """Says nothing by itself; the test asks. `makes_room`: it takes no order in the place of another."""

    def __init__(self, *, makes_room: bool = False) -> None:
        super().__init__(FillModel(participation=True), Faults(parts=0))
        self.asked: list[UUID] = []
        self._makes_room = makes_room

    async def replace(self, exchanges: Sequence[Exchange]) -> list[Report]:
        self.asked += [exchange.new.order_id for exchange in exchanges]
        if self._makes_room:
            return list(await self.cancel([exchange.old for exchange in exchanges]))
        return await super().replace(exchanges)

    def _tell_later(self, order: object, reports: object) -> None:
        pass


class Line:
    def __init__(self, house: House, *, makes_room: bool = False) -> None:
        self.house = house
        self.venue = Silent(makes_room=makes_room)
        self.desk: VenueDesk = house.venue_desk(self.venue, reconcile_after=timedelta(0))

    async def sent(self, user: User, *, shown: str = "4", **fields: object) -> UUID:
        """10 at 101, of which the venue fills at most so many; nobody has heard of that."""
        self.house.tape.quote("AAPL", "99", "100", ask_size=shown)
        order_id = await self.house.accepted(user, **{"limit_price": "101", **fields})
        await execute([Task(order_id, "")], floor=self.house.floor_with(venue=self.venue))
        return order_id

    async def told(self, order_id: UUID) -> None:
        await self.desk.record(await self.venue.reconcile([await self.house.order(order_id)]))


async def kinds(house: House, order_id: UUID) -> list[str]:
    order = await house.order(order_id)
    records = await house.orders.records(order_id)
    assert audit.faults(records, head=order.chain, version=order.version) == []
    return [record.kind for record, _ in records]


async def test_both_orders_say_that_a_replacement_was_asked_for(house: House, user: User) -> None:
    order_id = await Line(house).sent(user)
    answer = await replaced(house, user, order_id, quantity="12", limit_price="102")
    new_id = UUID(answer.order.order_id)
    assert (answer.order.status, answer.order.replace_requested) == (order_pb2.ORDER_STATUS_PENDING, True)
    old = (await house.get(user, order_id)).order
    assert (old.status, old.replace_requested) == (order_pb2.ORDER_STATUS_PROCESSING, True)
    assert (old.replaced_by, old.cancel_requested) == ("", False)
    sent = [each.type for each in await house.events("orders")]
    assert sent == ["order.accepted", "order.cancel_requested"]
    assert (await kinds(house, order_id), await kinds(house, new_id)) == (
        ["accepted", "sent", "replace_requested"],
        ["requested"],
    )


async def test_no_worker_sends_the_new_order_before_the_venue_has_answered(house: House, user: User) -> None:
    line = Line(house)
    order_id = await line.sent(user)
    new_id = UUID((await replaced(house, user, order_id, quantity="12")).order.order_id)
    await house.execute(new_id)
    assert (await house.order(new_id)).status is Status.PENDING
    assert await house.sweep_holds() == 2
    held = {hold.request.order_id: hold.state for hold in house.books.holds.values()}
    assert held == {str(order_id): "confirmed", str(new_id): "confirmed"}


async def test_the_venue_puts_the_new_order_in_the_old_ones_place(house: House, user: User) -> None:
    line = Line(house)
    order_id = await line.sent(user)
    first = await replaced(house, user, order_id, quantity="12", limit_price="102")
    new_id = UUID(first.order.order_id)
    await line.desk.ask([order_id])
    assert (await house.order(order_id)).venue_filled == 4
    await line.told(order_id)
    old, new = await house.order(order_id), await house.order(new_id)
    assert (old.status, old.filled_quantity, old.replaced_by) == (Status.REPLACED, Decimal(4), new_id)
    assert (new.status, new.quantity, new.limit_price) == (Status.PROCESSING, Decimal(8), Decimal(102))
    assert new.route is not None
    await line.told(new_id)
    new = await house.order(new_id)
    assert (new.status, new.filled_quantity, new.route) == (
        Status.PARTIALLY_EXECUTED,
        Decimal(4),
        None,
    )
    (moved,) = [each for each in await house.events("positions") if each.type == "order.replaced"]
    assert (moved.order_replaced.execution_count, moved.order_replaced.new_order.quantity) == (1, "8")
    assert (await kinds(house, new_id))[:2] == ["requested", "accepted"]
    again = await replaced(
        house, user, order_id, quantity="12", limit_price="102", new_order_id=first.order.order_id
    )
    assert (again.order, again.repeated_answer) == (first.order, True)


async def test_where_the_venue_only_makes_room_the_new_order_goes_the_usual_way(
    house: House, user: User
) -> None:
    line = Line(house, makes_room=True)
    order_id = await line.sent(user)
    new_id = UUID((await replaced(house, user, order_id, quantity="12")).order.order_id)
    await line.desk.ask([order_id])
    await line.told(order_id)
    new = await house.order(new_id)
    assert ((await house.order(order_id)).status, new.status, new.quantity, new.route) == (
        Status.REPLACED,
        Status.PENDING,
        Decimal(8),
        None,
    )
    assert [each.type for each in await house.events("orders")][-1] == "order.accepted"
    await house.execute(new_id)
    assert (await house.order(new_id)).status is Status.EXECUTED


@pytest.mark.parametrize("quantity", ["12", "3"])
async def test_what_is_filled_whole_is_too_late_to_replace(house: House, user: User, quantity: str) -> None:
    line = Line(house)
    order_id = await line.sent(user, shown="500")
    new_id = UUID((await replaced(house, user, order_id, quantity=quantity)).order.order_id)
    await line.desk.ask([order_id])
    new = (await house.get(user, new_id)).order
    assert (new.status, new.reason, new.replace_requested) == (
        order_pb2.ORDER_STATUS_FAILED,
        "NOT_REPLACED",
        False,
    )
    await line.told(order_id)
    assert (await house.order(order_id)).status is Status.EXECUTED
    assert [each.type for each in await house.events("positions")] == ["order.closed", "order.executed"]


async def test_what_was_filled_beyond_the_new_quantity_ends_with_that(house: House, user: User) -> None:
    line = Line(house)
    order_id = await line.sent(user)
    new_id = UUID((await replaced(house, user, order_id, quantity="3")).order.order_id)
    await line.desk.ask([order_id])
    await line.told(order_id)
    old, new = await house.order(order_id), await house.order(new_id)
    assert (old.status, old.filled_quantity) == (Status.CANCELLED, Decimal(4))
    assert (new.status, new.reason) == (Status.FAILED, "NOT_REPLACED")


async def test_one_replacement_at_a_time_and_none_of_what_is_to_end(house: House, user: User) -> None:
    line = Line(house)
    order_id = await line.sent(user)
    new_id = UUID((await replaced(house, user, order_id, quantity="12")).order.order_id)
    for wanted, code in ((order_id, "order_at_venue"), (new_id, "order_in_flight")):
        with pytest.raises(HubError) as refused:
            await replaced(house, user, wanted, quantity="13")
        assert refused.value.code == code
    other = await line.sent(user)
    await house.cancel(user, other)
    with pytest.raises(HubError) as ending:
        await replaced(house, user, other, quantity="13")
    assert ending.value.code == "order_at_venue"


async def test_the_same_request_twice_is_one_replacement(house: House, user: User) -> None:
    line = Line(house)
    order_id = await line.sent(user)
    first = await replaced(house, user, order_id, quantity="12", idempotency_key="k")
    again = await replaced(house, user, order_id, quantity="12", idempotency_key="k")
    assert (again.order, again.repeated_answer) == (first.order, True)
    with pytest.raises(HubError) as other:
        await replaced(house, user, order_id, quantity="13", idempotency_key="k")
    assert other.value.code == "idempotency_key_reused"
    assert await house.count("orders") == 2


async def test_a_cancel_waits_for_the_answer_and_is_for_what_the_venue_has_then(
    house: House, user: User
) -> None:
    line = Line(house)
    order_id = await line.sent(user, shown="0")
    new_id = UUID((await replaced(house, user, order_id, quantity="12")).order.order_id)
    assert (await house.cancel(user, order_id)).cancel_requested
    assert (await house.cancel(user, new_id)).cancel_requested
    await line.desk.ask([order_id, new_id])
    assert line.venue.asked == [new_id]
    new = await house.order(new_id)
    assert ((await house.order(order_id)).status, new.status, new.ending) == (
        Status.REPLACED,
        Status.PROCESSING,
        "CANCELLED",
    )
    assert [each.type for each in await house.events("orders")][-1] == "order.cancel_requested"
    await line.desk.ask([new_id])
    assert (await house.order(new_id)).status is Status.CANCELLED


async def test_what_nobody_was_asked_is_asked_by_the_next_reconciliation(house: House, user: User) -> None:
    """The process died before it asked, and the event was lost with it."""
    line = Line(house)
    order_id = await line.sent(user)
    new_id = UUID((await replaced(house, user, order_id, quantity="12")).order.order_id)
    await line.desk.reconcile_once()
    assert line.venue.asked == [new_id]
    assert (await house.order(order_id)).status is Status.REPLACED
    await line.desk.reconcile_once()
    assert line.venue.asked == [new_id]


async def test_how_long_a_venue_has_had_an_order_is_told(house: House, user: User) -> None:
    line = Line(house)
    line.desk = replace(line.desk, clock=lambda: utc_now() + timedelta(minutes=10))

    def oldest() -> float:
        found = REGISTRY.get_sample_value("hub_order_at_venue_oldest_seconds", {"venue": line.venue.name})
        return found or 0.0

    order_id = await line.sent(user)
    await line.desk.reconcile_once()
    assert oldest() >= 600
    assert (await house.order(order_id)).route is None
    await line.desk.reconcile_once()
    assert oldest() == 0


async def test_the_hold_of_one_that_never_came_is_told_to_be_released(house: House, user: User) -> None:
    line = Line(house, makes_room=True)
    order_id = await line.sent(user)
    new_id = UUID((await replaced(house, user, order_id, quantity="12")).order.order_id)
    await house.cancel(user, new_id)
    await line.desk.ask([order_id])
    await line.told(order_id)
    old, new = await house.order(order_id), await house.order(new_id)
    assert (old.status, new.status, new.execution_count) == (Status.CANCELLED, Status.CANCELLED, 0)
    closed = [each.order_closed for each in await house.events("positions") if each.type == "order.closed"]
    assert {(each.hold_id, each.execution_count) for each in closed} == {
        (str(old.hold_id), 1),
        (str(new.hold_id), 0),
    }
