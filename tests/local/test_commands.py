"""The commands for a stack that runs in another terminal, or not at all."""

import asyncio
import io
import os
from pathlib import Path

import pytest

from hub_local import commands
from hub_local.credentials import secret
from hub_local.faults import AlreadyRunningError
from hub_local.holding import hold
from hub_local.layout import Layout
from hub_local.processes import leftovers
from hub_local.report import Report
from tests.local.test_foreground import foreground
from tests.support.waiting import eventually


class Screen:
    """What a command printed."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.report = Report(self._stream)

    @property
    def text(self) -> str:
        return self._stream.getvalue()


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def state(folder_for_servers: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = folder_for_servers / str(request.node.name)
    monkeypatch.setattr(commands, "state_directory", lambda _checkout: folder)
    return folder


async def test_without_a_stack_they_say_so(state: Path, screen: Screen) -> None:
    assert await commands.stop(report=screen.report) == 0
    assert await commands.status(report=screen.report) == 3
    assert await commands.demo(report=screen.report) == 1
    assert screen.text.count("nothing runs") == 3


async def test_reset_deletes_everything(state: Path, screen: Screen) -> None:
    layout = Layout(state)
    layout.make()
    secret(layout.secrets / "postgres")
    assert await commands.reset(report=screen.report) == 0
    assert not await asyncio.to_thread(state.exists)


async def test_reset_deletes_nothing_where_something_is_another_users(
    state: Path, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(state)
    layout.make()
    secret(layout.secrets / "postgres")
    theirs = layout.data("postgres")
    theirs.mkdir()
    # Root, who runs the tests somewhere, may do everything.
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != theirs)
    assert await commands.reset(report=screen.report) == 1
    assert f"{theirs} is another user's; nothing was deleted" in screen.text
    assert (layout.secrets / "postgres").exists()


async def test_reset_deletes_nothing_while_something_starts(state: Path, screen: Screen) -> None:
    layout = Layout(state)
    layout.make()
    with hold(layout), pytest.raises(AlreadyRunningError, match="make stop"):
        await commands.reset(report=screen.report)
    assert layout.secrets.exists()


async def test_reset_says_what_it_leaves_on_a_server_of_somebody_else(
    state: Path, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_LOCAL_POSTGRES_URL", "postgresql://keeper:sesame@db.example:5433/")
    assert await commands.reset(report=screen.report) == 0
    assert "the databases at db.example:5433 are kept; drop hub_auth there" in screen.text
    assert "sesame" not in screen.text


async def test_logs_name_what_there_is(state: Path, screen: Screen) -> None:
    Layout(state).make()
    Layout(state).log("order").touch()
    assert await commands.logs(["oder"], report=screen.report) == 1
    assert "there are: order" in screen.text


async def test_status_and_stop_reach_the_other_terminal(state: Path, screen: Screen) -> None:
    async with foreground(state) as terminal:
        await terminal.shows("Ctrl-C stops")
        assert await commands.status(report=screen.report) == 0
        assert screen.text.count(" ready") == 2
        assert screen.text.count(" running") == 4
        with pytest.raises(AlreadyRunningError):
            await commands.reset(report=screen.report)
        following = asyncio.create_task(commands.logs(["ledger"], report=screen.report))
        await eventually(lambda: "ledger says hello" in screen.text)
        following.cancel()
        await asyncio.wait({following})
        assert await commands.stop(report=screen.report) == 0
        assert await terminal.ends() == 0
    assert leftovers(state) == []
