"""Submitting: one order per intent, whatever is repeated, and every refusal says why."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hub.order.v1 import order_pb2, order_pb2_grpc
from hub_errors import Denied, Invalid
from hub_order.clients import PLACE_HOLDS_CALLS
from hub_order.domain import Status
from hub_order.usecases.accept import ACCEPTING_TRANSACTIONS
from hub_rpc import connect
from tests.order.house import House, submission
from tests.support.tls import Tls
from tests.support.tokens import TokenUser as User

SELL = order_pb2.SIDE_SELL


def refused(result: order_pb2.SubmissionResult) -> tuple[str, str]:
    assert result.HasField("refused"), result
    return result.refused.code, result.refused.field


async def test_an_order_is_accepted_with_its_hold_its_record_and_its_events(house: House, user: User) -> None:
    result = await house.submit(user, client_order_id="first")
    accepted = result.accepted.order
    assert accepted.status == order_pb2.ORDER_STATUS_PENDING
    assert (accepted.account_id, accepted.client_order_id) == (str(user.account_id), "first")
    assert (accepted.protection_price, accepted.version) == ("105", 1)
    order = await house.order(UUID(result.order_id))
    assert house.books.holds[str(order.hold_id)].request.unit_price == "105"
    assert house.books.held(user.account_id) == Decimal(1050)
    (event,) = await house.events()
    assert (event.type, event.order_accepted.order) == ("order.accepted", accepted)
    assert [each.type for each in await house.events("orders")] == ["order.accepted"]
    (record,) = await house.orders.records(order.order_id)
    assert record[0].quote == {"epoch": "1", "seq": "1", "bid": "99", "ask": "100"}


async def test_a_name_that_is_taken_gives_its_hold_back(house: House, user: User) -> None:
    await house.accepted(user, client_order_id="dup")
    held = house.books.held(user.account_id)
    for result in await house.submit_all([submission(user, client_order_id="dup") for _ in range(5)]):
        assert refused(result) == ("client_order_id_taken", "client_order_id")
    assert house.books.held(user.account_id) == held


async def test_a_hold_says_the_asset_class_for_its_fee(house: House, user: User) -> None:
    await house.accepted(user)
    [hold] = house.books.holds.values()
    assert hold.request.asset_class == "STOCK"


async def test_50_concurrent_submits_with_one_key_are_one_order_with_50_equal_answers(
    house: House, user: User
) -> None:
    items = [submission(user, idempotency_key="once") for _ in range(50)]
    answers = await asyncio.gather(*(house.submit_all([item]) for item in items))
    orders = {answer[0].accepted.order.SerializeToString(deterministic=True) for answer in answers}
    assert len(orders) == 1
    assert sum(not answer[0].accepted.repeated_answer for answer in answers) == 1
    assert await house.count("orders") == await house.count("idempotency_keys") == len(house.books.holds) == 1


async def test_50_of_one_key_in_one_call_are_one_order(house: House, user: User) -> None:
    results = await house.submit_all([submission(user, idempotency_key="once") for _ in range(50)])
    assert len({result.accepted.order.order_id for result in results}) == 1
    assert await house.count("orders") == 1


async def test_a_retry_that_can_no_longer_be_afforded_gets_the_first_answer(house: House, user: User) -> None:
    first = await house.submit(user, idempotency_key="once")
    house.books.cash = Decimal(0)
    house.books.holds.clear()
    again = await house.submit(user, idempotency_key="once")
    assert again.accepted.order == first.accepted.order
    assert again.accepted.repeated_answer


async def test_a_retry_that_the_rules_now_refuse_gets_the_first_answer(house: House, user: User) -> None:
    first = await house.submit(user, idempotency_key="once", limit_price="104")
    house.tape.quote("AAPL", "49", "50")
    assert refused(await house.submit(user, limit_price="104")) == ("price_out_of_band", "limit_price")
    again = await house.submit(user, idempotency_key="once", limit_price="104")
    assert again.accepted.order == first.accepted.order


async def test_the_first_answer_is_given_again_after_the_order_has_ended(house: House, user: User) -> None:
    first = await house.submit(user, idempotency_key="once")
    await house.execute(UUID(first.order_id))
    again = await house.submit(user, idempotency_key="once")
    assert again.accepted.order == first.accepted.order
    assert again.accepted.order.status == order_pb2.ORDER_STATUS_PENDING


async def test_a_key_with_another_body_is_a_conflict(house: House, user: User) -> None:
    await house.submit(user, idempotency_key="once")
    result = await house.submit(user, idempotency_key="once", quantity="11")
    assert refused(result) == ("idempotency_key_reused", "idempotency_key")
    house.tape.quote("AAPL", "99", "100", age_s=60)
    result = await house.submit(user, idempotency_key="once", quantity="11")
    assert refused(result) == ("idempotency_key_reused", "idempotency_key")
    assert await house.count("orders") == 1


async def test_the_same_key_of_another_account_is_another_order(house: House, user: User) -> None:
    await house.accepted(user, idempotency_key="once")
    await house.accepted(house.keys.user(), idempotency_key="once")
    assert await house.count("orders") == 2


async def test_a_key_that_has_expired_is_free(house: House, user: User) -> None:
    first = await house.accepted(user, idempotency_key="once")
    house.books.holds.clear()
    await house.pool.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")
    assert await house.accepted(user, idempotency_key="once", quantity="1") != first


async def test_two_identical_orders_without_a_key_are_two(house: House, user: User) -> None:
    first, second = await house.submit_all([submission(user), submission(user)])
    assert first.accepted.order.order_id != second.accepted.order.order_id
    assert await house.count("orders") == 2


async def test_the_same_submission_sent_again_is_the_same_order(house: House, user: User) -> None:
    item = submission(user)
    (first,) = await house.submit_all([item])
    await house.execute(UUID(first.order_id))
    house.tape.quote("AAPL", "99", "100", age_s=60)
    (again,) = await house.submit_all([item])
    assert again.accepted.order == first.accepted.order
    assert again.accepted.repeated_answer


async def test_an_order_id_cannot_be_taken_twice(house: House, user: User) -> None:
    item = submission(user)
    await house.submit_all([item])
    other = submission(house.keys.user(), order_id=item.order_id, quantity="1")
    house.books.holds.clear()
    (result,) = await house.submit_all([other])
    assert refused(result)[0] == "order_id_taken"


async def test_a_client_order_id_is_used_once_for_ever(house: House, user: User) -> None:
    first, second = await house.submit_all([submission(user, client_order_id="mine") for _ in range(2)])
    results = {result.WhichOneof("outcome") for result in (first, second)}
    assert results == {"accepted", "refused"}
    assert refused(await house.submit(user, client_order_id="mine"))[0] == "client_order_id_taken"
    assert await house.count("orders") == await house.count("order_events") == 1
    await house.accepted(house.keys.user(), client_order_id="mine")


async def test_a_key_stays_free_when_its_order_was_not_accepted(house: House, user: User) -> None:
    await house.accepted(user, client_order_id="mine")
    await house.submit(user, client_order_id="mine", idempotency_key="once")
    assert await house.count("idempotency_keys") == 0


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"symbol": "NOPE"}, "unknown_symbol", "symbol"),
        ({"symbol": ""}, "required", "symbol"),
        ({"symbol": "X" * 40}, "invalid_text", "symbol"),
        ({"side": 0}, "invalid_choice", "side"),
        ({"type": 99}, "invalid_choice", "type"),
        ({"time_in_force": 99}, "invalid_choice", "time_in_force"),
        ({"quantity": "0"}, "not_positive", "quantity"),
        ({"quantity": "-1"}, "not_positive", "quantity"),
        ({"quantity": "1e3"}, "invalid_decimal", "quantity"),
        ({"quantity": "0.000000001"}, "too_precise", "quantity"),
        ({"quantity": ""}, "quantity_required", "quantity"),
        ({"limit_price": "100", "type": order_pb2.ORDER_TYPE_MARKET}, "price_not_allowed", "limit_price"),
        ({"type": order_pb2.ORDER_TYPE_LIMIT}, "price_required", "limit_price"),
        ({"limit_price": "110"}, "price_out_of_band", "limit_price"),
        ({"order_id": "no id"}, "invalid_id", "order_id"),
        ({"idempotency_key": "k" * 300}, "invalid_text", "idempotency_key"),
        ({"client_order_id": "a\nb"}, "invalid_text", "client_order_id"),
        ({"access_token": "forged"}, "token_malformed", ""),
        ({"access_token": ""}, "token_missing", ""),
    ],
)
async def test_what_is_wrong_is_refused_with_its_field(
    house: House, user: User, fields: dict[str, Any], code: str, field: str
) -> None:
    token = fields.pop("access_token", None)
    item = submission(user, **fields)
    if token is not None:
        item.access_token = token
    results = await house.submit_all([item, submission(user)])
    assert refused(results[0]) == (code, field)
    assert results[1].HasField("accepted")
    assert await house.count("orders") == len(house.books.holds) == 1


async def test_not_enough_cash_is_refused_with_the_numbers(house: House, user: User) -> None:
    house.books.cash = Decimal("1049.99")
    result = await house.submit(user)
    assert refused(result) == ("insufficient_funds", "quantity")
    assert "1050" in result.refused.message
    assert "1049.99" in result.refused.message


async def test_not_enough_shares_are_refused_with_the_numbers(house: House, user: User) -> None:
    house.books.shares[str(user.account_id), "AAPL"] = Decimal(3)
    result = await house.submit(user, side=SELL)
    assert refused(result) == ("insufficient_shares", "quantity")
    assert result.refused.message == "The order sells 10 AAPL, and 3 can be sold."
    await house.accepted(user, side=SELL, quantity="3")


async def test_who_gave_an_amount_of_cash_is_told_of_that(house: House, user: User) -> None:
    house.books.cash = Decimal(500)
    result = await house.submit(user, quantity="", notional="500.01")
    assert refused(result) == ("insufficient_funds", "notional")
    result = await house.submit(user, quantity="", notional="500", side=SELL)
    assert refused(result) == ("insufficient_shares", "notional")


async def test_a_quote_that_does_not_change_is_good_while_its_feed_lives(house: House, user: User) -> None:
    house.tape.quote("AAPL", "99", "100", age_s=600)
    house.tape.feed_lived(since_s=700, until_s=1)
    order_id = await house.accepted(user)
    await house.execute(order_id)
    assert (await house.order(order_id)).status is Status.EXECUTED


async def test_a_quote_of_a_feed_that_stands_still_is_refused(house: House, user: User) -> None:
    house.tape.quote("AAPL", "99", "100", age_s=600)
    house.tape.feed_lived(since_s=700, until_s=11)
    assert refused(await house.submit(user)) == ("market_data_stale", "symbol")
    house.tape.feed_lived(since_s=500, until_s=1)  # it lives again, and what it missed nobody knows
    assert refused(await house.submit(user)) == ("market_data_stale", "symbol")


async def test_a_stale_quote_is_refused(house: House, user: User) -> None:
    house.tape.quote("AAPL", "99", "100", age_s=11)
    assert refused(await house.submit(user)) == ("market_data_stale", "symbol")


async def test_64_submits_in_8_calls_share_8_holds_calls_and_8_transactions(house: House, user: User) -> None:
    def counts() -> tuple[float, float]:
        return PLACE_HOLDS_CALLS._value.get(), ACCEPTING_TRANSACTIONS._value.get()

    before = counts()
    calls = [[submission(user, quantity="1") for _ in range(8)] for _ in range(8)]
    answers = await asyncio.gather(*(house.submit_all(items) for items in calls))
    holds, transactions = (after - first for after, first in zip(counts(), before, strict=True))
    assert {result.WhichOneof("outcome") for results in answers for result in results} == {"accepted"}
    assert 1 <= holds <= 8
    assert 1 <= transactions <= 8
    assert len(house.books.calls) == holds


async def test_64_submits_in_one_call_share_one_holds_call_and_one_transaction(
    house: House, user: User
) -> None:
    before = ACCEPTING_TRANSACTIONS._value.get()
    await house.submit_all([submission(user, quantity="1") for _ in range(64)])
    assert house.books.calls == [64]
    assert ACCEPTING_TRANSACTIONS._value.get() == before + 1


async def test_more_than_64_in_one_call_are_refused(house: House, user: User) -> None:
    with pytest.raises(Invalid, match="64"):
        await house.submit_all([submission(user, quantity="1") for _ in range(65)])


async def test_whoever_waits_no_longer_gets_no_answer_and_the_others_theirs(house: House, user: User) -> None:
    late = submission(user, deadline=None)
    late.deadline.FromDatetime(datetime.now(UTC) - timedelta(seconds=1))
    results = await house.submit_all([late, submission(user)])
    assert refused(results[0])[0] == "deadline_exceeded"
    assert results[1].HasField("accepted")


async def test_an_item_ends_at_its_own_deadline(house: House, user: User) -> None:
    house.books.open.clear()
    impatient = submission(user, deadline=None)
    impatient.deadline.FromDatetime(datetime.now(UTC) + timedelta(seconds=0.3))
    (result,) = await house.submit_all([impatient])
    house.books.open.set()
    assert refused(result)[0] == "deadline_exceeded"


async def test_when_holds_cannot_be_placed_nothing_is_accepted(house: House, user: User, tls: Tls) -> None:
    house.books.open.clear()
    results = await house.submit_all([submission(user), submission(user)])
    house.books.open.set()
    assert {refused(result)[0] for result in results} == {"deadline_exceeded"}
    assert await house.count("orders") == 0


async def test_only_the_gateway_may_submit(house: House, user: User, tls: Tls) -> None:
    async with connect(house.target, tls.files("portfolio"), "order") as channel:
        with pytest.raises(Denied):
            await order_pb2_grpc.OrderServiceStub(channel).SubmitOrders(
                order_pb2.SubmitOrdersRequest(items=[submission(user)])
            )


async def test_an_order_that_was_given_up_cannot_come_late(house: House, user: User) -> None:
    item = submission(user)
    hold_id = await house.hold_only(item, user)
    assert await house.sweep_holds() == 1
    assert house.books.holds[str(hold_id)].state == "released"
    (result,) = await house.submit_all([item])
    assert refused(result)[0] == "order_abandoned"
    assert await house.events() == []
    order = await house.order(UUID(item.order_id))
    assert (order.status, order.reason) == (Status.FAILED, "ABANDONED")
