"""`run` and `servers`: bring the stack up in the foreground, stay, and stop it when asked to."""

import asyncio
import contextlib
import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from hub_local import account
from hub_local.faults import StackError
from hub_local.layout import (
    ADMIN_EMAIL,
    FEEDS,
    MARKER,
    REPLAY,
    SERVICES,
    state_directory,
    without_proxies,
)
from hub_local.outside import Outside
from hub_local.ports import Ports
from hub_local.processes import Program, ended, spawn
from hub_local.report import Follower, Report, highlight
from hub_local.stack import Stack

CHECKOUT = Path(__file__).resolve().parents[3]
# Whoever signals a whole process group reaches us directly and again through make: that is one request.
SAME_REQUEST = 1.0


class StopAskedError(Exception):
    """A signal asked us to stop while something was going on."""


@dataclass
class Session:
    """A run in the foreground: whether it was asked to stop, and how it ends."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    asked_at: float = 0.0
    code: int = 0


async def run(stack: Stack, *, demonstrate: bool, report: Report) -> int:
    """The whole platform, until Ctrl-C or SIGTERM."""
    began = time.monotonic()
    async with _session(stack, report) as session:
        async with _until_asked(session):
            await _bring_up(stack, report)
            seconds = time.monotonic() - began
            if demonstrate and stack.layout.feed != REPLAY:
                report.say(f"  no demonstration: it trades what the {REPLAY} feed has")
            elif demonstrate:
                await _demonstrate(stack, report)
            await _tell_places(stack, report, seconds)
        await _stay(stack, report, session)
    return session.code


async def servers(stack: Stack, *, report: Report) -> int:
    """PostgreSQL, Redis and RabbitMQ with databases and migrations, but none of the services."""
    async with _session(stack, report) as session:
        async with _until_asked(session):
            await stack.prepare(wanted=stack.ports.servers())
            await _start_servers(stack, report)
            await _wait_broker(stack, report)
            report.say(f"    passwords   {short(stack.layout.secrets)}")
            report.say("    Ctrl-C stops the servers")
        await _stay(stack, report, session)
    return session.code


def stack_of_checkout(*, http_port: int, port_shift: int = 0, report: Report) -> Stack:
    """The one stack of this checkout, on the fixed ports."""
    state = state_directory(CHECKOUT)
    report.title("Hub Investments: local stack")
    if not state.is_relative_to(CHECKOUT):
        report.say(f"  its data is kept in {state}, because the servers' users cannot enter {CHECKOUT}")
    return Stack(
        state=state,
        ports=Ports.local(tuple(SERVICES), http=http_port, shift=port_shift),
        on_event=report.event,
        outside=Outside.from_environment(os.environ),
        feed=_feed(),
        roomy=True,
    )


def _feed() -> str:
    feed = os.environ.get("HUB_FEED", "").strip() or REPLAY
    if feed not in FEEDS:
        raise StackError(f"HUB_FEED (make run FEED=...): there is no feed {feed}, but {', '.join(FEEDS)}")
    return feed


@contextlib.asynccontextmanager
async def _session(stack: Stack, report: Report) -> AsyncIterator[Session]:
    """Whatever happens in the block, the stack is stopped after it. A second signal kills."""
    session = Session()

    def asked() -> None:
        report.interrupted()
        if not session.asked.is_set():
            session.asked_at = time.monotonic()
        elif time.monotonic() - session.asked_at > SAME_REQUEST:
            stack.kill_all()
        session.asked.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked)
    try:
        yield session
    except StopAskedError:
        pass
    except StackError as error:
        report.failure(str(error))
        session.code = 1
    finally:
        await _stop(stack, report)


async def _stop(stack: Stack, report: Report) -> None:
    began = time.monotonic()
    if stack.children:
        report.say("  stopping")
    await stack.stop()
    if stack.children:
        report.say(f"  everything is stopped ({time.monotonic() - began:.1f} s); the data is kept")


@contextlib.asynccontextmanager
async def _until_asked(session: Session) -> AsyncIterator[None]:
    """Breaks the block off when a signal comes."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one

    async def watch() -> None:
        await session.asked.wait()
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not session.asked.is_set():
            raise
        task.uncancel()
        raise StopAskedError from None
    finally:
        watcher.cancel()


async def _bring_up(stack: Stack, report: Report) -> None:
    if left := await stack.prepare():
        report.say(f"  ended {left} processes that a killed run had left")
    await _start_servers(stack, report)
    stack.start_services()
    await _wait_broker(stack, report)
    async with report.step("services", lambda: _waiting(stack)) as details:
        await stack.wait_ready()
        details.append(", ".join(stack.services))
    stack.snapshot()


async def _start_servers(stack: Stack, report: Report) -> None:
    async with report.step("servers", lambda: _waiting(stack)) as details:
        await stack.start_servers()
        await stack.wait_servers("postgres", "redis")
        places = stack.places()
        details.append(f"PostgreSQL {places['postgres']}, Redis {places['redis']}")
    async with report.step("databases", lambda: _waiting(stack)) as details:
        await stack.make_databases()
        details.append(", ".join(service.package for service in stack.services.values() if service.database))


async def _wait_broker(stack: Stack, report: Report) -> None:
    async with report.step("broker", lambda: _waiting(stack)) as details:
        await stack.wait_servers("rabbitmq")
        details.append(f"RabbitMQ {stack.places()['rabbitmq']}")


def _waiting(stack: Stack) -> str:
    return ", ".join(f"{name}: {why}" for name, why in stack.waiting.items())


async def _demonstrate(stack: Stack, report: Report) -> None:
    report.say()
    code = await demonstration(stack.layout.state, stack.gateway_url)
    report.say()
    if code != 0:
        report.failure(f"the demonstration failed (exit code {code}); the stack stays up, its logs say more")


async def demonstration(state: Path, gateway: str) -> int:
    """Runs it on our own terminal; answers its exit code. `state` is the folder of the stack meant."""
    program = Program(
        name="demo",
        command=(sys.executable, "-m", "hub_local.demo", "--gateway", gateway),
        environment={**os.environ, **without_proxies(), MARKER: str(state), "PYTHONUNBUFFERED": "1"},
        directory=state,
        log=None,
    )
    process = spawn(program)
    try:
        return await ended(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def _tell_places(stack: Stack, report: Report, seconds: float) -> None:
    login = await account.ensure_demo_login(stack.gateway_url, stack.layout.secrets)
    label = "metrics"
    places = ", ".join(f"{port} {name}" for name, port in stack.ports.admin.items())
    report.title(f"  Ready ({seconds:.1f} s)")
    report.say(f"    gateway     {stack.gateway_url}/api/v1")
    report.say(f"    docs        {stack.gateway_url}/docs")
    report.say(f"    live        {stack.gateway_url.replace('http', 'ws', 1)}/api/v1/stream")
    report.say(f"    demo login  {login}")
    report.say(f"    admin       {ADMIN_EMAIL}, password in {short(stack.layout.admin_password)}")
    for line in textwrap.wrap(f"http://127.0.0.1:PORT/metrics  {places}", 80):
        report.say(f"    {label:<11} {line}")
        label = ""
    report.say(f"    logs        {short(stack.layout.logs)}  (make logs NAME=order)")
    report.say(f"    data        {short(stack.layout.state)}  (make reset deletes it)")
    report.say("    Ctrl-C stops everything")
    report.say()


async def _stay(stack: Stack, report: Report, session: Session) -> None:
    follower = Follower([stack.layout.log(name) for name in stack.children])
    while not session.asked.is_set():
        for _, line in follower.lines():
            if found := highlight(line):
                report.event(*found)
        follower.trim()
        stack.snapshot()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await session.asked.wait()


def short(path: Path) -> str:
    """As seen from the checkout."""
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)
