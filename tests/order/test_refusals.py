"""What was refused is kept, in a chain of its own, and no answer waits for it or fails because of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY

from hub.order.v1 import order_pb2
from hub_batching import Batcher
from hub_errors import HubError, Invalid, NotFound, Refused, Timeout, Unauthenticated, Unavailable
from hub_identity import Principal
from hub_order.audit import Refusal
from hub_order.mapping_blotter import asked
from hub_order.store.refusals import RefusalBook
from hub_order.usecases.refusals import BATCH, Refusals
from hub_rpc import calling_as
from hub_runtime import utc_now, uuid7
from tests.order.house import House, submission
from tests.order.inspection import findings
from tests.support.tokens import TokenUser as User
from tests.support.waiting import eventually

NO = Refused("The order has ended already.", code="order_final", field="order_id")


def principal() -> Principal:
    return Principal(str(uuid4()), str(uuid4()), str(uuid4()), frozenset({"user"}), utc_now())


def lost() -> float:
    return REGISTRY.get_sample_value("hub_order_refusals_not_recorded_total") or 0


def counted(code: str) -> float:
    labels = {"request": "cancel", "code": code}
    return REGISTRY.get_sample_value("hub_order_refusals_total", labels) or 0


@asynccontextmanager
async def keeping(house: House) -> AsyncIterator[Refusals]:
    """What one process has."""
    async with (
        Batcher(RefusalBook(house.pool).add, name="refusals", **BATCH) as batches,
        Refusals(batches, utc_now) as refusals,
    ):
        yield refusals


@pytest.fixture
async def refusals(house: House) -> AsyncIterator[Refusals]:
    async with keeping(house) as made:
        yield made


async def test_a_refusal_is_kept_with_who_asked_for_what(house: House, refusals: Refusals) -> None:
    who, order_id = principal(), uuid7()
    detail, quote = {"symbol": "AAPL"}, {"bid": "99", "ask": "100"}
    before = counted("order_final")
    await refusals.record("cancel", NO, who, order_id=str(order_id), detail=detail, quote=quote)
    [row] = await house.pool.fetch("SELECT * FROM refusals")
    assert (row["order_id"], str(row["account_id"]), row["actor"]) == (
        *(order_id, who.account_id, f"user:{who.user_id}"),
    )
    assert (row["request"], row["code"], row["field"], row["sentence"]) == (
        *("cancel", NO.code, NO.field, NO.message),
    )
    assert (row["detail"], row["quote"], row["number"]) == (
        *('{"symbol": "AAPL"}', '{"ask": "100", "bid": "99"}', 1),
    )
    assert counted("order_final") == before + 1


async def test_refusals_of_one_order_follow_each_other_whoever_writes_them(house: House) -> None:
    """Many at once, by two processes: no two follow the same one."""
    order_ids = [str(uuid7()) for _ in range(3)]
    async with keeping(house) as one, keeping(house) as other, asyncio.TaskGroup() as group:
        for number in range(150):
            writer = (one, other)[number % 2]
            group.create_task(writer.record("cancel", NO, principal(), order_id=order_ids[number % 3]))
    assert await house.count("refusals") == 150
    assert await house.pool.fetchval("SELECT count(DISTINCT (order_id, prev_hash)) FROM refusals") == 150
    assert await findings(house) == []


async def test_a_flood_takes_few_statements(house: House) -> None:
    batches: list[int] = []
    book = RefusalBook(house.pool)

    async def add(refusals: Sequence[Refusal]) -> list[None]:
        batches.append(len(refusals))
        return await book.add(refusals)

    async with Batcher(add, name="refusals", **BATCH) as batcher, Refusals(batcher, utc_now) as refusals:
        await asyncio.gather(
            *(refusals.record("submit", NO, principal(), order_id=str(uuid7())) for _ in range(640))
        )
    assert sum(batches) == 640
    assert len(batches) <= 1 + 640 / BATCH["limit"] + 1


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("Not now.", code="database_unavailable"),
        Timeout("Too late.", code="deadline_exceeded"),
        Unauthenticated("Who?", code="token_invalid"),
        HubError("Something went wrong.", code="internal"),
    ],
)
async def test_what_nobody_decided_is_no_refusal(house: House, refusals: Refusals, error: HubError) -> None:
    await refusals.record("submit", error, principal(), order_id=str(uuid7()))
    assert await house.count("refusals") == 0


async def test_a_request_that_names_no_order_is_kept_under_its_account(
    house: House, refusals: Refusals
) -> None:
    who = principal()
    await refusals.record("cancel_all", NO, who)
    no_id = Invalid("order_id must be a UUID.", code="invalid_id", field="order_id")
    await refusals.record("cancel", no_id, who, order_id="x\x00y")
    found = await house.pool.fetch("SELECT order_id, number, detail FROM refusals ORDER BY number")
    account_id = UUID(who.account_id)
    assert [tuple(row) for row in found] == [
        (account_id, 1, "{}"),
        (account_id, 2, '{"order_id": "x\N{REPLACEMENT CHARACTER}y"}'),
    ]


async def test_an_answer_does_not_wait_for_a_record_that_takes_long(house: House) -> None:
    """The record is made nevertheless, also when the caller is gone."""
    goes_on = asyncio.Event()
    book = RefusalBook(house.pool)

    async def add(refusals: Sequence[Refusal]) -> list[None]:
        await goes_on.wait()
        return await book.add(refusals)

    async with Batcher(add, name="refusals") as batcher, Refusals(batcher, utc_now) as refusals:
        await refusals.record("cancel", NO, principal(), order_id=str(uuid7()))
        gone = asyncio.create_task(refusals.record("cancel", NO, principal(), order_id=str(uuid7())))
        await eventually(lambda: batcher.queued == 1)
        gone.cancel()
        assert await house.count("refusals") == 0
        goes_on.set()
    assert await house.count("refusals") == 2


async def test_a_record_that_cannot_be_made_is_counted_and_the_answer_goes_out(house: House) -> None:
    async def add(refusals: Sequence[Refusal]) -> list[None]:
        raise Unavailable("The database cannot be reached now.", code="database_unavailable")

    before = lost()
    async with Batcher(add, name="refusals") as batcher:
        async with Refusals(batcher, utc_now) as refusals:
            await refusals.record("cancel", NO, principal(), order_id=str(uuid7()))
        await refusals.record("cancel", NO, principal(), order_id=str(uuid7()))  # while stopping
    assert lost() == before + 2


async def test_refusals_can_only_be_added(house: House, refusals: Refusals) -> None:
    await refusals.record("cancel", NO, principal(), order_id=str(uuid7()))
    for statement in ("UPDATE refusals SET code = ''", "DELETE FROM refusals", "TRUNCATE refusals"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await house.pool.execute(statement)


async def test_a_refusal_leaves_the_orders_chain_alone(house: House, user: User, refusals: Refusals) -> None:
    order_id = await house.accepted(user)
    records = await house.orders.records(order_id)
    await refusals.record("cancel", NotFound("There is no such order.", code="x"), principal())
    await refusals.record("cancel", NO, principal(), order_id=str(order_id))
    assert await house.orders.records(order_id) == records
    assert await findings(house) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE refusals SET sentence = 'It was our fault.' WHERE number = 2", "refusal 2 was changed"),
        ("UPDATE refusals SET detail = '{}' WHERE number = 1", "refusal 1 was changed"),
        ("DELETE FROM refusals WHERE number = 2", "refusal 2 is missing: found number 3"),
        ("DELETE FROM refusals WHERE number = 1", "refusal 1 is missing: found number 2"),
        (
            "UPDATE refusals SET number = 5 - number WHERE number IN (2, 3)",
            "refusal 2 does not follow the one before",
        ),
    ],
)
async def test_what_was_done_to_a_refusal_is_found(
    house: House, refusals: Refusals, change: str, fault: str
) -> None:
    order_id = str(uuid7())
    for _ in range(3):
        await refusals.record("cancel", NO, principal(), order_id=order_id, detail={"symbol": "AAPL"})
    assert await findings(house) == []
    if "5 - number" in change:  # two rows cannot swap their keys in one statement
        await house.tamper("UPDATE refusals SET number = 9 WHERE number = 2")
        await house.tamper("UPDATE refusals SET number = 2 WHERE number = 3")
        await house.tamper("UPDATE refusals SET number = 3 WHERE number = 9")
    else:
        await house.tamper(change)
    assert f"refusals of order {order_id}: {fault}" in await findings(house)
    assert f"refusals of order {order_id}: {fault}" in await findings(house, order_id=UUID(order_id))


def test_what_was_asked_for_is_kept_without_what_one_could_ask_again_with() -> None:
    user = User("a token", uuid4(), uuid4())
    item = submission(user, limit_price="95", client_order_id="mine", idempotency_key="key", traceparent="t")
    assert asked(item) == {
        "symbol": "AAPL",
        "side": "SIDE_BUY",
        "type": "ORDER_TYPE_LIMIT",
        "quantity": "10",
        "limit_price": "95",
        "client_order_id": "mine",
    }
    assert asked(order_pb2.CancelOrderRequest(order_id="x")) == {}


async def test_what_a_caller_is_refused_is_kept_with_the_quote_that_it_was_held_against(
    house: House, user: User
) -> None:
    """Whatever was asked for, over the wire."""
    result = await house.submit(user, limit_price="200", client_order_id="mine")
    order_id = await house.accepted(user)
    await house.execute(order_id)
    new_id = str(uuid7())
    with calling_as(user.token):
        replacement = order_pb2.ReplaceOrderRequest(order_id=str(order_id), new_order_id=new_id, quantity="9")
        for call in (
            lambda: house.stub.CancelOrder(order_pb2.CancelOrderRequest(order_id=str(order_id))),
            lambda: house.stub.CancelOrder(order_pb2.CancelOrderRequest(order_id="7")),
            lambda: house.stub.ReplaceOrder(replacement),
            lambda: house.stub.ClosePosition(order_pb2.ClosePositionRequest(order_id=new_id, symbol="ABC")),
        ):
            with pytest.raises(HubError):
                await call()
    found = await house.pool.fetch("SELECT * FROM refusals ORDER BY occurred_at")
    assert [(row["request"], row["code"], row["order_id"]) for row in found] == [
        ("submit", "price_out_of_band", UUID(result.order_id)),
        ("cancel", "order_final", order_id),
        ("cancel", "invalid_id", user.account_id),
        ("replace", "order_final", order_id),
        ("close", "unknown_symbol", UUID(new_id)),
    ]
    assert {row["actor"] for row in found} == {f"user:{user.user_id}"}
    assert json.loads(found[0]["quote"])["ask"] == "100"
    assert json.loads(found[0]["detail"])["limit_price"] == "200"
    assert json.loads(found[3]["detail"]) == {"new_order_id": new_id, "quantity": "9"}
    assert found[1]["quote"] is found[4]["quote"] is None
    assert await findings(house) == []


async def test_a_request_without_a_valid_token_leaves_no_trace(house: House) -> None:
    stranger = User("no token", uuid4(), uuid4())
    assert (await house.submit(stranger)).HasField("refused")
    assert await house.count("refusals") == 0
