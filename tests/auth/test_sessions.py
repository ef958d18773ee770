"""Registering, logging in, going on and ending, over real gRPC and a real database."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from datetime import timedelta
from uuid import UUID

import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hub_auth import keys
from hub_auth.passwords import Passwords
from hub_errors import Conflict, Denied, HubError, Invalid, Unauthenticated
from hub_postgres import Pool
from tests.auth.conftest import PASSWORD, Client, Replica, Time, until


async def code_of(attempt: object) -> str:
    with pytest.raises(HubError) as refused:
        await attempt  # type: ignore[misc]
    return refused.value.code


async def audited(pool: Pool) -> list[str]:
    return [row["action"] for row in await pool.fetch("SELECT action FROM audit_log ORDER BY id")]


async def test_a_registered_user_has_an_account_and_can_log_in(client: Client) -> None:
    user = await client.register("Ana@Example.com", name="Ana")
    assert (user.email, user.name, list(user.roles)) == ("ana@example.com", "Ana", ["user"])
    assert UUID(user.user_id).version == UUID(user.account_id).version == 7
    assert user.user_id != user.account_id
    opened = await client.login("ANA@example.com")
    assert opened.user == user
    assert opened.tokens.expires_in == 600
    assert await client.me(opened.tokens.access_token) == user


async def test_the_access_token_says_who_and_which_account_and_session(client: Client) -> None:
    user = await client.register()
    token = (await client.login()).tokens.access_token
    claims = jwt.decode(token, options={"verify_signature": False})
    assert jwt.get_unverified_header(token)["alg"] == "ES256"
    assert (claims["sub"], claims["acc"], claims["roles"]) == (user.user_id, user.account_id, ["user"])
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("hub", "hub", 600)
    assert UUID(claims["sid"]).version == 7


async def test_an_address_has_one_user_also_when_two_register_at_once(client: Client, pool: Pool) -> None:
    outcomes = await asyncio.gather(
        *(client.register(email) for email in ("ana@example.com", "ANA@example.com", "Ana@Example.com")),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert [(error.code, error.field) for error in refused] == [("email_taken", "email")] * 2
    assert await pool.fetchval("SELECT count(*) FROM users") == 1


async def test_bad_registrations_say_which_field_is_wrong(client: Client) -> None:
    for email, password, name, field, code in (
        ("ana", PASSWORD, "Ana", "email", "invalid_email"),
        ("ana@example.com", "short", "Ana", "password", "weak_password"),
        ("ana@example.com", PASSWORD, "", "name", "invalid_name"),
    ):
        with pytest.raises(Invalid) as refused:
            await client.register(email, password, name)
        assert (refused.value.field, refused.value.code) == (field, code)


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client: Client) -> None:
    await client.register()
    answers = set()
    for email, password in (
        ("ana@example.com", "not the password"),
        ("nobody@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("ana@example.com", ""),
        ("ana@example.com\x00", PASSWORD),
    ):
        with pytest.raises(Unauthenticated) as refused:
            await client.login(email, password)
        answers.add((refused.value.code, refused.value.message, refused.value.field))
    assert {code for code, _, _ in answers} == {"invalid_credentials"}
    assert len(answers) == 1


async def test_every_failed_login_hashes_once_so_that_its_time_tells_nothing(
    client: Client, passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.register()
    compared: list[bool] = []
    verify = passwords._verify

    def counted(password_hash: str | None, password: str) -> bool:
        compared.append(password_hash is None)
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "_verify", counted)
    await code_of(client.login(password="not the password"))
    await code_of(client.login("nobody@example.com"))
    await code_of(client.login("no address"))
    assert compared == [False, True, True]


async def test_passwords_and_refresh_tokens_are_nowhere_in_the_database(client: Client, pool: Pool) -> None:
    await client.register()
    tokens = (await client.login()).tokens
    for table in ("users", "sessions", "refresh_tokens", "audit_log"):
        for row in await pool.fetch(f"SELECT t::text AS row FROM {table} t"):
            assert PASSWORD not in row["row"]
            assert tokens.refresh_token not in row["row"]


async def test_refreshing_gives_new_tokens_for_the_same_session(client: Client) -> None:
    user = await client.register()
    first = (await client.login()).tokens
    second = await client.refresh(first.refresh_token)
    third = await client.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    sessions = {
        jwt.decode(tokens.access_token, options={"verify_signature": False})["sid"]
        for tokens in (first, second, third)
    }
    assert len(sessions) == 1
    assert await client.me(third.access_token) == user


async def test_using_a_refresh_token_twice_ends_its_session(
    client: Client, replica: Replica, pool: Pool
) -> None:
    await client.register()
    first = (await client.login()).tokens
    other = (await client.login()).tokens
    second = await client.refresh(first.refresh_token)
    assert await code_of(client.refresh(first.refresh_token)) == "invalid_refresh_token"
    assert await code_of(client.refresh(second.refresh_token)) == "invalid_refresh_token"
    await until(lambda: _revoked(replica, second.access_token))
    assert await code_of(client.me(second.access_token)) == "token_revoked"
    assert await code_of(client.me(first.access_token)) == "token_revoked"
    assert await client.me(other.access_token)
    assert (await audited(pool)).count("token_reused") == 1


async def test_of_many_that_use_one_refresh_token_at_once_one_gets_tokens_and_the_session_ends(
    client: Client, pool: Pool
) -> None:
    await client.register()
    token = (await client.login()).tokens.refresh_token
    outcomes = await asyncio.gather(*(client.refresh(token) for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) <= 1
    assert await pool.fetchval("SELECT end_reason FROM sessions") == "reuse"


async def test_a_refresh_token_ends_with_its_session(client: Client, clock: Time) -> None:
    await client.register()
    tokens = (await client.login()).tokens
    clock.ahead = timedelta(days=31)
    assert await code_of(client.refresh(tokens.refresh_token)) == "invalid_refresh_token"


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "\x00", "ü" * 50, "a" * 100_000])
async def test_a_made_up_refresh_token_is_refused(client: Client, token: str) -> None:
    assert await code_of(client.refresh(token)) == "invalid_refresh_token"


async def test_logging_out_ends_the_session_and_no_other(
    client: Client, replica: Replica, pool: Pool
) -> None:
    await client.register()
    first, second = (await client.login()).tokens, (await client.login()).tokens
    await client.logout(first.access_token)
    await until(lambda: _revoked(replica, first.access_token))
    assert await code_of(client.me(first.access_token)) == "token_revoked"
    assert await code_of(client.logout(first.access_token)) == "token_revoked"
    assert await code_of(client.refresh(first.refresh_token)) == "invalid_refresh_token"
    assert await client.me(second.access_token)
    assert await audited(pool) == ["registered", "logged_in", "logged_in", "logged_out"]


async def test_an_expired_access_token_is_refused(client: Client, clock: Time) -> None:
    await client.register()
    token = (await client.login()).tokens.access_token
    clock.ahead = timedelta(minutes=10)
    assert await code_of(client.me(token)) == "token_expired"


async def test_truncated_and_forged_tokens_are_refused(client: Client, pool: Pool) -> None:
    await client.register()
    token = (await client.login()).tokens.access_token
    header, claims, signature = token.split(".")
    other = (await client.login()).tokens.access_token
    for wrong in (
        token[:3],
        token[:-10],
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{other.split('.')[1]}.{signature}",
        "..",
        "Bearer",
        _signed_by(keys.new_key().private_key, token),
        _unsigned(token),
        _signed_with_the_public_key(token, await pool.fetchval("SELECT public_key_pem FROM signing_keys")),
    ):
        assert await code_of(client.me(wrong)) in {"token_malformed", "token_invalid"}, wrong
    assert await code_of(client.me("")) == "token_missing"


async def test_failed_logins_are_audited_with_the_user_where_there_is_one(client: Client, pool: Pool) -> None:
    user = await client.register()
    await code_of(client.login(password="not the password"))
    await code_of(client.login("nobody@example.com"))
    rows = await pool.fetch("SELECT user_id FROM audit_log WHERE action = 'login_failed' ORDER BY id")
    assert [row["user_id"] for row in rows] == [UUID(user.user_id), None]


async def test_the_audit_log_can_only_grow(client: Client, pool: Pool) -> None:
    await client.register()
    for change in ("UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(change)


async def test_only_the_gateway_may_act_for_users(replica: Replica) -> None:
    async with replica.channel("order") as channel:
        with pytest.raises(Denied):
            await Client(channel).login()


def _revoked(replica: Replica, token: str) -> bool:
    try:
        replica.trust.verify(token)
    except Unauthenticated as refused:
        return refused.code == "token_revoked"
    return False


def _claims(token: str) -> dict[str, object]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def _signed_by(key: ec.EllipticCurvePrivateKey, token: str) -> str:
    """Right in everything but the key."""
    headers = {"kid": jwt.get_unverified_header(token)["kid"]}
    return jwt.encode(_claims(token), key, algorithm="ES256", headers=headers)


def _unsigned(token: str) -> str:
    header = {"alg": "none", "typ": "JWT", "kid": jwt.get_unverified_header(token)["kid"]}
    return f"{_base64url(json.dumps(header).encode())}.{token.split('.')[1]}."


def _signed_with_the_public_key(token: str, public_key_pem: str) -> str:
    """The old trick: a symmetric algorithm, and as its secret the key that everyone knows."""
    header = {"alg": "HS256", "typ": "JWT", "kid": jwt.get_unverified_header(token)["kid"]}
    signed = f"{_base64url(json.dumps(header).encode())}.{token.split('.')[1]}"
    return f"{signed}.{_base64url(hmac.digest(public_key_pem.encode(), signed.encode(), 'sha256'))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
