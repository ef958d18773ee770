"""Limits of asset classes come from settings, those of single accounts from administrators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from hub.order.v1 import order_pb2
from hub_errors import Denied, HubError, Invalid
from hub_order.limit_settings import LimitSettings
from hub_order.risk import AccountLimits, Policy
from hub_order.usecases.limits import PAGE
from hub_rpc import calling_as
from hub_runtime import SettingsError, load
from tests.order import build
from tests.order.house import House
from tests.support.tokens import TokenUser as User
from tests.support.waiting import eventually


def policy(**variables: str) -> Policy:
    return load(LimitSettings, {f"HUB_{name}": value for name, value in variables.items()}).policy


def test_without_settings_the_limits_are_those_of_the_page() -> None:
    expected = replace(
        build.LIMITS, least_value=Decimal(1), orders_per_minute=10_000, most_open_orders=10_000
    )
    assert policy().limits("STOCK") == expected


def test_an_asset_class_has_what_is_said_for_it_and_else_what_holds_for_all() -> None:
    found = policy(
        MOST_VALUE="500",
        MOST_VALUE_BY_CLASS="CRYPTO=100000, ETF=2000000",
        PRICE_BAND_BY_CLASS="CRYPTO=0.2",
        PRICE_SANITY_BY_CLASS="BOND=2",
        PRICE_PROTECTION_BY_CLASS="CRYPTO=0.1",
        MOST_QUANTITY_BY_CLASS="FUND=7",
    )
    general = found.limits("STOCK")
    assert general == found.limits(None) == replace(build.LIMITS, most_value=Decimal(500))
    assert found.limits("CRYPTO") == replace(
        general, most_value=Decimal(100_000), price_band=Decimal("0.2"), price_protection=Decimal("0.1")
    )
    assert found.limits("ETF") == replace(general, most_value=Decimal(2_000_000))
    assert found.limits("BOND") == replace(general, price_sanity=Decimal(2))
    assert found.limits("FUND") == replace(general, most_quantity=Decimal(7))


def test_an_account_of_its_own_comes_before_its_class() -> None:
    found = policy(MOST_VALUE_BY_CLASS="CRYPTO=100000")
    own = AccountLimits(most_value=Decimal(7), orders_per_minute=3, most_position=Decimal(5))
    assert found.limits("CRYPTO", own) == replace(
        build.LIMITS, most_value=Decimal(7), orders_per_minute=3, most_position=Decimal(5)
    )
    assert found.limits("CRYPTO", AccountLimits()) == found.limits("CRYPTO")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MOST_VALUE_BY_CLASS", "CRYPTO", "must be like CRYPTO=1,ETF=2; CRYPTO is not"),
        ("MOST_VALUE_BY_CLASS", "CRYPTO=", "must be like"),
        ("MOST_VALUE_BY_CLASS", "COIN=1", "COIN is none of STOCK, ETF"),
        ("MOST_VALUE_BY_CLASS", "ETF=1,ETF=2", "ETF is there twice"),
        ("MOST_VALUE_BY_CLASS", "ETF=much", "ETF must be a decimal number"),
        ("MOST_VALUE_BY_CLASS", "ETF=0", "ETF must be above 0"),
        ("PRICE_BAND_BY_CLASS", "ETF=1", "ETF must be a share"),
        ("PRICE_BAND", "-0.01", "must be a share"),
        ("PRICE_PROTECTION", "NaN", "must be a decimal number"),
        ("PRICE_SANITY", "0.9", "must be a multiple"),
        ("MOST_VALUE", "1000000000000", "below 1000000000000"),
        ("LEAST_VALUE", "0.000000001", "at most 8 places"),
        ("ORDERS_PER_MINUTE", "0", "must be a whole number above 0"),
        ("MOST_OPEN_ORDERS", "1.5", "must be a whole number above 0"),
    ],
)
def test_a_wrong_limit_is_told_with_its_name(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        policy(**{name: value})
    (fault,) = raised.value.faults
    assert fault.startswith(f"HUB_{name}: ")
    assert words in fault


@pytest.fixture
def admin(house: House) -> User:
    return house.keys.user(roles=["user", "admin"])


async def set_limits(
    house: House, admin: User, account_id: UUID | str, reason: str = "A test.", **limits: Any
) -> order_pb2.AccountLimits:
    request = order_pb2.SetAccountLimitsRequest(
        account_id=str(account_id), limits=order_pb2.AccountLimits(**limits), reason=reason
    )
    with calling_as(admin.token):
        return (await house.admin.SetAccountLimits(request)).own


async def get_limits(house: House, admin: User, account_id: UUID) -> order_pb2.AccountLimits:
    request = order_pb2.GetAccountLimitsRequest(account_id=str(account_id))
    with calling_as(admin.token):
        return (await house.admin.GetAccountLimits(request)).own


async def test_an_account_is_given_limits_and_they_are_taken_away(house: House, admin: User) -> None:
    account = uuid4()
    assert await get_limits(house, admin, account) == order_pb2.AccountLimits()
    own: dict[str, Any] = {
        "most_value": "500",
        "most_quantity": "7.5",
        "most_position": "20",
        "orders_per_minute": 5,
    }
    assert await set_limits(house, admin, account, **own) == order_pb2.AccountLimits(**own)
    assert await get_limits(house, admin, account) == order_pb2.AccountLimits(**own)
    await set_limits(house, admin, account)
    assert await get_limits(house, admin, account) == order_pb2.AccountLimits()


async def test_orders_are_judged_by_the_accounts_own_limits(house: House, admin: User, user: User) -> None:
    await set_limits(house, admin, user.account_id, most_value="999.99", most_position="20")
    await house.limits.read_on()
    refused = (await house.submit(user)).refused
    assert refused.code == "value_too_large"
    assert "at most 999.99" in refused.message
    await house.accepted(user, quantity="9")
    (hold,) = house.books.holds.values()
    assert hold.request.most_position == "20"
    await house.accepted(house.keys.user())
    await set_limits(house, admin, user.account_id)
    await house.limits.read_on()
    await house.accepted(user)


async def test_one_order_too_many_within_a_minute_is_refused_until_it_has_passed(
    house: House, admin: User, user: User
) -> None:
    await set_limits(house, admin, user.account_id, orders_per_minute=3)
    await house.limits.read_on()
    await house.accepted(user)
    assert (await house.submit(user, symbol="NONE")).refused.code == "unknown_symbol"
    await house.accepted(user)
    refused = (await house.submit(user)).refused
    assert (refused.code, refused.status) == ("order_rate", 8)
    assert 0 < refused.retry_after_s <= 61
    await house.accepted(house.keys.user())


async def test_a_repeated_order_gets_its_first_answer_even_when_it_is_one_too_many(
    house: House, admin: User, user: User
) -> None:
    await set_limits(house, admin, user.account_id, orders_per_minute=1)
    await house.limits.read_on()
    first = await house.submit(user, idempotency_key="once")
    again = await house.submit(user, idempotency_key="once")
    assert again.accepted.repeated_answer
    assert again.accepted.order.order_id == first.accepted.order.order_id


async def test_only_administrators_see_and_set_limits(house: House, user: User) -> None:
    with pytest.raises(Denied):
        await set_limits(house, user, user.account_id, most_value="1")
    with pytest.raises(Denied):
        await get_limits(house, user, user.account_id)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"reason": " "}, "reason_required", "reason"),
        ({"reason": "x" * 501}, "reason_required", "reason"),
        ({"most_value": "0"}, "not_positive", "limits.most_value"),
        ({"most_quantity": "many"}, "invalid_decimal", "limits.most_quantity"),
        ({"most_position": "-1"}, "not_positive", "limits.most_position"),
        ({"orders_per_minute": -1}, "not_positive", "limits.orders_per_minute"),
        ({"account_id": "me"}, "invalid_id", "account_id"),
    ],
)
async def test_wrong_limits_are_refused(
    house: House, admin: User, fields: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(Invalid) as raised:
        await set_limits(house, admin, **{"account_id": uuid4(), **fields})
    assert (raised.value.code, raised.value.field) == (code, field)


async def test_every_change_is_logged_for_ever(house: House, admin: User) -> None:
    account = uuid4()
    await set_limits(house, admin, account, "Fat fingers.", most_value="500")
    await set_limits(house, admin, account, "They are better.")
    query = "SELECT most_value, reason, actor FROM account_limit_changes WHERE account_id = $1 ORDER BY id"
    actor = f"user:{admin.user_id}"
    found = [tuple(row) for row in await house.pool.fetch(query, account)]
    assert found == [(500, "Fat fingers.", actor), (None, "They are better.", actor)]
    for change in ("UPDATE account_limit_changes SET reason = 'x'", "DELETE FROM account_limit_changes"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await house.pool.execute(change)


async def test_changes_at_the_same_moment_are_all_read(house: House, admin: User) -> None:
    accounts = [uuid4() for _ in range(20)]
    reading = asyncio.create_task(_read_until(house, accounts))
    async with asyncio.TaskGroup() as group:
        for account in accounts:
            group.create_task(set_limits(house, admin, account, most_value="5"))
    await reading


async def _read_until(house: House, accounts: list[UUID]) -> None:
    async with asyncio.timeout(20):
        while any(house.limits.of(account) is None for account in accounts):
            await house.limits.read_on()


async def test_more_accounts_than_a_page_are_read(house: House) -> None:
    await house.pool.execute(
        "INSERT INTO account_limits (account_id, most_value, change_id)"
        " SELECT gen_random_uuid(), 5, 1000000 + n FROM generate_series(1, $1) AS n",
        PAGE + 1,
    )
    rows = await house.pool.fetch("SELECT account_id FROM account_limits WHERE change_id > 1000000")
    await house.limits.read_on()
    assert all(house.limits.of(row["account_id"]) for row in rows)
    await house.pool.execute("DELETE FROM account_limits WHERE change_id > 1000000")


@asynccontextmanager
async def watched(house: House) -> AsyncIterator[None]:
    jobs = [asyncio.create_task(house.limits.wakeup.run()), asyncio.create_task(house.limits.watch())]
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.wait(jobs)


async def test_a_change_is_known_without_being_asked_for(house: House, admin: User) -> None:
    account = uuid4()
    assert house.limits.state() != "ok"
    async with watched(house):
        await eventually(lambda: house.limits.state() == "ok")
        await set_limits(house, admin, account, most_value="5")
        await eventually(lambda: house.limits.of(account) == AccountLimits(most_value=Decimal(5)))
        await set_limits(house, admin, account)
        await eventually(lambda: house.limits.of(account) is None)


async def test_the_last_copy_holds_while_the_database_is_away(house: House, admin: User) -> None:
    account = uuid4()
    await set_limits(house, admin, account, most_value="5")
    await house.limits.read_on()
    await house.pool.close()
    with pytest.raises(HubError):
        await house.limits.read_on()
    assert house.limits.of(account) == AccountLimits(most_value=Decimal(5))
