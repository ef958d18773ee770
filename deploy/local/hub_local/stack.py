"""The whole platform on this machine, from nothing to ready and back.

Used by `make run` with its fixed ports and by the tests with ports and a folder of their own.
"""

import asyncio
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

import asyncpg

from hub_local import certificates, probe, servers
from hub_local.credentials import secret
from hub_local.faults import StartError
from hub_local.holding import hold
from hub_local.layout import OWN_SERVERS, REPLAY, SERVICES, Layout, Service, environment
from hub_local.outside import POSTGRES, Outside, place
from hub_local.ports import HOST, Ports, holder, is_free
from hub_local.processes import Program, end_leftovers, run_once
from hub_local.provision import provision
from hub_local.report import last_lines
from hub_local.supervisor import Child, State, stop_in_order

SERVER_LIMIT = 90.0
MIGRATE_LIMIT = 120.0
READY_LIMIT = 120.0
STOP_LIMIT = 9.0
SERVERS = ("postgres", "redis", "rabbitmq")
# A process that dies so often before it was ready once is not going to be.
HOPELESS = 4


def _silent(_name: str, _text: str) -> None:
    return


class Stack:
    """One private platform. `start`, use, `stop`; a process that dies in between is started again."""

    def __init__(
        self,
        *,
        state: Path,
        ports: Ports,
        services: Mapping[str, Service] = SERVICES,
        overrides: Mapping[str, str] | None = None,
        on_event: Callable[[str, str], None] = _silent,
        outside: Outside = OWN_SERVERS,
        feed: str = REPLAY,
        roomy: bool = False,
    ) -> None:
        self.layout = Layout(state, feed)
        self.ports = ports
        self.services = dict(services)
        self.outside = outside
        self._given = frozenset(outside.programs())
        self.children: dict[str, Child] = {}
        # What is being waited for, and why: shown as progress and told when the time is up.
        self.waiting: dict[str, str] = {}
        self._overrides = dict(overrides or {})
        self._on_event = on_event
        self._roomy = roomy
        self._lock: IO[str] | None = None

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self.ports.http}"

    def environment(self, name: str) -> dict[str, str]:
        """The environment a service's process gets."""
        return self._environment(self.services[name])

    def administration_dsn(self, database: str = "") -> str:
        """The login that makes databases; without a name, to the database it starts in."""
        if not self.outside.postgres:
            return servers.superuser_dsn(self.layout, self.ports, database or "postgres")
        return self.outside.database(database) if database else self.outside.administration()

    def places(self) -> dict[str, str]:
        """Where each server answers, for people."""
        own = {"postgres": self.ports.postgres, "redis": self.ports.redis, "rabbitmq": self.ports.amqp}
        given = {
            "postgres": self.outside.postgres,
            "redis": self.outside.redis,
            "rabbitmq": self.outside.amqp,
        }
        return {name: f"at {place(url)}" if (url := given[name]) else str(own[name]) for name in own}

    def pid(self, name: str) -> int | None:
        return self.children[name].pid

    async def start(self) -> None:
        """From nothing to every process ready."""
        await self.prepare()
        await self.start_servers()
        await self.wait_servers("postgres", "redis")
        await self.make_databases()
        # RabbitMQ is still starting; the services keep trying.
        self.start_services()
        await self.wait_ready()

    async def prepare(self, *, wanted: Mapping[str, int] | None = None) -> int:
        """Takes the state directory, ends what a killed supervisor left, sees that the ports are free."""
        self.layout.make()
        self._lock = hold(self.layout)
        self.layout.processes.unlink(missing_ok=True)
        ended = await end_leftovers(self.layout.state)
        for name, port in (self.ports.named() if wanted is None else wanted).items():
            if name not in self._given and not is_free(port):
                hint = (
                    "GATEWAY_PORT=8081"
                    if port == self.ports.http
                    else "PORT_SHIFT=100 (all but the gateway's)"
                )
                by = holder(port) or "another user's program"
                raise StartError(f"port {port} ({name}) is taken by {by}; others: make run {hint}")
        certificates.ensure(self.layout.certificates, tuple(self.services))
        for name in ("postgres", "redis", "amqp", "signing"):
            secret(self.layout.secrets / name)
        secret(self.layout.admin_password)
        self.outside.write_passwords(self.layout.secrets)
        return ended

    async def start_servers(self, wanted: Collection[str] = SERVERS) -> None:
        """Starts PostgreSQL, Redis and RabbitMQ together; of those that are given, sees that they answer."""
        await self.outside.only(*("amqp" if name == "rabbitmq" else name for name in wanted)).check()
        own = [name for name in wanted if name not in self._given]
        binaries = servers.Binaries.find()
        if "rabbitmq" in own:
            self._add(servers.epmd(self.layout, self.ports, binaries))
        if "redis" in own:
            self._add(servers.redis(self.layout, self.ports, binaries))
        if "rabbitmq" in own:
            await self.wait_servers("epmd")
            self._add(servers.rabbitmq(self.layout, self.ports, binaries))
        if "postgres" in own:
            self._add(await servers.postgres(self.layout, self.ports, binaries, roomy=self._roomy))

    async def wait_servers(self, *names: str) -> None:
        """Until each of them that is ours answers in its own protocol."""
        own = [name for name in names if name not in self._given]
        await self._wait(own, self._not_ready, limit=SERVER_LIMIT)

    async def make_databases(self, ending: str = "") -> None:
        """Roles, databases, and every service's migrations (and seeds), these at once. With an `ending` of
        their names, databases beside those that are in use."""
        ours = not self.outside.postgres
        try:
            await provision(
                self.services.values(),
                secrets=self.layout.secrets,
                dsn=self.administration_dsn,
                ours=ours,
                ending=ending,
            )
        except asyncpg.InsufficientPrivilegeError as error:
            if ours:
                raise
            raise StartError(f"{POSTGRES}: this role may not make the databases: {error}") from error
        await self.migrate(ending)

    async def migrate(self, ending: str = "") -> None:
        """Every service's migrations and seeds, all at once."""
        owners = [service for service in self.services.values() if service.database]
        codes = await asyncio.gather(*(self._migrate(service, ending) for service in owners))
        for service, code in zip(owners, codes, strict=True):
            if code != 0:
                log = self.layout.log(f"migrate-{service.name}")
                raise StartError(
                    f"the migrations of {service.name} failed (exit code {code})\n{last_lines(log)}"
                )

    def start_services(self) -> None:
        """Starts them all; they may come up in any order."""
        for service in self.services.values():
            self._add(self._program(service))

    async def wait_ready(self, *, limit: float = READY_LIMIT) -> None:
        """Until every server answers and every service says that it is ready."""
        await self._wait(tuple(self.children), self._not_ready, limit=limit)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Signals the process as if from outside; answers its pid, for `wait_replaced`."""
        child = self.children[name]
        if child.pid is None:
            raise LookupError(f"{name} is not running")
        pid = child.pid
        child.kill(number)
        return pid

    async def wait_replaced(self, name: str, pid: int, *, limit: float = SERVER_LIMIT) -> None:
        """Until another process than `pid` runs under the name and is ready."""

        async def reason(_: str) -> str | None:
            replaced = self.pid(name) not in (None, pid)
            return await self._not_ready(name) if replaced else "not started again"

        await self._wait([name], reason, limit=limit)

    def kill_all(self) -> None:
        """No more patience: everything ends now."""
        for child in self.children.values():
            child.begin_stop()
            child.kill()

    async def stop(self, *, limit: float = STOP_LIMIT) -> None:
        """Stops everything in order (gateway, services, servers) and leaves no process."""
        if self._lock is None:
            return
        named = {"gateway", "epmd", "postgres", "redis", "rabbitmq"}
        order: list[tuple[float, list[str]]] = [
            (1.0, ["gateway"]),
            (2.0, [name for name in self.children if name not in named]),
            (3.5, ["rabbitmq", "redis", "postgres"]),
            (0.3, ["epmd"]),
        ]
        groups = [
            (seconds, [self.children[name] for name in names if name in self.children])
            for seconds, names in order
        ]
        await stop_in_order(groups, limit=limit)
        await end_leftovers(self.layout.state, patience=0.3)
        self.layout.processes.unlink(missing_ok=True)
        self._lock.close()
        self._lock = None

    def snapshot(self) -> None:
        """Writes what runs, for `status` from another terminal."""
        rows = [
            {
                "name": name,
                "pid": child.pid,
                "state": child.state,
                "deaths": child.deaths,
                "admin": self.ports.admin.get(name),
            }
            for name, child in self.children.items()
        ]
        fresh = self.layout.processes.with_suffix(".new")
        noted = {
            "gateway": self.gateway_url,
            "processes": rows,
            "ports": dataclasses.asdict(self.ports),
            "outside": dataclasses.asdict(self.outside.without_passwords()),
        }
        fresh.write_text(json.dumps(noted))
        fresh.rename(self.layout.processes)

    def _environment(self, service: Service, *, migrate: bool = False, ending: str = "") -> dict[str, str]:
        return environment(
            service,
            layout=self.layout,
            ports=self.ports,
            migrate=migrate,
            ending=ending,
            overrides=self._overrides,
            outside=self.outside,
        )

    def _program(self, service: Service, *, migrate: bool = False, ending: str = "") -> Program:
        jobs = ("migrate",) if migrate else ()
        name = f"migrate-{service.name}" if migrate else service.name
        return Program(
            name=name,
            command=(sys.executable, "-m", service.package, *jobs),
            environment=self._environment(service, migrate=migrate, ending=ending),
            directory=self.layout.state,
            log=self.layout.log(name),
        )

    async def _migrate(self, service: Service, ending: str) -> int:
        self.waiting[service.name] = "migrating"
        program = self._program(service, migrate=True, ending=ending)
        self.layout.log(program.name).unlink(missing_ok=True)
        try:
            return await run_once(program, limit=MIGRATE_LIMIT)
        except TimeoutError:
            return -int(signal.SIGKILL)
        finally:
            del self.waiting[service.name]

    def _add(self, program: Program) -> None:
        child = Child(program, on_death=self._died)
        self.children[program.name] = child
        child.start()

    def _died(self, name: str, code: int, delay: float) -> None:
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        self._on_event(name, f"ended ({how}), starting again in {delay:.1f} s")

    async def _not_ready(self, name: str) -> str | None:
        if self.children[name].state is not State.RUNNING:
            return str(self.children[name].state)
        if name in self.services:
            return await probe.not_ready(self.ports.admin[name])
        checks: dict[str, Callable[[], Awaitable[bool]]] = {
            "epmd": lambda: servers.epmd_ready(self.ports),
            "postgres": lambda: servers.postgres_ready(self.layout, self.ports),
            "redis": lambda: servers.redis_ready(self.layout, self.ports),
            "rabbitmq": lambda: servers.rabbitmq_ready(self.ports),
        }
        return None if await checks[name]() else "no answer"

    async def _wait(
        self, names: Sequence[str], reason: Callable[[str], Awaitable[str | None]], *, limit: float
    ) -> None:
        before = {name: self.children[name].deaths for name in names}
        deadline = time.monotonic() + limit
        self.waiting.update(dict.fromkeys(names, "starting"))
        try:
            while pending := [name for name in names if name in self.waiting]:
                for name, why in zip(pending, await asyncio.gather(*map(reason, pending)), strict=True):
                    if why is None:
                        del self.waiting[name]
                        continue
                    self.waiting[name] = why
                    if self.children[name].deaths - before[name] >= HOPELESS or time.monotonic() > deadline:
                        log = self.layout.log(name)
                        raise StartError(f"{name} does not become ready ({why})\n{last_lines(log)}")
                await asyncio.sleep(0.1)
        finally:
            for name in names:
                self.waiting.pop(name, None)
