"""Fixtures for all tests: servers, databases, certificates. A server starts when first asked for."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from hub_local import ports
from hub_local.certificates import Authority
from hub_local.ports import free_ports
from tests.support.folders import server_folder
from tests.support.servers import Database, Login, Postgres, RabbitMQ, ServerRoom
from tests.support.tls import Tls

# Tests fork to start programs. gRPC would restart its threads in the child, on descriptors that are being
# closed there, and abort it before it becomes the program. It reads this when its library starts, later.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

# A run in the background of a shell has interrupts ignored, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Workers that look for free ports at the same time must not find the same ones.
if _worker := os.environ.get("PYTEST_XDIST_WORKER", ""):
    ports.PROBED = ports.PROBED[
        int(_worker.removeprefix("gw")) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left alone with it at the end."""
    system = Path(__file__).parent / "system"
    items.sort(key=lambda item: not item.path.is_relative_to(system))


@pytest.fixture(scope="session")
def folder_for_servers() -> Iterator[Path]:
    """A folder that the servers' users can enter, deleted at the end."""
    with server_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
async def server_room(folder_for_servers: Path) -> AsyncIterator[ServerRoom]:
    """Starts servers for the session; use `postgres_server`, `rabbitmq_server`, `redis_server`."""
    room = ServerRoom(folder_for_servers / "servers")
    yield room
    await room.stop()


@pytest.fixture(scope="session")
async def postgres_server(server_room: ServerRoom) -> Postgres:
    """PostgreSQL; most tests want `database` or `empty_database`."""
    return await server_room.start_postgres()


@pytest.fixture(scope="session")
async def rabbitmq_server(server_room: ServerRoom) -> RabbitMQ:
    """RabbitMQ with its management interface; most tests want `amqp_vhost`."""
    return await server_room.start_rabbitmq()


@pytest.fixture(scope="session")
async def redis_server(server_room: ServerRoom) -> Login:
    """Redis; most tests want `redis`, which is empty."""
    return await server_room.start_redis()


@pytest.fixture
async def database(postgres_server: Postgres) -> AsyncIterator[Callable[[str], Awaitable[Database]]]:
    """`await database("hub_order")`: a new database as the service's migrations leave it."""
    async with contextlib.AsyncExitStack() as made:

        async def make(package: str) -> Database:
            new = await postgres_server.create(package)
            made.push_async_callback(postgres_server.drop, new)
            return new

        yield make


@pytest.fixture
async def empty_database(postgres_server: Postgres) -> AsyncIterator[Database]:
    """A new database without tables, with the usual two roles (hub_scratch and hub_scratch_owner)."""
    new = await postgres_server.create("hub_scratch", migrated=False)
    yield new
    await postgres_server.drop(new)


@pytest.fixture
async def amqp_vhost(rabbitmq_server: RabbitMQ) -> AsyncIterator[Login]:
    """A virtual host of the test's own: `.url` and `.password_file` as in settings, `.dsn` whole."""
    login = await rabbitmq_server.create_vhost()
    yield login
    await rabbitmq_server.delete_vhost(login)


@pytest.fixture
async def redis(redis_server: Login) -> Login:
    """An empty Redis: `.url` and `.password_file` as in settings, `.dsn` whole."""
    async with Redis.from_url(redis_server.dsn) as client:
        await client.flushall()
    return redis_server


@pytest.fixture
def redis_url(redis: Login) -> str:
    """The address of an empty Redis, password included."""
    return redis.dsn


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Certificates that every peer of the test trusts: `tls.files("order")`."""
    return Tls.create(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def foreign_tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Certificates of an authority nobody trusts."""
    return Tls.create(tmp_path_factory.mktemp("foreign-tls"), "Foreign authority")


@pytest.fixture(scope="session")
def foreign_authority(foreign_tls: Tls) -> Authority:
    """The authority nobody trusts."""
    return foreign_tls.authority


@pytest.fixture
def free_port() -> Callable[[], int]:
    """`free_port()`: a port nobody listens on."""
    return lambda: free_ports(1)[0]
