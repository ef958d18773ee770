"""Following auth: a snapshot, changes, and a snapshot again after every reconnect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hub_errors import Unauthenticated
from hub_identity import Trust, current_principal
from hub_rpc import calling_as, connect
from tests.libs.identity.auth import Auth, Key, denial
from tests.libs.rpc.echo import Echo, talking
from tests.support.jobs import eventually, running
from tests.support.tls import Tls

KEY = Key("key-1")


@asynccontextmanager
async def watching(tls: Tls, port: int) -> AsyncIterator[Trust]:
    trust = Trust()
    async with (
        connect(f"127.0.0.1:{port}", tls.files("gateway"), "auth") as channel,
        running(trust.watch(channel)),
    ):
        yield trust


def verdict(trust: Trust, token: str) -> str:
    try:
        trust.verify(token)
    except Unauthenticated as error:
        return error.code
    return "ok"


async def test_a_first_snapshot_makes_ready(tls: Tls) -> None:
    async with Auth(KEY).server(tls) as server, watching(tls, server.port) as trust:
        async with asyncio.timeout(10):
            await trust.loaded.wait()
        assert trust.state() == "ok"
        assert trust.verify(KEY.token()).user_id == "user-1"


async def test_a_revoked_session_is_refused_at_once(tls: Tls) -> None:
    auth, token = Auth(KEY), KEY.token()
    async with auth.server(tls) as server, watching(tls, server.port) as trust:
        await eventually(lambda: trust.state() == "ok" and verdict(trust, token) == "ok")
        auth.say(denied=[denial("session-1")])
        await eventually(lambda: verdict(trust, token) == "token_revoked", 1)


async def test_after_a_reconnect_the_snapshot_counts(tls: Tls) -> None:
    """While the stream was down a session was revoked and the key changed."""
    new, auth = Key("key-2"), Auth(KEY)
    async with auth.server(tls) as server, watching(tls, server.port) as trust:
        await eventually(lambda: trust.state() == "ok")
        await server.__aexit__(None, None, None)
        await eventually(lambda: not auth.watchers)
        assert verdict(trust, KEY.token()) == "ok", "what was known stays in force"
        auth.keys, auth.denied = [new], [denial("session-1")]
        async with auth.server(tls, server.port):
            await eventually(lambda: verdict(trust, new.token()) == "token_revoked")
            assert verdict(trust, new.token(sid="session-2")) == "ok"
            assert verdict(trust, KEY.token(sid="session-2")) == "token_invalid"


async def test_a_service_that_starts_before_auth_waits_for_it(tls: Tls, free_port: object) -> None:
    assert callable(free_port)
    port = int(free_port())
    async with watching(tls, port) as trust:
        assert trust.state() != "ok"
        async with Auth(KEY).server(tls, port):
            await eventually(lambda: trust.state() == "ok")


async def test_the_user_of_a_call_is_who_its_token_says(tls: Tls) -> None:
    auth = Auth(KEY)
    async with auth.server(tls) as server, watching(tls, server.port) as trust:
        await eventually(lambda: trust.state() == "ok")

        async def answer(_: bytes) -> bytes:
            return current_principal(trust).account_id.encode()

        async with talking(tls, Echo(answer)) as client:
            with calling_as(KEY.token(acc="account-9")):
                assert await client.one(b"") == b"account-9"
            with pytest.raises(Unauthenticated) as raised:
                await client.one(b"")
            assert raised.value.code == "token_missing"
