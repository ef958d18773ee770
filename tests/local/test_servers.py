"""The servers of the tests and of the local stack: private, with passwords, and databases with few rights."""

from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from hub_local import servers
from hub_local.layout import Layout
from hub_local.ports import Ports
from tests.support.servers import Database, Login, RabbitMQ


async def test_the_owner_creates_and_the_service_reads_and_writes(empty_database: Database) -> None:
    owner = await asyncpg.connect(empty_database.owner.dsn)
    await owner.execute("CREATE TABLE thing (id bigint GENERATED ALWAYS AS IDENTITY, name text)")
    await owner.close()
    service = await asyncpg.connect(empty_database.dsn)
    await service.execute("INSERT INTO thing (name) VALUES ('a')")
    assert await service.fetchval("UPDATE thing SET name = 'b' RETURNING id") == 1
    await service.execute("DELETE FROM thing")
    for forbidden in ("CREATE TABLE other (id int)", "DROP TABLE thing", "TRUNCATE thing"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(forbidden)
    await service.close()


async def test_a_service_cannot_enter_another_database(empty_database: Database) -> None:
    elsewhere = empty_database.dsn.removesuffix(empty_database.name) + "postgres"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(elsewhere)


@pytest.mark.parametrize(("roomy", "memory", "log"), [(True, "512MB", "4GB"), (False, "128MB", "1GB")])
async def test_a_stack_to_work_with_has_room_and_a_test_takes_little(
    roomy: bool, memory: str, log: str, tmp_path: Path
) -> None:
    layout = Layout(tmp_path)
    layout.data("postgres").mkdir(parents=True)
    (layout.data("postgres") / "PG_VERSION").touch()
    program = await servers.postgres(layout, Ports.probe(()), servers.Binaries.find(), roomy=roomy)
    assert {f"shared_buffers={memory}", f"max_wal_size={log}"} <= set(program.command)


async def test_redis_wants_the_password(redis: Login) -> None:
    async with Redis.from_url(redis.url) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.ping()
    async with Redis.from_url(redis.dsn) as client:
        assert await client.ping()


async def test_every_test_has_its_own_virtual_host(rabbitmq_server: RabbitMQ, amqp_vhost: Login) -> None:
    other = await rabbitmq_server.create_vhost()
    assert other.url != amqp_vhost.url
    async with rabbitmq_server.management() as http:
        names = {row["name"] for row in (await http.get("/vhosts")).json()}
    assert {url.rpartition("/")[2] for url in (other.url, amqp_vhost.url)} <= names
    await rabbitmq_server.delete_vhost(other)
