"""Real servers for tests: started when first asked for, on free ports, with data that is thrown away."""

import asyncio
import itertools
import os
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx

from hub_local import certificates, servers
from hub_local.credentials import secret
from hub_local.layout import SERVICES, Layout, Service, environment, server_account
from hub_local.ports import HOST, Ports, free_ports
from hub_local.processes import Program, run_once
from hub_local.provision import close_to_strangers, create_database, create_roles, grant
from hub_local.report import last_lines
from hub_local.supervisor import Child

MIGRATE_LIMIT = 60.0


def with_password(url: str, password: str) -> str:
    """user@host -> user:password@host."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username or ''}:{password}@{parts.hostname}:{parts.port}").geturl()


@dataclass(frozen=True)
class Login:
    """One role of one server: what a process's settings say, and the address with the password in it."""

    url: str
    password_file: Path

    @property
    def password(self) -> str:
        return secret(self.password_file)

    @property
    def dsn(self) -> str:
        return with_password(self.url, self.password)


@dataclass(frozen=True)
class Database:
    """A service's database: its own role, the owner who migrates, the superuser who looks from outside."""

    name: str
    runtime: Login
    owner: Login
    superuser: Login

    @property
    def dsn(self) -> str:
        """The service's own role, password included."""
        return self.runtime.dsn


class ServerRoom:
    """The servers of one test session."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder)
        self.ports = Ports.probe(tuple(SERVICES))
        self.layout.make()
        # Migrations read the whole settings of their service.
        certificates.ensure(self.layout.certificates, tuple(SERVICES))
        secret(self.layout.secrets / "signing")
        secret(self.layout.secrets / "amqp")
        secret(self.layout.secrets / "redis")
        self._binaries = servers.Binaries.find()
        self._children: list[Child] = []

    async def start_postgres(self, *, durable: bool = False) -> "Postgres":
        self._start(await servers.postgres(self.layout, self.ports, self._binaries, durable=durable))
        await self._until(lambda: servers.postgres_ready(self.layout, self.ports))
        return Postgres(self.layout, self.ports)

    async def start_redis(self) -> Login:
        self._start(servers.redis(self.layout, self.ports, self._binaries))
        await self._until(lambda: servers.redis_ready(self.layout, self.ports))
        return Login(f"redis://{HOST}:{self.ports.redis}/0", self.layout.secrets / "redis")

    async def start_rabbitmq(self) -> "RabbitMQ":
        self._start(servers.epmd(self.layout, self.ports, self._binaries))
        await self._until(lambda: servers.epmd_ready(self.ports))
        port = free_ports(1)[0]
        settings = self._amqps(port)
        self._start(
            servers.rabbitmq(self.layout, self.ports, self._binaries, management=True, settings=settings)
        )
        await self._until(lambda: servers.rabbitmq_ready(self.ports))
        broker = RabbitMQ(
            Login(f"amqp://hub@{HOST}:{self.ports.amqp}/", self.layout.secrets / "amqp"),
            f"http://{HOST}:{self.ports.amqp_management}/api",
            Login(f"amqps://hub@{HOST}:{port}/", self.layout.secrets / "amqp"),
        )
        await self._until(broker.managed)
        return broker

    def _amqps(self, port: int) -> list[str]:
        """A second way in, with a certificate of the authority in the room's folder."""
        folder, account = self.layout.certificates, server_account("rabbitmq")
        files = certificates.Authority.load(folder).issue("rabbitmq", folder)
        if account is not None:
            os.chown(files[1], account.uid, account.gid)
        return [
            f"listeners.ssl.1 = {HOST}:{port}",
            f"ssl_options.certfile = {files[0]}",
            f"ssl_options.keyfile = {files[1]}",
            "ssl_options.verify = verify_none",
        ]

    async def stop(self) -> None:
        """Their data is thrown away, so nobody is asked twice."""
        for child in reversed(self._children):
            await child.stop(limit=0.2)

    def _start(self, program: Program) -> None:
        child = Child(program, on_death=lambda *_: None)
        self._children.append(child)
        child.start()

    @staticmethod
    async def _until(ready: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while not await ready():  # noqa: ASYNC110 - another process, it sends no event
                await asyncio.sleep(0.05)


class Postgres:
    """A PostgreSQL server, and databases made from a migrated template per service."""

    def __init__(self, layout: Layout, ports: Ports) -> None:
        self._layout = layout
        self._ports = ports
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}
        self._making = asyncio.Lock()

    @property
    def superuser_dsn(self) -> str:
        return servers.superuser_dsn(self._layout, self._ports)

    async def create(self, package: str, *, migrated: bool = True) -> Database:
        """A new database as the service's migrations leave it (or empty), with the service's two roles."""
        async with self._making:
            if package not in self._templates:
                self._templates[package] = await self._template(package, migrated=migrated)
        name = f"{package}_{next(self._numbers)}"
        await self._copy(package, name, template=self._templates[package])
        return self._database(package, name)

    async def drop(self, database: Database) -> None:
        connection = await asyncpg.connect(self.superuser_dsn, timeout=10)
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)", timeout=30)
        finally:
            await connection.close(timeout=5)

    async def _copy(self, package: str, name: str, *, template: str) -> None:
        connection = await asyncpg.connect(self.superuser_dsn, timeout=10)
        try:
            await close_to_strangers(connection)
            await create_roles(connection, package, self._layout.secrets)
            await create_database(connection, name, owner=f"{package}_owner", user=package, template=template)
        finally:
            await connection.close(timeout=5)

    async def _template(self, package: str, *, migrated: bool) -> str:
        name = f"{package}_template"
        await self._copy(package, name, template="template0")
        await grant(servers.superuser_dsn(self._layout, self._ports, name), package=package)
        if migrated:
            await self._migrate(package, name)
        return name

    async def _migrate(self, package: str, name: str) -> None:
        service = next(service for service in SERVICES.values() if service.package == package)
        program = Program(
            name=f"migrate-{name}",
            command=(sys.executable, "-m", package, "migrate"),
            environment=self._migration_environment(service, name),
            directory=self._layout.state,
            log=self._layout.log(f"migrate-{name}"),
        )
        if await run_once(program, limit=MIGRATE_LIMIT) != 0:
            raise RuntimeError(
                f"the migrations of {package} failed\n{last_lines(self._layout.log(program.name), 30)}"
            )

    def _migration_environment(self, service: Service, name: str) -> Mapping[str, str]:
        overrides = {"HUB_DATABASE_URL": self._url(f"{service.package}_owner", name)}
        return environment(service, layout=self._layout, ports=self._ports, migrate=True, overrides=overrides)

    def _database(self, package: str, name: str) -> Database:
        return Database(
            name=name,
            runtime=self._login(package, name),
            owner=self._login(f"{package}_owner", name),
            superuser=self._login("postgres", name),
        )

    def _login(self, role: str, name: str) -> Login:
        return Login(self._url(role, name), self._layout.secrets / role)

    def _url(self, role: str, name: str) -> str:
        return f"postgresql://{role}@{HOST}:{self._ports.postgres}/{name}"


@dataclass(frozen=True)
class RabbitMQ:
    """A broker; every test gets a virtual host of its own."""

    login: Login
    management_url: str
    over_tls: Login

    async def managed(self) -> bool:
        """Whether the management interface answers."""
        try:
            async with self.management() as http:
                return (await http.get("/overview")).status_code == 200
        except httpx.HTTPError:
            return False

    def management(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.management_url, auth=("hub", self.login.password), timeout=10, trust_env=False
        )

    async def create_vhost(self) -> Login:
        name = f"test-{uuid.uuid4().hex[:12]}"
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        async with self.management() as http:
            (await http.put(f"/vhosts/{name}")).raise_for_status()
            (await http.put(f"/permissions/{name}/hub", json=everything)).raise_for_status()
        return Login(f"{self.login.url}{name}", self.login.password_file)

    async def delete_vhost(self, login: Login) -> None:
        async with self.management() as http:
            await http.delete(f"/vhosts/{urlsplit(login.url).path.strip('/')}")
