"""What an account may do: rules of the books restrict it, administrators set it, and every change is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from hub.event.v1 import event_pb2
from hub.position.v1 import position_pb2
from hub_errors import Denied, Invalid, NotFound, Unauthenticated
from hub_position.domain.trade import Side
from hub_rpc import calling_as
from tests.position.house import House, position_house
from tests.position.test_replaced_holds import in_place_of
from tests.position.world import Owner, World, ending, execution, hold_of
from tests.support.tls import Tls
from tests.support.tokens import TokenUser

LOG = """
    SELECT from_status, to_status, from_trading_state, to_trading_state, reason, actor
    FROM account_state_log WHERE account_id = $1 ORDER BY id
"""


@pytest.fixture(scope="module")
async def house(world: World, tls: Tls) -> AsyncIterator[House]:
    async with position_house(world, tls) as made:
        yield made


async def log_of(world: World, owner: Owner) -> list[tuple[str, ...]]:
    async with world.pool.acquire() as connection:
        return [tuple(row) for row in await connection.fetch(LOG, owner.account_id)]


async def told(world: World, owner: Owner) -> list[event_pb2.AccountChanged]:
    async with world.pool.acquire() as connection:
        rows = await connection.fetch("SELECT envelope FROM outbox ORDER BY id")
    events = [event_pb2.Envelope.FromString(row["envelope"]) for row in rows]
    mine = [event for event in events if event.account_id == str(owner.account_id)]
    return [event.account_changed for event in mine if event.HasField("account_changed")]


def admin(house: House) -> TokenUser:
    return house.signer.user(roles=["user", "admin"])


async def set_state(house: House, owner: Owner, by: TokenUser, **fields: str) -> position_pb2.AccountState:
    request = position_pb2.SetAccountStateRequest(account_id=str(owner.account_id), **fields)
    with calling_as(by.token):
        answer = await house.gateway.SetAccountState(request)
    state: position_pb2.AccountState = answer.account
    return state


async def test_more_than_was_ordered_is_booked_and_restricts_the_account(world: World) -> None:
    owner = await world.owner()
    hold = hold_of(owner, Side.BUY, "10", "100")
    await world.hold(hold)
    fills = [execution(hold, "100", quantity="6"), execution(hold, "100", quantity="5", minute=1)]
    for fill in [*fills, *fills]:
        await world.book([fill])
    assert (await world.position(owner)).holding.quantity == 11
    account = (await world.balance(owner)).account
    assert account.status.value == "RESTRICTED"
    assert account.held == 0
    assert await log_of(world, owner) == [
        ("ACTIVE", "RESTRICTED", "ACTIVE", "ACTIVE", "OVER_FILL", "position")
    ]
    assert [(change.status, change.trading_state) for change in await told(world, owner)] == [
        ("ACTIVE", "ACTIVE"),
        ("RESTRICTED", "ACTIVE"),
    ]
    buy, sell = await world.hold(hold_of(owner, Side.BUY, "1", "1"), hold_of(owner, Side.SELL, "11"))
    assert (buy.code, sell.granted) == ("account_restricted", True)
    await world.assert_balanced(owner)


async def test_a_fill_after_the_end_is_no_over_fill(world: World) -> None:
    owner = await world.owner()
    hold = hold_of(owner, Side.BUY, "10", "100")
    await world.hold(hold)
    await world.book(ended=[ending(hold, quantity="0", count=0)])
    await world.book([execution(hold, "100")])
    assert (await world.balance(owner)).account.status.value == "ACTIVE"
    assert await log_of(world, owner) == []


async def test_a_closed_account_stays_closed_whatever_is_booked(house: House) -> None:
    _, owner = await house.owner()
    await set_state(house, owner, admin(house), status="CLOSED", reason="left")
    await house.world.book([execution(hold_of(owner, Side.SELL, "1"), "100")])
    assert (await house.world.balance(owner)).account.status.value == "CLOSED"


async def test_an_administrator_sees_and_sets_what_an_account_may_do(house: House) -> None:
    user, owner = await house.owner()
    boss = admin(house)
    asking = position_pb2.GetAccountRequest(account_id=str(owner.account_id))
    with calling_as(boss.token):
        before = (await house.gateway.GetAccount(asking)).account
    assert (before.status, before.trading_state, before.reason) == ("ACTIVE", "ACTIVE", "")
    assert (before.user_id, before.HasField("changed_at")) == (str(user.user_id), False)
    halted = await set_state(house, owner, boss, trading_state="HALTED", reason=" odd orders ")
    assert (halted.status, halted.trading_state, halted.reason) == ("ACTIVE", "HALTED", "odd orders")
    assert halted.actor == f"admin:{boss.user_id}"
    with calling_as(user.token):
        balance = await house.gateway.GetBalance(position_pb2.GetBalanceRequest())
    assert (balance.status, balance.trading_state) == ("ACTIVE", "HALTED")
    [refused] = await house.world.hold(hold_of(owner, Side.BUY, "1", "1"))
    assert refused.code == "account_halted"
    again = await set_state(house, owner, boss, trading_state="HALTED", reason="odd orders")
    assert again == halted
    await set_state(house, owner, boss, status="RESTRICTED", trading_state="ACTIVE", reason="explained")
    with calling_as(boss.token):
        after = (await house.gateway.GetAccount(asking)).account
    assert (after.status, after.trading_state, after.reason) == ("RESTRICTED", "ACTIVE", "explained")
    actor = f"admin:{boss.user_id}"
    assert await log_of(house.world, owner) == [
        ("ACTIVE", "ACTIVE", "ACTIVE", "HALTED", "odd orders", actor),
        ("ACTIVE", "RESTRICTED", "HALTED", "ACTIVE", "explained", actor),
    ]
    changes = await told(house.world, owner)
    assert [(change.status, change.trading_state) for change in changes] == [
        ("ACTIVE", "HALTED"),
        ("RESTRICTED", "ACTIVE"),
    ]
    versions = [change.version for change in changes]
    assert versions == sorted(set(versions))


@pytest.mark.parametrize(
    ("quantity", "price", "granted"),
    [
        ("9", "100", True),
        ("10", "99.99", True),
        ("5", "50", True),
        ("10", "100", True),
        ("10.00000001", "100", False),
        ("10", "100.01", False),
        ("11", "50", False),
        ("5", "101", False),
    ],
)
async def test_who_may_only_reduce_may_make_a_purchase_smaller_or_cheaper_and_nothing_else(
    house: House, quantity: str, price: str, *, granted: bool
) -> None:
    """Fewer shares at a higher price, or more at a lower one, would be another purchase."""
    _, owner = await house.owner()
    old = hold_of(owner, Side.BUY, "10", "100")
    await house.world.hold(old)
    await set_state(house, owner, admin(house), trading_state="REDUCING", reason="why")
    [answer] = await house.world.hold(in_place_of(old, quantity, price))
    assert (answer.granted, answer.code) == (granted, "" if granted else "account_reducing")
    assert (await house.world.balance(owner)).account.held == 1000
    await house.world.assert_balanced(owner)


async def test_who_may_only_reduce_makes_a_purchase_smaller_than_what_is_left_of_it(house: House) -> None:
    _, owner = await house.owner()
    old = hold_of(owner, Side.BUY, "10", "100")
    await house.world.hold(old)
    await house.world.book([execution(old, "100", quantity="4")])
    await set_state(house, owner, admin(house), trading_state="REDUCING", reason="why")
    [more] = await house.world.hold(in_place_of(old, "6.5", "100", filled="4"))
    [unbooked] = await house.world.hold(in_place_of(old, "6", "100", filled="5"))
    [rest] = await house.world.hold(in_place_of(old, "6", "100", filled="4"))
    assert [(each.granted, each.code) for each in (more, unbooked, rest)] == [
        (False, "account_reducing"),
        (False, "account_reducing"),
        (True, ""),
    ]


async def test_who_may_only_reduce_changes_sales_as_before(house: House) -> None:
    _, owner = await house.owner()
    await house.world.trade(owner, Side.BUY, "10", "100", minute=-1)
    old = hold_of(owner, Side.SELL, "5")
    await house.world.hold(old)
    await set_state(house, owner, admin(house), trading_state="REDUCING", reason="why")
    less, more, all_of_it = await house.world.hold(
        in_place_of(old, "4"), in_place_of(old, "8"), in_place_of(old, "12")
    )
    assert [(each.granted, each.code) for each in (less, more, all_of_it)] == [
        (True, ""),
        (True, ""),
        (False, "insufficient_shares"),
    ]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({"trading_state": "HALTED"}, "account_halted"),
        ({"status": "RESTRICTED"}, "account_restricted"),
        ({"status": "CLOSED"}, "account_closed"),
        ({"status": "RESTRICTED", "trading_state": "REDUCING"}, "account_restricted"),
    ],
)
async def test_no_other_state_lets_a_purchase_be_replaced(
    house: House, state: dict[str, str], code: str
) -> None:
    _, owner = await house.owner()
    old = hold_of(owner, Side.BUY, "10", "100")
    await house.world.hold(old)
    await set_state(house, owner, admin(house), **state, reason="why")
    [answer] = await house.world.hold(in_place_of(old, "5", "50"))
    assert (answer.granted, answer.code) == (False, code)


@pytest.mark.parametrize("method", ["GetAccount", "SetAccountState"])
async def test_only_administrators_may(house: House, method: str) -> None:
    user, owner = await house.owner()
    request = getattr(position_pb2, f"{method}Request")(account_id=str(owner.account_id))
    for roles in (["user"], ["user", "support"]):
        with calling_as(house.signer.user(roles=roles).token), pytest.raises(Denied) as denied:
            await getattr(house.gateway, method)(request)
        assert denied.value.code == "role_required"
    with calling_as(user.token), pytest.raises(Denied):
        await getattr(house.gateway, method)(request)
    with calling_as(""), pytest.raises(Unauthenticated):
        await getattr(house.gateway, method)(request)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"status": "OPEN"}, "invalid_state", "status"),
        ({"trading_state": "halted"}, "invalid_state", "trading_state"),
        ({"reason": " "}, "missing", "reason"),
        ({"reason": "x" * 501}, "too_many", "the length of reason"),
        ({"account_id": "mine"}, "invalid_id", "account_id"),
    ],
)
async def test_a_state_that_cannot_be_read_is_invalid(
    house: House, fields: dict[str, Any], code: str, field: str
) -> None:
    values = {"account_id": str(uuid4()), "status": "ACTIVE", "reason": "why"} | fields
    with calling_as(admin(house).token), pytest.raises(Invalid) as refused:
        await house.gateway.SetAccountState(position_pb2.SetAccountStateRequest(**values))
    assert (refused.value.code, refused.value.field) == (code, field)


async def test_an_account_that_nobody_opened_is_not_found(house: House) -> None:
    with calling_as(admin(house).token):
        with pytest.raises(NotFound):
            await house.gateway.GetAccount(position_pb2.GetAccountRequest(account_id=str(uuid4())))
        with pytest.raises(NotFound):
            await set_state(house, Owner(), admin(house), status="CLOSED", reason="why")


async def test_the_log_of_states_is_only_added_to(house: House) -> None:
    _, owner = await house.owner()
    await set_state(house, owner, admin(house), status="RESTRICTED", reason="why")
    async with house.world.pool.acquire() as connection:
        for change in ("UPDATE account_state_log SET reason = ''", "DELETE FROM account_state_log"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await connection.execute(change)
