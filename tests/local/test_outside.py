"""Servers that somebody else runs: used as they are, by a role of few rights, never started or stopped."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from hub_local.credentials import secret
from hub_local.faults import StartError
from hub_local.layout import SERVICES as PLATFORM
from hub_local.layout import Layout, environment
from hub_local.outside import Outside
from hub_local.ports import Ports
from hub_local.stack import Stack
from tests.local.dummies.table import SERVICES, stack_of_dummies
from tests.support.servers import Login, Postgres, RabbitMQ, with_password

PASSWORD = "p@ss/w:rd %"
URLS = {
    "HUB_LOCAL_POSTGRES_URL": "postgresql://keeper:se%2Fcret@db.example:5433/",
    "HUB_LOCAL_AMQP_URL": "amqps://user:se%2Fcret@mq.example:5671/hub",
    "HUB_LOCAL_REDIS_URL": "redis://:se%2Fcret@[::1]:6380/3",
}


@pytest.fixture
async def keeper(postgres_server: Postgres) -> AsyncIterator[str]:
    """A role that may make databases and roles, and nothing else."""
    connection = await asyncpg.connect(postgres_server.superuser_dsn)
    await connection.execute(f"CREATE ROLE keeper LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'")
    await connection.execute("GRANT CONNECT ON DATABASE postgres TO keeper")
    base = postgres_server.superuser_dsn.rpartition("@")[2].partition("/")[0]
    yield f"postgresql://keeper:{quote(PASSWORD, safe='')}@{base}/"
    await connection.execute("DROP DATABASE IF EXISTS hub_ledger WITH (FORCE)")
    await connection.execute("REVOKE ALL ON DATABASE postgres FROM keeper")
    for role in ("hub_ledger", "hub_ledger_owner", "keeper"):
        await connection.execute(f"DROP ROLE IF EXISTS {role}")
    await connection.close()


@pytest.fixture
async def stack(
    keeper: str, amqp_vhost: Login, redis: Login, folder_for_servers: Path
) -> AsyncIterator[Stack]:
    """Not started; all three servers are given."""
    given = Outside(postgres=keeper, amqp=amqp_vhost.dsn, redis=redis.dsn)
    made = stack_of_dummies(folder_for_servers / "outside", outside=given)
    yield made
    await made.stop()


async def test_a_stack_comes_up_on_given_servers_again_and_again(stack: Stack) -> None:
    for _ in range(2):
        await stack.start()
        assert set(stack.children) == set(SERVICES)
        await stack.stop()
        stack.children.clear()
    connection = await asyncpg.connect(stack.outside.database("hub_ledger"))
    assert await connection.fetchval("SELECT count(*) FROM run") == 2
    assert await connection.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'run'") == (
        "hub_ledger_owner"
    )
    await connection.close()


async def test_the_services_role_has_its_own_password_and_few_rights(stack: Stack) -> None:
    await stack.start()
    told = stack.environment("ledger")
    password = secret(Path(told["HUB_DATABASE_PASSWORD_FILE"]))
    service = await asyncpg.connect(with_password(told["HUB_DATABASE_URL"], password))
    await service.execute("INSERT INTO run DEFAULT VALUES")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("CREATE TABLE other (id int)")
    await service.close()


async def test_other_databases_of_the_server_are_left_alone(stack: Stack, postgres_server: Postgres) -> None:
    connection = await asyncpg.connect(postgres_server.superuser_dsn)
    rights = "SELECT datname, datacl::text FROM pg_database WHERE datname IN ('postgres', 'template1')"
    await connection.execute("GRANT CONNECT ON DATABASE template1 TO PUBLIC")
    before = await connection.fetch(rights)
    await stack.start()
    assert await connection.fetch(rights) == before
    await connection.execute("REVOKE CONNECT ON DATABASE template1 FROM PUBLIC")
    await connection.close()


def test_a_service_is_told_of_given_servers_without_the_passwords_in_the_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in URLS.items():
        monkeypatch.setenv(name, value)
    layout, ports = Layout(tmp_path), Ports.local(tuple(PLATFORM))
    layout.make()
    outside = Outside.from_environment(URLS)
    outside.write_passwords(layout.secrets)
    order, gateway = (
        environment(PLATFORM[name], layout=layout, ports=ports, outside=outside)
        for name in ("order", "gateway")
    )
    assert order["HUB_DATABASE_URL"] == "postgresql://hub_order@db.example:5433/hub_order"
    assert order["HUB_AMQP_URL"] == "amqps://user@mq.example:5671/hub"
    assert secret(Path(order["HUB_AMQP_PASSWORD_FILE"])) == "se/cret"
    assert gateway["HUB_REDIS_URL"] == "redis://[::1]:6380/3"
    assert secret(Path(gateway["HUB_REDIS_PASSWORD_FILE"])) == "se/cret"
    assert "se%2Fcret" not in f"{order}{gateway}"
    assert "HUB_REDIS_URL" not in order
    assert "HUB_AMQP_URL" not in gateway


def test_each_may_be_given_alone(tmp_path: Path) -> None:
    layout, ports = Layout(tmp_path), Ports.local(tuple(PLATFORM))
    outside = Outside.from_environment({"HUB_LOCAL_AMQP_URL": URLS["HUB_LOCAL_AMQP_URL"]})
    found = environment(PLATFORM["order"], layout=layout, ports=ports, outside=outside)
    assert found["HUB_AMQP_URL"] == "amqps://user@mq.example:5671/hub"
    assert found["HUB_DATABASE_URL"] == f"postgresql://hub_order@127.0.0.1:{ports.postgres}/hub_order"
    assert set(outside.programs()) == {"rabbitmq", "rabbitmq distribution", "epmd"}


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("HUB_LOCAL_POSTGRES_URL", "postgresql:///hub"),
        ("HUB_LOCAL_POSTGRES_URL", "redis://127.0.0.1/"),
        ("HUB_LOCAL_POSTGRES_URL", "postgresql://127.0.0.1:99999/"),
        ("HUB_LOCAL_AMQP_URL", "127.0.0.1:5672"),
        ("HUB_LOCAL_REDIS_URL", "redis://[::1/"),
    ],
)
def test_what_is_no_address_of_such_a_server_is_refused(variable: str, url: str) -> None:
    with pytest.raises(StartError, match=rf"^{variable}: must be like \w+://user:password@host:port/$"):
        Outside.from_environment({variable: url})


@pytest.mark.parametrize("variable", URLS)
async def test_a_server_that_is_not_there_is_named(variable: str, unused: str) -> None:
    scheme = URLS[variable].partition("s://" if "amqps" in URLS[variable] else "://")[0]
    outside = Outside.from_environment({variable: f"{scheme}://somebody:sesame@{unused}/"})
    with pytest.raises(StartError, match=rf"^{variable}: \w+ at {unused} cannot be used: ") as error:
        await outside.check()
    assert "sesame" not in str(error.value)


@pytest.fixture
def unused(free_port: Callable[[], int]) -> str:
    """Where nobody listens."""
    return f"127.0.0.1:{free_port()}"


async def test_a_wrong_password_is_told_apart(
    postgres_server: Postgres, rabbitmq_server: RabbitMQ, redis: Login
) -> None:
    whole = {
        "HUB_LOCAL_POSTGRES_URL": postgres_server.superuser_dsn,
        "HUB_LOCAL_AMQP_URL": rabbitmq_server.login.dsn,
        "HUB_LOCAL_REDIS_URL": redis.dsn,
    }
    for variable, url in whole.items():
        await Outside.from_environment({variable: url}).check()
        wrong = with_password(url, "wrong")
        place = url.rpartition("@")[2].partition("/")[0]
        with pytest.raises(StartError, match=rf"^{variable}: {place} refuses the login: "):
            await Outside.from_environment({variable: wrong}).check()


async def test_a_virtual_host_that_is_not_there_is_told(rabbitmq_server: RabbitMQ) -> None:
    with pytest.raises(
        StartError, match=r"^HUB_LOCAL_AMQP_URL: \S+ has no virtual host nowhere for this login"
    ):
        await Outside(amqp=f"{rabbitmq_server.login.dsn}nowhere").check()


async def test_a_role_that_may_not_make_databases_is_told_what_it_needs(
    postgres_server: Postgres, keeper: str
) -> None:
    connection = await asyncpg.connect(postgres_server.superuser_dsn)
    await connection.execute("ALTER ROLE keeper NOCREATEDB")
    await connection.close()
    with pytest.raises(
        StartError, match="keeper may not make databases and roles; ALTER ROLE keeper CREATEDB"
    ):
        await Outside(postgres=keeper + "postgres").check()
