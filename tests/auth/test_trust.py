"""Every service learns within a moment whom not to trust any more, whichever replica it follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from hub.auth.v1 import auth_pb2 as pb
from hub.auth.v1 import auth_pb2_grpc
from hub_auth.domain import Denial, VerificationKey
from hub_auth.publication import UNREAD_LIMIT, Publication
from hub_auth.store import Store
from hub_errors import Denied, Unauthenticated
from hub_identity import Trust
from hub_postgres import Pool
from hub_rpc import reading
from tests.auth.conftest import Client, Replica, Start, Time, until

NOW = datetime(2026, 3, 2, tzinfo=UTC)
KEY = VerificationKey(kid="k1", algorithm="ES256", public_key_pem="pem")


def denial(subject: UUID | None = None, *, minutes: int = 10) -> Denial:
    return Denial(subject_id=subject or uuid4(), until=NOW + timedelta(minutes=minutes))


@asynccontextmanager
async def watching(replica: Replica, service: str, clock: Time) -> AsyncIterator[Trust]:
    """Another service that follows this replica."""
    trust = Trust(clock)
    async with replica.channel(service) as channel:
        task = asyncio.create_task(trust.watch(channel))
        try:
            await trust.loaded.wait()
            yield trust
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def refused(trust: Trust, token: str) -> bool:
    try:
        trust.verify(token)
    except Unauthenticated as error:
        return error.code == "token_revoked"
    return False


async def test_a_service_verifies_tokens_with_the_keys_it_was_sent(
    client: Client, replica: Replica, clock: Time
) -> None:
    user = await client.register()
    token = (await client.login()).tokens.access_token
    async with watching(replica, "order", clock) as trust:
        principal = trust.verify(token)
    assert (principal.user_id, principal.account_id) == (user.user_id, user.account_id)
    assert principal.roles == {"user"}


async def test_a_logout_reaches_the_watchers_of_every_replica(start: Start, clock: Time) -> None:
    here, there = await start(), await start()
    async with (
        here.channel() as channel,
        watching(here, "order", clock) as near,
        watching(there, "position", clock) as far,
    ):
        client = Client(channel)
        await client.register()
        tokens = (await client.login()).tokens
        assert near.verify(tokens.access_token) == far.verify(tokens.access_token)
        await client.logout(tokens.access_token)
        await until(lambda: refused(near, tokens.access_token) and refused(far, tokens.access_token))


async def test_who_comes_later_gets_the_deny_set_with_the_snapshot(
    client: Client, replica: Replica, clock: Time
) -> None:
    await client.register()
    tokens = (await client.login()).tokens
    await client.logout(tokens.access_token)
    await until(lambda: refused(replica.trust, tokens.access_token))
    async with watching(replica, "portfolio", clock) as trust:
        assert refused(trust, tokens.access_token)


async def test_a_denial_outlives_every_token_of_its_session(
    client: Client, replica: Replica, pool: Pool
) -> None:
    await client.register()
    tokens = (await client.login()).tokens
    await client.logout(tokens.access_token)
    principal = replica.trust.verify((await client.login()).tokens.access_token)
    assert await pool.fetchval("SELECT until FROM denied") >= principal.expires_at - timedelta(seconds=1)


async def test_the_first_message_is_a_snapshot_with_the_keys(replica: Replica) -> None:
    async with replica.channel("quote-stream") as channel:
        stub = auth_pb2_grpc.AuthServiceStub(channel)
        async with reading(stub.WatchTrust(pb.WatchTrustRequest())) as messages:
            first = await anext(messages)
    assert first.snapshot
    assert [key.algorithm for key in first.keys] == ["ES256"]
    assert first.keys[0].public_key_pem.startswith("-----BEGIN PUBLIC KEY-----")


async def test_auth_itself_may_not_watch_and_neither_may_strangers(replica: Replica) -> None:
    async with replica.channel("stranger") as channel:
        stub = auth_pb2_grpc.AuthServiceStub(channel)
        with pytest.raises(Denied):
            async with reading(stub.WatchTrust(pb.WatchTrustRequest())) as messages:
                await anext(messages)


async def test_what_can_make_no_difference_any_more_is_removed(
    client: Client, store: Store, pool: Pool, clock: Time
) -> None:
    await client.register()
    await client.logout((await client.login()).tokens.access_token)
    kept, running = clock() - timedelta(minutes=5), clock()
    await store.forget(denied_before=kept, expired_before=running)
    assert await pool.fetchval("SELECT count(*) FROM denied") == 1
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 1
    later = clock() + timedelta(days=40)
    await store.forget(denied_before=later, expired_before=later)
    assert await pool.fetchval("SELECT count(*) FROM denied") == 0
    assert await pool.fetchval("SELECT count(*) FROM refresh_tokens") == 0


async def test_readers_are_told_only_what_is_new() -> None:
    publication = Publication()
    first, second = denial(), denial()
    publication.take([KEY], [first], now=NOW)
    with publication.read() as reader:
        snapshot = await reader.next(timeout_s=5)
        assert (snapshot.snapshot, snapshot.keys, snapshot.denied) == (True, (KEY,), (first,))
        publication.take([KEY], [first, second], now=NOW)
        news = await reader.next(timeout_s=5)
        assert (news.snapshot, news.denied) == (False, (second,))
        publication.take([KEY], [first, second], now=NOW)
        assert (await reader.next(timeout_s=0)).denied == ()
    assert publication.readers == 0


async def test_changed_keys_start_readers_over() -> None:
    publication = Publication()
    publication.take([KEY], [], now=NOW)
    with publication.read() as reader:
        await reader.next(timeout_s=5)
        publication.take([], [denial()], now=NOW)
        news = await reader.next(timeout_s=5)
        assert (news.snapshot, news.keys, len(news.denied)) == (True, (), 1)


async def test_a_reader_that_does_not_read_is_started_over_instead_of_piling_up() -> None:
    publication = Publication()
    publication.take([KEY], [], now=NOW)
    with publication.read() as reader:
        await reader.next(timeout_s=5)
        for _ in range(UNREAD_LIMIT + 5):
            publication.take([KEY], [denial()], now=NOW)
            assert len(reader._unread) <= UNREAD_LIMIT
        news = await reader.next(timeout_s=5)
        assert (news.snapshot, len(news.denied)) == (True, UNREAD_LIMIT + 5)
        assert not (await reader.next(timeout_s=0)).snapshot


def test_denials_that_are_over_are_forgotten() -> None:
    publication = Publication()
    publication.take([KEY], [denial(minutes=1), denial(minutes=5)], now=NOW)
    publication.take([KEY], [], now=NOW + timedelta(minutes=2))
    assert len(publication._denied) == 1
