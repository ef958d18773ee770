"""The books of many accounts at once: what they say, to whom, and that a booking is in them whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from uuid import UUID

import pytest

from hub.position.v1 import books_pb2, books_pb2_grpc, position_pb2, position_pb2_grpc
from hub_errors import Denied, Invalid
from hub_position.domain.cash import MovementKind
from hub_position.domain.trade import Side
from hub_position.store.snapshot import read_books_together
from hub_rpc import calling_as
from hub_runtime import uuid7
from tests.position.house import House, position_house
from tests.position.world import World, execution, hold_of
from tests.support.tls import Tls


@pytest.fixture
async def house(world: World, tls: Tls) -> AsyncIterator[House]:
    async with position_house(world, tls) as made:
        yield made


async def ask(
    house: House, *account_ids: UUID | str, caller: str = "portfolio"
) -> Sequence[books_pb2.AccountBooks]:
    async with house.channel(caller) as channel:
        stub = books_pb2_grpc.BooksServiceStub(channel)
        wanted = books_pb2.ListAccountBooksRequest(account_ids=map(str, account_ids))
        return (await stub.ListAccountBooks(wanted)).books


async def test_cash_what_was_paid_in_and_open_positions(house: House) -> None:
    first, second = await house.world.owner(), await house.world.owner()
    await house.world.trade(first, Side.BUY, "10", "100")
    await house.world.trade(first, Side.SELL, "4", "110", minute=1)
    await house.world.trade(second, Side.BUY, "1", "5")
    await house.world.trade(second, Side.SELL, "1", "5", minute=1)
    await house.world.move(second, MovementKind.DEPOSIT, "50.5")
    await house.world.move(second, MovementKind.WITHDRAWAL, "-20")
    await house.world.move(second, MovementKind.ADJUSTMENT, "-0.5", actor="admin:x", reason="why not")
    ids = [second.account_id, first.account_id]
    found = await ask(house, *ids, uuid7())
    assert [each.account_id for each in found] == sorted(map(str, ids)), "who does not exist is left out"
    books = {each.account_id: each for each in found}
    traded, moved = books[str(first.account_id)], books[str(second.account_id)]
    assert (traded.currency, traded.cash, traded.paid_in) == ("USD", "99440", "100000")
    [position] = traded.positions
    assert (position.symbol, position.quantity, position.total_cost) == ("AAPL", "6", "600")
    assert (moved.cash, moved.paid_in, len(moved.positions)) == ("100030", "100030", 0)
    assert moved.version == (await house.world.balance(second)).account.version
    assert moved.opened_at.seconds > 0


async def ask_whole(house: House, *owners: tuple[UUID, UUID]) -> Sequence[position_pb2.GetBooksResponse]:
    async with house.channel("portfolio") as channel:
        stub = books_pb2_grpc.BooksServiceStub(channel)
        named = [books_pb2.AccountOwner(account_id=str(a), user_id=str(u)) for a, u in owners]
        return (await stub.ListFullBooks(books_pb2.ListFullBooksRequest(owners=named))).books


async def test_the_books_of_several_are_what_each_is_told_alone(house: House) -> None:
    people = [await house.owner() for _ in range(3)]
    for number, (_, owner) in enumerate(people, 1):
        await house.world.trade(owner, Side.BUY, str(number), "100")
        await house.world.trade(owner, Side.SELL, "1", "90", minute=1)
    alone = {}
    for user, _ in people:
        async with house.channel("portfolio") as channel:
            with calling_as(user.token):
                stub = position_pb2_grpc.PositionServiceStub(channel)
                alone[user.account_id] = await stub.GetBooks(position_pb2.GetBooksRequest())
    found = await ask_whole(house, *((owner.account_id, owner.user_id) for _, owner in people))
    assert {UUID(each.balance.account_id): each for each in found} == alone


async def test_whoever_does_not_exist_or_is_of_another_user_is_left_out(house: House) -> None:
    first, second = await house.world.owner(), await house.world.owner()
    asked = [(first.account_id, first.user_id), (second.account_id, first.user_id), (uuid7(), uuid7())]
    [found] = await ask_whole(house, *asked)
    assert found.balance.account_id == str(first.account_id)
    with pytest.raises(Invalid) as raised:
        await ask_whole(house, *((uuid7(), uuid7()) for _ in range(101)))
    assert (raised.value.code, raised.value.field) == ("too_many", "owners")


async def test_whoever_has_no_room_beside_the_others_is_left_out_and_nobody_is_cut(house: House) -> None:
    owners = [await house.world.owner() for _ in range(3)]
    for owner in owners:
        holds = [hold_of(owner, Side.BUY, "1", "10", symbol=symbol) for symbol in ("AAPL", "MSFT")]
        await house.world.book([execution(hold, "10") for hold in holds])
    named = {owner.account_id: owner.user_id for owner in owners}
    for most, whole in ((1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3)):
        found = await read_books_together(house.world.pool, named, most_positions=most)
        assert [len(each.positions) for each in found] == [2] * whole, most


async def test_what_was_paid_in_is_what_the_ledger_has_from_outside(house: House) -> None:
    owner = await house.world.owner()
    for amount in ("7", "11.25", "13"):
        await house.world.move(owner, MovementKind.DEPOSIT, amount)
    await house.world.trade(owner, Side.BUY, "1", "5")
    await house.world.settle_trades()
    [found] = await ask(house, owner.account_id)
    async with house.world.pool.acquire() as connection:
        ledger = "SELECT -sum(amount) FROM postings WHERE account_id = $1 AND ledger_account = 'external'"
        assert Decimal(found.paid_in) == await connection.fetchval(ledger, owner.account_id)


async def test_a_booking_is_seen_whole_or_not_at_all(house: House) -> None:
    owner = await house.world.owner()

    async def trade_and_move() -> None:
        for minute in range(12):
            await house.world.trade(owner, Side.BUY, "1", "100", minute=minute)
            await house.world.move(owner, MovementKind.DEPOSIT, "10")

    job = asyncio.create_task(trade_and_move())
    while not job.done():
        [found] = await ask(house, owner.account_id)
        cost = sum(Decimal(each.total_cost) for each in found.positions)
        assert Decimal(found.cash) + cost == Decimal(found.paid_in)
    await job


async def test_only_portfolio_may_ask_for_so_many_as_one_answer_has(house: House) -> None:
    for caller in ("gateway", "order"):
        with pytest.raises(Denied):
            await ask(house, uuid7(), caller=caller)
    with pytest.raises(Invalid) as too_many:
        await ask(house, *(uuid7() for _ in range(201)))
    with pytest.raises(Invalid) as no_id:
        await ask(house, "mine")
    assert (too_many.value.code, no_id.value.code) == ("too_many", "invalid_id")
    assert await ask(house) == []
