"""Who may give roles to whom, and what becomes of the sessions of a user whose roles change."""

from __future__ import annotations

import asyncio

import pytest

from hub.auth.v1 import auth_pb2 as pb
from hub_auth import usecases
from hub_auth.passwords import Passwords
from hub_auth.store import Store
from hub_errors import Denied, HubError, Invalid, NotFound, Refused, Unauthenticated
from hub_postgres import Pool
from hub_rpc import calling_as
from hub_runtime import utc_now
from tests.auth.conftest import PASSWORD, Client, Replica

ADMIN = "admin@example.com"


async def make_admin(store: Store, passwords: Passwords, email: str = ADMIN) -> None:
    await usecases.ensure_admin(
        email, PASSWORD, store=store, passwords=passwords, common=frozenset(), clock=utc_now
    )


async def set_roles(client: Client, token: str, email: str, *roles: str) -> pb.User:
    with calling_as(token):
        answer = await client.stub.SetUserRoles(pb.SetUserRolesRequest(email=email, roles=roles))
    return answer.user


@pytest.fixture
async def admin(client: Client, store: Store, passwords: Passwords) -> str:
    """An administrator's access token."""
    await make_admin(store, passwords)
    return (await client.login(ADMIN)).tokens.access_token


async def test_an_administrator_gives_roles_which_the_next_token_carries(client: Client, admin: str) -> None:
    await client.register("Ana@example.com")
    user = await set_roles(client, admin, " ANA@example.com", "support")
    assert list(user.roles) == ["user", "support"]
    opened = await client.login("ana@example.com")
    assert list((await client.me(opened.tokens.access_token)).roles) == ["user", "support"]


async def test_sessions_of_a_user_whose_roles_change_end_at_once(
    client: Client, replica: Replica, admin: str
) -> None:
    await client.register()
    old = (await client.login()).tokens
    await set_roles(client, admin, "ana@example.com", "admin")

    async def refused() -> bool:
        try:
            await client.me(old.access_token)
        except Unauthenticated as error:
            return error.code == "token_revoked"
        return False

    async with asyncio.timeout(2):
        while not await refused():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    with pytest.raises(Unauthenticated):
        await client.refresh(old.refresh_token)


async def test_nobody_else_gives_roles(client: Client) -> None:
    await client.register()
    token = (await client.login()).tokens.access_token
    with pytest.raises(Denied) as refused:
        await set_roles(client, token, "ana@example.com", "admin")
    assert refused.value.code == "role_required"


async def test_what_cannot_be_is_explained(client: Client, admin: str) -> None:
    await client.register()
    for email, role, error, code, field in (
        ("nobody@example.com", "support", NotFound, "user_not_found", ""),
        ("ana@example.com", "root", Invalid, "invalid_value", "roles"),
        ("ana", "support", Invalid, "invalid_email", "email"),
    ):
        with pytest.raises(HubError) as refused:
            await set_roles(client, admin, email, role)
        assert (type(refused.value), refused.value.code, refused.value.field) == (error, code, field)


async def test_the_last_administrator_stays(client: Client, admin: str) -> None:
    with pytest.raises(Refused) as refused:
        await set_roles(client, admin, ADMIN, "user")
    assert refused.value.code == "last_admin"
    assert "admin" in (await client.me(admin)).roles


async def test_two_administrators_cannot_remove_each_other_at_once(
    client: Client, store: Store, passwords: Passwords, pool: Pool, admin: str
) -> None:
    await client.register("second@example.com")
    await set_roles(client, admin, "second@example.com", "admin")
    second = (await client.login("second@example.com")).tokens.access_token
    await asyncio.gather(
        set_roles(client, admin, "second@example.com"),
        set_roles(client, second, ADMIN),
        return_exceptions=True,
    )
    assert await pool.fetchval("SELECT count(*) FROM users WHERE 'admin' = ANY (roles)") == 1


async def test_every_change_of_roles_is_in_the_audit_log(client: Client, pool: Pool, admin: str) -> None:
    user = await client.register()
    actor = await client.me(admin)
    await set_roles(client, admin, "ana@example.com", "support")
    [row] = await pool.fetch("SELECT user_id, detail FROM audit_log WHERE action = 'roles_changed'")
    assert str(row["user_id"]) == actor.user_id
    assert row["detail"] == f"{user.user_id}: user, support"


async def test_the_first_administrator_is_made_once_and_keeps_the_password(
    client: Client, store: Store, passwords: Passwords, pool: Pool
) -> None:
    await make_admin(store, passwords)
    await usecases.ensure_admin(
        ADMIN, "another password", store=store, passwords=passwords, common=frozenset(), clock=utc_now
    )
    assert await pool.fetchval("SELECT count(*) FROM users") == 1
    assert list((await client.login(ADMIN)).user.roles) == ["user", "admin"]


async def test_a_user_who_is_there_is_promoted_and_has_to_log_in_again(
    client: Client, replica: Replica, store: Store, passwords: Passwords
) -> None:
    await client.register(password="my own password")
    old = (await client.login(password="my own password")).tokens
    await make_admin(store, passwords, "ana@example.com")
    opened = await client.login(password="my own password")
    assert list(opened.user.roles) == ["user", "admin"]
    with pytest.raises(Unauthenticated):
        await client.refresh(old.refresh_token)


async def test_a_role_that_was_taken_away_does_not_come_back_by_another_start(
    client: Client, store: Store, passwords: Passwords, admin: str
) -> None:
    await client.register()
    await set_roles(client, admin, "ana@example.com", "admin")
    ana = (await client.login()).tokens.access_token
    await set_roles(client, ana, ADMIN)
    await make_admin(store, passwords)
    assert list((await client.login(ADMIN)).user.roles) == ["user"]


async def test_a_weak_password_makes_no_administrator(store: Store, passwords: Passwords, pool: Pool) -> None:
    with pytest.raises(Invalid, match="10 to 128"):
        await usecases.ensure_admin(
            ADMIN, "short", store=store, passwords=passwords, common=frozenset(), clock=utc_now
        )
    assert await pool.fetchval("SELECT count(*) FROM users") == 0
