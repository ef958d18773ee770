"""A whole auth service on a real database, as many replicas as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

import pytest
from grpc import aio

from hub.auth.v1 import auth_pb2 as pb
from hub.auth.v1 import auth_pb2_grpc
from hub_auth import usecases, worker
from hub_auth.passwords import Passwords, common_passwords
from hub_auth.publication import Publication
from hub_auth.rpc import CALL_TABLE, AuthRpc
from hub_auth.store import CHANNEL, Store
from hub_auth.tokens import Issuer
from hub_identity import Trust
from hub_postgres import Pool, connect_pool, listen
from hub_rpc import Server, calling_as, connect
from hub_runtime import Address, utc_now
from tests.support.servers import Database
from tests.support.tls import Tls

SECRET = bytes(range(32))
PASSWORD = "a pony in the attic"


class Time:
    """Wall time, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


class Client:
    """The gateway's view of a replica."""

    def __init__(self, channel: aio.Channel) -> None:
        self.stub = auth_pb2_grpc.AuthServiceStub(channel)

    async def register(
        self, email: str = "ana@example.com", password: str = PASSWORD, name: str = "Ana"
    ) -> pb.User:
        answer = await self.stub.Register(pb.RegisterRequest(email=email, password=password, name=name))
        return answer.user

    async def login(self, email: str = "ana@example.com", password: str = PASSWORD) -> pb.LoginResponse:
        return await self.stub.Login(pb.LoginRequest(email=email, password=password))

    async def refresh(self, token: str) -> pb.Tokens:
        return (await self.stub.Refresh(pb.RefreshRequest(refresh_token=token))).tokens

    async def logout(self, access_token: str) -> None:
        with calling_as(access_token):
            await self.stub.Logout(pb.LogoutRequest())

    async def me(self, access_token: str) -> pb.User:
        with calling_as(access_token):
            return (await self.stub.GetMe(pb.GetMeRequest())).user


class Replica:
    """A running auth process and ways to talk to it."""

    def __init__(self, server: Server, publication: Publication, trust: Trust, tls: Tls) -> None:
        self.publication = publication
        self.trust = trust
        self._server = server
        self._tls = tls

    def channel(self, caller: str = "gateway") -> aio.Channel:
        return connect(f"127.0.0.1:{self._server.port}", self._tls.files(caller), "auth", timeout_s=20)


Start = Callable[[], Awaitable[Replica]]


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - what is awaited is a value, nobody tells
            await asyncio.sleep(0.01)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def auth_database(database: Callable[[str], Awaitable[Database]]) -> Database:
    return await database("hub_auth")


@pytest.fixture
async def pool(auth_database: Database) -> AsyncIterator[Pool]:
    login = auth_database.runtime
    async with await connect_pool(login.url, login.password, 5, "test") as made:
        yield made


@pytest.fixture
def store(pool: Pool) -> Store:
    return Store(pool)


@pytest.fixture(scope="session")
async def passwords() -> AsyncIterator[Passwords]:
    async with Passwords(threads=2) as made:
        yield made


@pytest.fixture
async def start(
    store: Store, auth_database: Database, passwords: Passwords, tls: Tls, clock: Time
) -> AsyncIterator[Start]:
    """`await start()`: one more replica."""
    async with AsyncExitStack() as stack:

        async def start_one() -> Replica:
            return await stack.enter_async_context(_replica(store, auth_database, passwords, tls, clock))

        yield start_one


@pytest.fixture
async def replica(start: Start) -> Replica:
    return await start()


@pytest.fixture
async def client(replica: Replica) -> AsyncIterator[Client]:
    async with replica.channel() as channel:
        yield Client(channel)


@asynccontextmanager
async def _replica(
    store: Store, database: Database, passwords: Passwords, tls: Tls, clock: Time
) -> AsyncIterator[Replica]:
    key = await usecases.signing_key(store=store, secret=SECRET, clock=clock)
    publication, trust = Publication(), Trust(clock)
    rpc = AuthRpc(
        store=store,
        passwords=passwords,
        common=common_passwords(),
        issuer=Issuer(key, lifetime=timedelta(minutes=10)),
        trust=trust,
        publication=publication,
        clock=clock,
        session_lifetime=timedelta(days=30),
    )
    register = partial(auth_pb2_grpc.add_AuthServiceServicer_to_server, rpc)
    login = database.runtime
    async with listen(login.url, login.password, CHANNEL) as wakeup, asyncio.TaskGroup() as group:
        jobs = [
            group.create_task(worker.follow_database(publication, store=store, wakeup=wakeup, clock=clock)),
            group.create_task(worker.follow_publication(publication, trust)),
        ]
        async with Server(
            Address("127.0.0.1", 0), tls.files("auth"), CALL_TABLE, [register], drain_s=0
        ) as server:
            await trust.loaded.wait()
            yield Replica(server, publication, trust, tls)
        for job in jobs:
            job.cancel()
