"""The commands for the databases: beside a stack that runs, and on their own."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from hub_local import databases
from hub_local.credentials import secret
from hub_local.faults import StackError
from hub_local.outside import Outside
from hub_local.ports import HOST
from hub_local.processes import leftovers
from hub_local.servers import superuser_dsn
from hub_local.stack import Stack
from tests.local.dummies.table import stack_of_dummies
from tests.local.test_commands import Screen


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture(scope="module")
async def running(folder_for_servers: Path) -> AsyncIterator[Stack]:
    """As `make servers` leaves it, as far as databases are concerned."""
    stack = stack_of_dummies(folder_for_servers / "databases")
    try:
        await stack.prepare()
        await stack.start_servers(("postgres",))
        await stack.wait_servers("postgres")
        await stack.make_databases()
        stack.snapshot()
        yield stack
    finally:
        await stack.stop()


def beside(running: Stack) -> Stack:
    """The same stack, as another process sees it."""
    stack = stack_of_dummies(running.layout.state)
    stack.ports = running.ports
    return stack


async def runs(stack: Stack) -> int:
    """How often the stand-in's migration ran."""
    connection = await asyncpg.connect(superuser_dsn(stack.layout, stack.ports, "hub_ledger"))
    count: int = await connection.fetchval("SELECT count(*) FROM run")
    await connection.close()
    return count


async def test_alone_they_start_postgres_and_stop_it_again(folder_for_servers: Path, screen: Screen) -> None:
    state = folder_for_servers / "alone"
    assert await databases.migrate(stack_of_dummies(state), report=screen.report) == 0
    assert "starting PostgreSQL" in screen.text
    assert "ledger" in screen.text
    assert leftovers(state) == []
    messages = state / "data" / "rabbitmq"
    messages.mkdir()
    assert await databases.reset(stack_of_dummies(state), confirmed=True, report=screen.report) == 0
    assert "deleted hub_ledger" in screen.text
    assert not messages.exists()
    assert leftovers(state) == []


async def test_two_at_once_wait_for_each_other(folder_for_servers: Path, screen: Screen) -> None:
    state = folder_for_servers / "two"
    stacks = [stack_of_dummies(state) for _ in range(2)]
    assert await asyncio.gather(*(databases.migrate(stack, report=screen.report) for stack in stacks)) == [
        0,
        0,
    ]
    assert screen.text.count("starting PostgreSQL") == 2
    assert leftovers(state) == []


async def test_beside_a_stack_they_use_its_server_and_leave_it_running(
    running: Stack, screen: Screen
) -> None:
    before = await runs(running)
    assert await databases.migrate(beside(running), report=screen.report) == 0
    assert await databases.seed(beside(running), report=screen.report) == 0
    assert await runs(running) == before + 2
    assert "starting" not in screen.text


async def test_reset_makes_them_anew(running: Stack, screen: Screen) -> None:
    await running.make_databases()
    assert await databases.reset(beside(running), confirmed=True, report=screen.report) == 0
    assert await runs(running) == 1
    assert "RabbitMQ runs and keeps its messages" in screen.text


async def test_reset_deletes_nothing_that_is_in_use(running: Stack, screen: Screen) -> None:
    connection = await asyncpg.connect(
        superuser_dsn(running.layout, running.ports, "hub_ledger"),
        server_settings={"application_name": "somebody"},
    )
    with pytest.raises(StackError, match=r"in use \(somebody in hub_ledger\); nothing was deleted"):
        await databases.reset(beside(running), confirmed=True, report=screen.report)
    await connection.close()


async def databases_of(stack: Stack) -> set[str]:
    connection = await asyncpg.connect(superuser_dsn(stack.layout, stack.ports))
    rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'hub%'")
    await connection.close()
    return {row["datname"] for row in rows}


async def test_reset_deletes_nothing_before_the_new_databases_are_complete(
    running: Stack, screen: Screen
) -> None:
    await running.make_databases()
    before = await runs(running)
    stack = stack_of_dummies(running.layout.state, overrides={"HUB_BROKEN": "ledger"})
    with pytest.raises(StackError, match=r"(?s)of ledger failed.*HUB_BROKEN: says.*nothing was deleted"):
        await databases.reset(stack, confirmed=True, report=screen.report)
    assert await runs(running) == before
    assert await databases_of(running) == {"hub_ledger"}
    assert "deleted" not in screen.text


async def test_alone_it_leaves_the_messages_too_when_it_fails(
    folder_for_servers: Path, screen: Screen
) -> None:
    state = folder_for_servers / "failing"
    assert await databases.migrate(stack_of_dummies(state), report=screen.report) == 0
    messages = state / "data" / "rabbitmq"
    messages.mkdir()
    stack = stack_of_dummies(state, overrides={"HUB_BROKEN": "ledger"})
    with pytest.raises(StackError, match="nothing was deleted"):
        await databases.reset(stack, confirmed=True, report=screen.report)
    assert messages.exists()
    assert leftovers(state) == []


async def test_reset_goes_on_where_a_killed_one_stopped(running: Stack, screen: Screen) -> None:
    connection = await asyncpg.connect(superuser_dsn(running.layout, running.ports))
    await connection.execute("CREATE DATABASE hub_ledger_anew")
    await connection.execute("CREATE DATABASE hub_ledger_old")
    assert await databases.reset(beside(running), confirmed=True, report=screen.report) == 0
    await connection.execute("DROP DATABASE hub_ledger")
    await connection.close()
    assert await databases.reset(beside(running), confirmed=True, report=screen.report) == 0
    assert await runs(running) == 1
    assert await databases_of(running) == {"hub_ledger"}


async def test_the_service_has_its_rights_in_the_new_database(running: Stack, screen: Screen) -> None:
    assert await databases.reset(beside(running), confirmed=True, report=screen.report) == 0
    password = secret(running.layout.secrets / "hub_ledger")
    url = f"postgresql://hub_ledger:{password}@{HOST}:{running.ports.postgres}/hub_ledger"
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT count(*) FROM run") == 1
    await connection.close()


async def test_reset_is_refused_while_services_run(running: Stack, screen: Screen) -> None:
    noted = running.layout.processes.read_text()
    running.layout.processes.write_text('{"processes": [{"name": "postgres"}, {"name": "ledger"}]}')
    with pytest.raises(StackError, match=r"the services run \(ledger\); `make stop` first"):
        databases.confirm(beside(running), report=screen.report)
    running.layout.processes.unlink()
    with pytest.raises(StackError, match="the stack is starting"):
        await databases.reset(beside(running), confirmed=True, report=screen.report)
    running.layout.processes.write_text(noted)


async def test_reset_is_refused_for_a_server_of_somebody_else(tmp_path: Path, screen: Screen) -> None:
    stack = stack_of_dummies(tmp_path)
    stack.outside = Outside(postgres="postgresql://somebody@db.example/")
    with pytest.raises(StackError, match="HUB_LOCAL_POSTGRES_URL names another server"):
        await databases.reset(stack, confirmed=True, report=screen.report)


@pytest.mark.parametrize(("typed", "confirmed"), [("yes\n", True), ("y\n", False)])
def test_reset_asks_first(
    typed: str, confirmed: bool, tmp_path: Path, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, terminal = os.openpty()
    os.write(person, typed.encode())
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert databases.confirm(stack_of_dummies(tmp_path), report=screen.report) is confirmed
    os.close(person)
    assert "This deletes hub_ledger" in screen.text
    assert ("nothing was deleted" in screen.text) is not confirmed


def test_without_a_terminal_it_wants_force(tmp_path: Path, screen: Screen) -> None:
    assert databases.confirm(stack_of_dummies(tmp_path), report=screen.report) is False
    assert "FORCE=yes" in screen.text


async def test_the_shell_is_the_services_own_role_in_its_database(
    running: Stack,
    screen: Screen,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "psqlrc").write_text("SELECT current_user || ' in ' || current_database();\n")
    monkeypatch.setenv("PSQLRC", str(tmp_path / "psqlrc"))
    assert await databases.shell(beside(running), "ledger", report=screen.report) == 0
    assert "hub_ledger in hub_ledger" in capfd.readouterr().out


async def test_the_history_is_verified_by_the_service_with_its_own_environment(
    running: Stack, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "AUDITED", "ledger")
    stack = beside(running)
    assert await databases.verify_audit(stack, since="2026-01-01", report=screen.report) == 1
    asked = (running.layout.state / "asked").read_text()
    assert asked == "verify-audit --since=2026-01-01 as hub_ledger"


async def test_orders_are_held_against_books_by_the_service_while_the_stack_runs(
    running: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "AUDITED", "ledger")
    asked = running.layout.state / "asked"
    assert await databases.reconcile(beside(running), since="2026-01-01") == 1
    assert asked.read_text() == "reconcile --since=2026-01-01 as hub_ledger"
    assert await databases.reconcile(beside(running), everything=True) == 1
    assert asked.read_text() == "reconcile --all as hub_ledger"
    with pytest.raises(StackError, match="nothing runs"):
        await databases.reconcile(stack_of_dummies(tmp_path))


@pytest.mark.parametrize(
    ("name", "reason"), [("", "Which database"), ("gateway", "gateway has no"), ("oder", "oder has no")]
)
async def test_the_shell_names_the_databases_there_are(
    name: str, reason: str, tmp_path: Path, screen: Screen
) -> None:
    with pytest.raises(StackError, match=rf"{reason}.* Say `make db-shell SERVICE=` and one of: ledger"):
        await databases.shell(stack_of_dummies(tmp_path), name, report=screen.report)
