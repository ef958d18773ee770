"""The databases of the local stack: migrate, seed, make anew, look inside. What runs is used as it is."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Iterator

import asyncpg

from hub_local import account, probe
from hub_local.commands import as_it_runs, noted
from hub_local.credentials import secret
from hub_local.faults import StackError
from hub_local.holding import running_pid
from hub_local.layout import Service, database_url
from hub_local.outside import POSTGRES
from hub_local.report import Report
from hub_local.servers import Binaries
from hub_local.stack import Stack

PATIENCE = 60.0
SEEDED = ("auth", "market-data")
AUDITED = "order"
CONFIRMATION = "yes"
# What db-reset's databases are called while there are two of each.
ANEW, OLD = "_anew", "_old"


async def migrate(stack: Stack, *, report: Report) -> int:
    """Makes the databases that are missing and brings all up to date."""
    async with _server(stack, report):
        await stack.make_databases()
        _tell_migrations(stack, report, _owners(stack))
    return 0


async def seed(stack: Stack, *, report: Report) -> int:
    """What the services start with (instruments, the administrator); a demo login if the gateway runs."""
    async with _server(stack, report):
        owners = [service for service in _owners(stack) if service.name in SEEDED]
        await stack.make_databases()
        _tell_migrations(stack, report, owners, done="seeded")
        if await probe.not_ready(stack.ports.admin["gateway"]) is None:
            login = await account.ensure_demo_login(stack.gateway_url, stack.layout.secrets)
            report.say(f"  demo login: {login}")
    return 0


def confirm(stack: Stack, *, report: Report) -> bool:
    """Asks on the terminal; raises StackError where there is nothing to ask, because it would be refused."""
    _refuse_where_it_hurts(stack)
    if not sys.stdin.isatty():
        report.failure("this deletes databases; without a terminal to ask on, say FORCE=yes")
        return False
    names = ", ".join(service.package for service in _owners(stack))
    report.say(f"  This deletes {names} and all that is in them. Type {CONFIRMATION} to go on:")
    if sys.stdin.readline().strip() == CONFIRMATION:
        return True
    report.say("  nothing was deleted")
    return False


async def reset(stack: Stack, *, confirmed: bool, report: Report) -> int:
    """Makes the databases of the stack's own server anew, with migrations and seeds; then, and only when all
    of that went well, deletes the old ones."""
    _refuse_where_it_hurts(stack)
    if not confirmed:
        return 1
    names = [service.package for service in _owners(stack)]
    async with _server(stack, report), _administration(stack) as connection:
        await _see_unused(connection, names)
        await _drop(connection, names)
        try:
            await stack.make_databases(ANEW)
            await _exchange(connection, names)
        except StackError as error:
            raise StackError(f"{error}\n      nothing was deleted") from error
        finally:
            await _drop(connection, names)
        report.say(f"  deleted {', '.join(names)}")
        _drop_messages(stack, report)
        _tell_migrations(stack, report, _owners(stack))
    return 0


async def shell(stack: Stack, name: str, *, report: Report) -> int:
    """psql in a service's database, as the role that the service itself has."""
    known = {service.name: service for service in _owners(stack)}
    if name not in known:
        what = f"{name} has no database." if name else "Which database?"
        raise StackError(f"{what} Say `make db-shell SERVICE=` and one of: {', '.join(known)}")
    psql = Binaries.find().psql
    async with _server(stack, report):
        package = known[name].package
        address = database_url(package, package, ports=stack.ports, outside=stack.outside)
        process = await asyncio.create_subprocess_exec(
            *(str(psql), address),
            env={**os.environ, "PGPASSWORD": secret(stack.layout.secrets / package)},
        )
        with _control_c_is_not_ours():
            return await process.wait()


async def verify_audit(
    stack: Stack, *, since: str | None = None, order: str | None = None, report: Report
) -> int:
    """Holds the history of orders against itself, as the service's own role; 1 when something is wrong."""
    arguments = [f"--{name}={value}" for name, value in (("since", since), ("order", order)) if value]
    async with _server(stack, report):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", stack.services[AUDITED].package, "verify-audit", *arguments),
            env=stack.environment(AUDITED),
        )
        return await process.wait()


async def reconcile(stack: Stack, *, since: str | None = None, everything: bool = False) -> int:
    """Holds orders against the books of the running services, as one of them; 1 when they differ."""
    if not await _runs(stack):
        raise StackError("nothing runs here; `make run` first")
    as_it_runs(stack)
    arguments = ["--all"] if everything else [f"--since={since}"] if since else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", stack.services[AUDITED].package, "reconcile", *arguments),
        env=stack.environment(AUDITED),
    )
    return await process.wait()


@contextlib.asynccontextmanager
async def _server(stack: Stack, report: Report) -> AsyncIterator[None]:
    """PostgreSQL: of the stack that runs, or started now and stopped at the end."""
    if await _runs(stack):
        as_it_runs(stack)
        yield
        return
    try:
        await stack.prepare(wanted={"postgres": stack.ports.postgres})
        if not stack.outside.postgres:
            report.say("  starting PostgreSQL for this command")
        await stack.start_servers(("postgres",))
        await stack.wait_servers("postgres")
        yield
    finally:
        await stack.stop()


async def _runs(stack: Stack) -> bool:
    """Waits for a stack that is starting, and for another of these commands to end."""
    try:
        async with asyncio.timeout(PATIENCE):
            while (pid := running_pid(stack.layout)) is not None and not noted(stack.layout):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise StackError(f"process {pid} has been starting for {PATIENCE:g} s; `make stop` first") from None
    return pid is not None


def _refuse_where_it_hurts(stack: Stack) -> None:
    if stack.outside.postgres:
        raise StackError(f"only the local stack's own databases are deleted; {POSTGRES} names another server")
    if running_pid(stack.layout) is None:
        return
    rows = noted(stack.layout).get("processes")
    if rows is None:
        raise StackError("the stack is starting; wait, or `make stop` first")
    if running := [row["name"] for row in rows if row["name"] in stack.services]:
        raise StackError(f"the services run ({', '.join(running)}); `make stop` first")


@contextlib.asynccontextmanager
async def _administration(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.administration_dsn(), timeout=10, command_timeout=60)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def _see_unused(connection: asyncpg.Connection, names: list[str]) -> None:
    rows = await connection.fetch(
        "SELECT DISTINCT datname, application_name FROM pg_stat_activity WHERE datname = ANY($1)", names
    )
    if rows:
        users = ", ".join(f"{row['application_name'] or 'a client'} in {row['datname']}" for row in rows)
        raise StackError(f"the databases are in use ({users}); nothing was deleted")


async def _exchange(connection: asyncpg.Connection, names: list[str]) -> None:
    """The new ones take the names of the old ones: all of them, or none."""
    rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname = ANY($1)", names)
    try:
        async with connection.transaction():
            for row in rows:
                await connection.execute(f"ALTER DATABASE {row['datname']} RENAME TO {row['datname']}{OLD}")
            for name in names:
                await connection.execute(f"ALTER DATABASE {name}{ANEW} RENAME TO {name}")
    except asyncpg.ObjectInUseError as error:
        raise StackError(f"{error}; end what uses it and try again") from error


async def _drop(connection: asyncpg.Connection, names: list[str]) -> None:
    """What was exchanged for new ones, and new ones that came to nothing."""
    for name in names:
        for ending in (ANEW, OLD):
            await connection.execute(f"DROP DATABASE IF EXISTS {name}{ending} WITH (FORCE)")


def _drop_messages(stack: Stack, report: Report) -> None:
    """What waits at the broker is about rows that are gone."""
    messages = stack.layout.data("rabbitmq")
    if "postgres" not in stack.children:
        report.say("  RabbitMQ runs and keeps its messages; `make stop` first, and they are deleted too")
    elif messages.exists():
        shutil.rmtree(messages)


def _owners(stack: Stack) -> list[Service]:
    return [service for service in stack.services.values() if service.database]


def _tell_migrations(
    stack: Stack, report: Report, services: Iterable[Service], *, done: str = "up to date"
) -> None:
    for service in services:
        lines = stack.layout.log(f"migrate-{service.name}").read_text(errors="replace").splitlines()
        names = [name for line in lines if (name := _migrated(line))]
        report.say(f"  {service.name:<13} {', '.join(names) or done}")


def _migrated(line: str) -> str | None:
    """The file's name, of a log line that says that it was applied."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    found = isinstance(entry, dict) and entry.get("event") == "migrated"
    return str(entry.get("migration")) if found else None


@contextlib.contextmanager
def _control_c_is_not_ours() -> Iterator[None]:
    """It belongs to psql, which runs on the same terminal."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
