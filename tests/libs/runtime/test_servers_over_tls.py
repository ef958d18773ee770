"""Servers over TLS: whoever is told of an authority talks to no server that it has not certified."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from hub_events import Amqp
from hub_local.layout import server_account
from hub_local.ports import free_ports
from hub_postgres import Wakeup, holding_lock, pooled
from hub_runtime import AmqpSettings, DatabaseSettings, RedisSettings, SettingsError, load
from tests.support.jobs import eventually, running
from tests.support.servers import Login, Postgres, RabbitMQ, ServerRoom
from tests.support.tls import Tls

# The same address under a name that no certificate has.
ANOTHER_NAME = "127.1"


def install(folder: Path, tls: Tls, server: str) -> tuple[Path, Path]:
    """Certificate and key of a server, for the account that it runs as."""
    files, account, paths = tls.files(server), server_account(server), []
    for source in (files.cert, files.key):
        path = folder / f"tls{source.suffix}"
        path.write_bytes(source.read_bytes())
        path.chmod(0o600)
        if account is not None:
            os.chown(path, account.uid, account.gid)
        paths.append(path)
    return paths[0], paths[1]


def environment(name: str, login: Login, ca: Path) -> dict[str, str]:
    return {
        f"HUB_{name}_URL": login.url,
        f"HUB_{name}_PASSWORD_FILE": str(login.password_file),
        f"HUB_{name}_CA_FILE": str(ca),
    }


def renamed(login: Login) -> Login:
    return Login(login.url.replace("127.0.0.1", ANOTHER_NAME), login.password_file)


class TestPostgres:
    @pytest.fixture
    async def login(
        self, postgres_server: Postgres, server_room: ServerRoom, tls: Tls
    ) -> AsyncIterator[Login]:
        """The session's server with TLS switched on, and off again."""
        certificate, key = install(server_room.layout.data("postgres"), tls, "postgres")
        connection = await asyncpg.connect(postgres_server.superuser_dsn, timeout=10)

        async def switch(**settings: str) -> None:
            for name, value in settings.items():
                await connection.execute(f"ALTER SYSTEM SET {name} = {value}")
            await connection.execute("SELECT pg_reload_conf()")
            await eventually(lambda: told("ssl", settings["ssl"]))

        async def told(name: str, value: str) -> bool:
            return bool(await connection.fetchval(f"SHOW {name}") == value)

        try:
            await switch(ssl_cert_file=f"'{certificate}'", ssl_key_file=f"'{key}'", ssl="on")
            port = urlsplit(postgres_server.superuser_dsn).port
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            yield Login(url, server_room.layout.secrets / "postgres")
        finally:
            await switch(ssl="off")
            await connection.execute("ALTER SYSTEM RESET ALL")
            await connection.close(timeout=5)

    async def test_pool_lock_and_wake_up_talk_over_tls(self, login: Login, tls: Tls) -> None:
        settings = load(DatabaseSettings, environment("DATABASE", login, tls.ca))
        url, password = settings.database_url, settings.database_password
        wakeup = Wakeup(url, password, "told")
        async with (
            pooled(settings, application_name="over tls") as pool,
            holding_lock(url, password, "over tls"),
            running(wakeup.run()),
        ):
            await asyncio.wait_for(wakeup.event.wait(), 10)
            rows = await pool.fetch(
                "SELECT application_name, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                "WHERE application_name IN ('over tls', 'lock over tls', 'listen told')"
            )
        assert sorted(tuple(row) for row in rows) == [
            ("listen told", True),
            ("lock over tls", True),
            ("over tls", True),
        ]

    async def test_another_authority_is_refused(self, login: Login, foreign_tls: Tls) -> None:
        await self.refused(login, foreign_tls)

    async def test_another_name_is_refused(self, login: Login, tls: Tls) -> None:
        await self.refused(renamed(login), tls)

    async def test_a_server_without_tls_is_refused(
        self, postgres_server: Postgres, server_room: ServerRoom, tls: Tls
    ) -> None:
        port = urlsplit(postgres_server.superuser_dsn).port
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        login = Login(url, server_room.layout.secrets / "postgres")
        settings = load(DatabaseSettings, environment("DATABASE", login, tls.ca))
        with pytest.raises(ConnectionError, match="rejected SSL upgrade"):
            await asyncpg.connect(settings.database_url, password=settings.database_password, timeout=10)

    @staticmethod
    async def refused(login: Login, tls: Tls) -> None:
        settings = load(DatabaseSettings, environment("DATABASE", login, tls.ca))
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncpg.connect(settings.database_url, password=settings.database_password, timeout=10)


class TestRedis:
    @pytest.fixture
    async def login(
        self, redis: Login, server_room: ServerRoom, tls: Tls, tmp_path: Path
    ) -> AsyncIterator[Login]:
        """The session's server with a second port."""
        certificate, key = install(server_room.layout.data("redis"), tls, "redis")
        port = free_ports(1)[0]
        async with Redis.from_url(redis.dsn) as client:
            for name, value in {
                "tls-cert-file": certificate,
                "tls-key-file": key,
                "tls-ca-cert-file": certificate,
                "tls-auth-clients": "no",
                "tls-port": port,
            }.items():
                await client.config_set(name, str(value))
            yield Login(f"rediss://127.0.0.1:{port}/0", redis.password_file)
            await client.config_set("tls-port", 0)

    @staticmethod
    async def ping(login: Login, ca: Path) -> bool:
        settings = load(RedisSettings, environment("REDIS", login, ca))
        async with Redis.from_url(settings.redis_url, password=settings.redis_password) as client:
            return bool(await client.ping())

    async def test_it_talks_over_tls(self, login: Login, tls: Tls) -> None:
        assert await self.ping(login, tls.ca)

    async def test_another_authority_is_refused(self, login: Login, foreign_tls: Tls) -> None:
        with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await self.ping(login, foreign_tls.ca)

    async def test_another_name_is_refused(self, login: Login, tls: Tls) -> None:
        with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await self.ping(renamed(login), tls.ca)


class TestRabbitMQ:
    @pytest.fixture
    def login(self, rabbitmq_server: RabbitMQ) -> Login:
        return rabbitmq_server.over_tls

    @pytest.fixture
    def ca(self, server_room: ServerRoom) -> Path:
        return server_room.layout.certificates / "ca.pem"

    @staticmethod
    async def connect(login: Login, ca: Path) -> str:
        settings = load(AmqpSettings, environment("AMQP", login, ca))
        amqp = Amqp(settings.amqp_url, settings.amqp_password)
        async with amqp.link("test"):
            return amqp.state()

    async def test_it_talks_over_tls(self, login: Login, ca: Path) -> None:
        assert await self.connect(login, ca) == "ok"

    async def test_another_authority_is_refused(self, login: Login, foreign_tls: Tls) -> None:
        with pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await self.connect(login, foreign_tls.ca)

    async def test_another_name_is_refused(self, login: Login, ca: Path) -> None:
        with pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await self.connect(renamed(login), ca)


@pytest.mark.parametrize(
    ("kind", "name", "plain", "scheme"),
    [(AmqpSettings, "AMQP", "amqp://hub@x/", "amqps"), (RedisSettings, "REDIS", "redis://x:1/0", "rediss")],
)
def test_an_authority_for_a_server_without_tls_is_a_fault(
    kind: type[AmqpSettings | RedisSettings], name: str, plain: str, scheme: str, tls: Tls
) -> None:
    with pytest.raises(SettingsError, match=f"HUB_{name}_URL: must start with {scheme}://"):
        load(kind, environment(name, Login(plain, tls.ca), tls.ca))


def test_the_authority_s_path_may_have_any_characters(tmp_path: Path) -> None:
    ca = tmp_path / "a & b%.pem"
    ca.touch()
    login = Login("postgresql://x@db/x", ca)
    settings = load(DatabaseSettings, environment("DATABASE", login, ca))
    assert settings.database_url.endswith(
        "?sslmode=verify-full&sslrootcert=" + str(tmp_path) + "/a%20%26%20b%25.pem"
    )
