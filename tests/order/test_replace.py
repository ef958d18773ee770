"""A new order in the place of an open one: more is held first, and both change at once or not at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hub.order.v1 import order_pb2
from hub_errors import Conflict, HubError, Invalid, NotFound
from hub_order import audit
from hub_order.clients import HoldAnswer, HoldRequest
from hub_order.domain import Status, hold_id_of
from hub_order.usecases.execute import execute
from hub_order.usecases.plan import Task
from hub_order.venue import FillModel, SimulatedVenue, SlowVenue
from hub_rpc import calling_as
from hub_runtime import uuid7
from tests.order import build
from tests.order.house import House
from tests.support.tokens import TokenUser as User

SHOWN_ONLY = SimulatedVenue(FillModel(participation=True))


async def replaced(house: House, user: User, order_id: UUID, **fields: Any) -> order_pb2.Accepted:
    body = repr(sorted((name, str(value)) for name, value in fields.items() if name != "new_order_id"))
    fields.setdefault("new_order_id", str(uuid7()))
    request = order_pb2.ReplaceOrderRequest(
        order_id=str(order_id), body_hash=hashlib.sha256(body.encode()).digest(), **fields
    )
    with calling_as(user.token):
        return (await house.stub.ReplaceOrder(request, timeout=10)).accepted


async def partly_filled(house: House, user: User, shown: str) -> UUID:
    """A limit purchase of 10 at 95 of which so many are filled at 94."""
    order_id = await house.resting(user)
    quote = build.quote(bid="93", ask="94", ask_size=Decimal(shown), seq=20)
    quote = replace(quote, market_time=house.tape.cache.market_time())
    await execute([Task(order_id, "", quote, None, 10**9)], floor=house.floor_with(venue=SHOWN_ONLY))
    assert (await house.order(order_id)).status is Status.PARTIALLY_EXECUTED
    return order_id


async def code_of(house: House, user: User, order_id: UUID, **fields: Any) -> tuple[str, str]:
    with pytest.raises(HubError) as refused:
        await replaced(house, user, order_id, **fields)
    return refused.value.code, refused.value.field


async def test_the_old_order_ends_and_the_new_one_takes_its_place(house: House, user: User) -> None:
    order_id = await house.resting(user)
    accepted = await replaced(house, user, order_id, quantity="12", limit_price="96")
    new_id = UUID(accepted.order.order_id)
    old, new = await house.order(order_id), await house.order(new_id)
    assert (old.status, old.replaced_by) == (Status.REPLACED, new_id)
    assert (new.status, new.replaces, new.quantity, new.limit_price) == (
        Status.PENDING,
        order_id,
        Decimal(12),
        Decimal(96),
    )
    assert accepted.order.replaces == str(order_id)
    assert new.hold_id == hold_id_of(new_id, old.version - 1)
    (event,) = await house.events("positions")
    assert event.type == "order.replaced"
    told = event.order_replaced
    assert (told.hold_id, told.new_hold_id, told.execution_count) == (str(old.hold_id), str(new.hold_id), 0)
    assert (told.new_unit_price, told.new_order.quantity) == ("96", "12")
    assert [each.type for each in await house.events("orders")] == ["order.accepted", "order.accepted"]
    for order in (old, new):
        records = await house.orders.records(order.order_id)
        assert audit.faults(records, head=order.chain, version=order.version) == []
    await house.execute(new_id)
    assert (await house.order(new_id)).status is Status.PROCESSING


async def test_the_whole_quantity_counts_what_is_filled(house: House, user: User) -> None:
    order_id = await partly_filled(house, user, "4")
    accepted = await replaced(house, user, order_id, quantity="9")
    assert (accepted.order.quantity, accepted.order.filled_quantity) == ("5", "0")
    old = await house.order(order_id)
    assert (old.status, old.filled_quantity) == (Status.REPLACED, Decimal(4))


@pytest.mark.parametrize("quantity", ["4", "3", "0.5"])
async def test_not_less_than_what_is_filled(house: House, user: User, quantity: str) -> None:
    order_id = await partly_filled(house, user, "4")
    assert await code_of(house, user, order_id, quantity=quantity) == ("quantity_below_filled", "quantity")
    assert (await house.order(order_id)).status is Status.PARTIALLY_EXECUTED


async def test_what_cannot_be_paid_leaves_the_old_order_as_it_is(house: House, user: User) -> None:
    house.books.cash = Decimal(1000)
    order_id = await house.resting(user)
    assert (await code_of(house, user, order_id, quantity="100"))[0] == "insufficient_funds"
    assert (await house.order(order_id)).status is Status.PROCESSING
    assert await house.count("orders") == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "nothing_to_replace"),
        ({"limit_price": "300"}, "price_out_of_band"),
        ({"limit_price": "95.001"}, "tick_size"),
        ({"stop_price": "95"}, "stop_not_allowed"),
        ({"trail_amount": "1"}, "trail_not_allowed"),
        ({"trail_percent": "5"}, "trail_not_allowed"),
    ],
)
async def test_the_rules_judge_a_replacement_like_an_order(
    house: House, user: User, fields: dict[str, str], code: str
) -> None:
    order_id = await house.resting(user)
    assert await code_of(house, user, order_id, **fields) == (code, next(iter(fields), ""))


STOP_LIMIT: dict[str, Any] = {"type": order_pb2.ORDER_TYPE_STOP_LIMIT, "stop_price": "110"}
TRAILING: dict[str, Any] = {"type": order_pb2.ORDER_TYPE_TRAILING_STOP, "limit_price": ""}


@pytest.mark.parametrize(
    ("order", "fields", "field"),
    [
        ({}, {"quantity": "100"}, "quantity"),
        ({}, {"limit_price": "104"}, "limit_price"),
        ({}, {"quantity": "11", "limit_price": "104"}, "quantity"),
        ({}, {"quantity": "10", "limit_price": "104"}, "limit_price"),
        ({**STOP_LIMIT, "limit_price": "95"}, {"stop_price": "111", "limit_price": "96"}, "limit_price"),
        ({"type": order_pb2.ORDER_TYPE_STOP_LOSS, "stop_price": "101"}, {"stop_price": "108"}, "stop_price"),
        ({**TRAILING, "trail_amount": "1"}, {"trail_amount": "9"}, "trail_amount"),
        ({**TRAILING, "trail_percent": "1"}, {"trail_percent": "9"}, "trail_percent"),
    ],
)
async def test_who_cannot_pay_is_told_of_what_he_changed(
    house: House, user: User, order: dict[str, Any], fields: dict[str, str], field: str
) -> None:
    if order.get("type") == order_pb2.ORDER_TYPE_STOP_LOSS:
        order = {**order, "limit_price": ""}
    order_id = await house.resting(user, **order)
    house.books.cash = house.books.held(user.account_id)
    assert await code_of(house, user, order_id, **fields) == ("insufficient_funds", field)


async def test_a_refusal_names_no_field_that_was_not_sent(house: House, user: User) -> None:
    order_id = await house.resting(user)
    house.tape.quote("AAPL", "49", "50")
    assert await code_of(house, user, order_id, quantity="9") == ("price_out_of_band", "")
    assert await code_of(house, user, order_id, limit_price="95") == ("price_out_of_band", "limit_price")
    house.tape.halt("AAPL")
    assert await code_of(house, user, order_id, quantity="9") == ("halted", "")


async def test_the_limit_of_a_stop_limit_is_too_far_from_the_stop_that_was_sent(
    house: House, user: User
) -> None:
    order_id = await house.resting(user, **STOP_LIMIT, limit_price="115")
    assert await code_of(house, user, order_id, stop_price="105") == ("price_out_of_band", "stop_price")


async def test_what_is_on_its_way_or_takes_the_market_cannot_be_replaced(house: House, user: User) -> None:
    pending = await house.accepted(user, limit_price="95")
    assert (await code_of(house, user, pending, quantity="5"))[0] == "order_in_flight"
    done = await house.accepted(user)
    await house.execute(done)
    assert (await code_of(house, user, done, quantity="5"))[0] == "order_final"
    sent = await house.accepted(user)
    await execute([Task(sent, "")], floor=house.floor_with(venue=SlowVenue()))
    assert (await code_of(house, user, sent, quantity="5"))[0] == "not_replaceable"
    with pytest.raises(NotFound):
        await replaced(house, house.keys.user(), pending, quantity="5")


async def test_the_same_replacement_again_is_answered_as_the_first(house: House, user: User) -> None:
    order_id = await house.resting(user)
    new_id = str(uuid7())
    first = await replaced(house, user, order_id, quantity="12", new_order_id=new_id)
    again = await replaced(house, user, order_id, quantity="12", new_order_id=new_id)
    assert (again.order, again.repeated_answer) == (first.order, True)
    with pytest.raises(Conflict):
        await replaced(house, user, order_id, quantity="13", new_order_id=new_id)


async def test_a_key_makes_a_replacement_repeatable(house: House, user: User) -> None:
    order_id = await house.resting(user)
    first = await replaced(house, user, order_id, quantity="12", idempotency_key="k")
    again = await replaced(house, user, order_id, quantity="12", idempotency_key="k")
    assert (again.order, again.repeated_answer) == (first.order, True)
    assert await house.count("orders") == 2
    assert (await code_of(house, user, order_id, quantity="13", idempotency_key="k"))[0] == (
        "idempotency_key_reused"
    )


async def test_ten_replacements_at_once_leave_one_open_order(house: House, user: User) -> None:
    order_id = await house.resting(user)
    results = await asyncio.gather(
        *(replaced(house, user, order_id, quantity=str(20 + number)) for number in range(10)),
        return_exceptions=True,
    )
    won = [each for each in results if isinstance(each, order_pb2.Accepted)]
    lost = {each.code for each in results if isinstance(each, HubError)}
    assert len(won) == 1
    assert lost <= {"order_final", "order_changed"}
    assert await house.count("orders", "status = 'REPLACED'") == 1
    open_holds = [h for h in house.books.holds.values() if h.state != "released"]
    assert {h.request.order_id for h in open_holds} == {str(order_id), won[0].order.order_id}


@dataclass
class Racing:
    """Lets something happen between the hold and the swap."""

    place: Callable[[list[HoldRequest]], Any]
    meanwhile: Callable[[], Any] | None = None

    async def __call__(self, requests: list[HoldRequest]) -> list[HoldAnswer]:
        answers: list[HoldAnswer] = await self.place(requests)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return answers


@pytest.mark.parametrize("quantity", ["12", "8"])
async def test_a_fill_between_hold_and_swap_is_counted(
    house: House, user: User, quantity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await house.resting(user)

    async def fill() -> None:
        quote = build.quote(bid="93", ask="94", ask_size=Decimal(3), seq=20)
        quote = replace(quote, market_time=house.tape.cache.market_time())
        await execute([Task(order_id, "", quote, None, 10**9)], floor=house.floor_with(venue=SHOWN_ONLY))

    racing = Racing(house.position.place_holds, fill)
    monkeypatch.setattr(house.holds, "_run", racing)
    accepted = await replaced(house, user, order_id, quantity=quantity)
    assert accepted.order.quantity == str(int(quantity) - 3)
    old, new = await house.order(order_id), await house.order(UUID(accepted.order.order_id))
    assert (old.status, old.filled_quantity) == (Status.REPLACED, Decimal(3))
    assert new.hold_id == hold_id_of(new.order_id, old.version - 1)
    first = house.books.holds[str(hold_id_of(new.order_id, old.version - 2))]
    assert first.state == "released"


async def test_a_fill_that_completes_the_order_first_wins(
    house: House, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await house.resting(user)

    async def fill() -> None:
        quote = build.quote(bid="93", ask="94", seq=20)
        quote = replace(quote, market_time=house.tape.cache.market_time())
        await execute([Task(order_id, "", quote, None, 10**9)], floor=house.floor)

    monkeypatch.setattr(house.holds, "_run", Racing(house.position.place_holds, fill))
    assert (await code_of(house, user, order_id, quantity="12"))[0] == "order_final"
    assert (await house.order(order_id)).status is Status.EXECUTED
    assert await house.count("orders") == 1


async def closed(house: House, user: User, **fields: Any) -> order_pb2.Accepted:
    request = order_pb2.ClosePositionRequest(order_id=str(uuid7()), symbol="AAPL", body_hash=b"x", **fields)
    with calling_as(user.token):
        return (await house.stub.ClosePosition(request, timeout=10)).accepted


@pytest.mark.parametrize(
    ("fields", "quantity"), [({}, "8"), ({"percentage": "25"}, "2"), ({"quantity": "3"}, "3")]
)
async def test_a_position_is_closed_in_whole_or_in_part(
    house: House, user: User, fields: dict[str, str], quantity: str
) -> None:
    house.books.shares[str(user.account_id), "AAPL"] = Decimal(8)
    accepted = await closed(house, user, **fields)
    assert (accepted.order.quantity, accepted.order.side) == (quantity, order_pb2.SIDE_SELL)
    await house.execute(UUID(accepted.order.order_id))
    assert (await house.order(UUID(accepted.order.order_id))).status is Status.EXECUTED


async def test_a_percentage_of_whole_shares_is_whole(house: House, user: User) -> None:
    house.tape.whole_shares("AAPL")
    house.books.shares[str(user.account_id), "AAPL"] = Decimal(7)
    assert (await closed(house, user, percentage="50")).order.quantity == "3"
    with pytest.raises(HubError) as refused:
        await closed(house, user, percentage="14")
    assert (refused.value.code, refused.value.field) == ("less_than_one_lot", "percentage")
    assert refused.value.message == (
        "14 % of the 7 AAPL that can be sold is less than 1, the least that can be."
    )


async def test_there_must_be_something_to_close(house: House, user: User) -> None:
    with pytest.raises(HubError) as refused:
        await closed(house, user)
    assert (refused.value.code, refused.value.field) == ("nothing_to_close", "symbol")
    # Shares that open orders sell are owned, and cannot be sold once more: the hold's answer is the same.
    assert refused.value.message == (
        "Nothing of AAPL can be sold now: the account has none, or its open orders sell all of it."
    )
    with pytest.raises(Invalid) as invalid:
        await closed(house, user, percentage="101")
    assert invalid.value.code == "invalid_percentage"
    with pytest.raises(HubError) as more:
        await closed(house, user, quantity="1")
    assert more.value.code == "insufficient_shares"
